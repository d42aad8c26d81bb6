import type { Field, Kind } from "./mutations.ts";
import { insteadOf, mutatedBodies, mutatedFields, short } from "./mutations.ts";
import type { Random } from "./random.ts";
import type { Request, Value } from "./request.ts";

/** A request code, what is valid for it, and by that what is not. */
export interface Template {
  readonly code: number;
  readonly fields?: Readonly<Record<string, Field>>;
  /** A JSON body, which is made wrong member by member. */
  readonly json?: unknown;
  readonly rest?: Partial<Request>;
}

const field =
  (kind: Kind) =>
  (value?: Value): Field => ({ kind, value });

/** Without a value the field is optional and not there in the valid request. */
export const f = {
  topic: field("topic"),
  group: field("group"),
  queue: field("queue"),
  int: field("int"),
  count: field("count"),
  long: field("long"),
  flag: field("flag"),
  text: field("text"),
  sysFlag: field("sysFlag"),
  asItIs: field("as it is"),
};

export function valid({ code, fields = {}, json, rest }: Template): Request {
  return {
    code,
    variant: "valid",
    to: "broker",
    answers: "json",
    fields: Object.fromEntries(
      Object.entries(fields).flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]])),
    ),
    ...(json === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(json)) }),
    ...rest,
  };
}

/** The valid request; then one thing wrong at a time; then how it may come: another codec, old clients, one-way. */
export function* variantsOf(template: Template): Generator<Request> {
  const request = valid(template);
  yield request;
  yield* mutatedFields(request, template.fields ?? {});
  if (template.json !== undefined) yield* mutatedBodies(request, template.json);
  else yield { ...request, variant: "with another body", body: new TextEncoder().encode('{"a":1}') };
  const none: Request = { ...request, variant: "without all fields", fields: {} };
  if (Object.keys(request.fields).length > 0) yield none;
  yield { ...request, variant: "version 0", version: 0 };
  yield { ...request, variant: "version of 4.9.1", version: 395 };
  // The binary header has 16 bits for it.
  if (request.code < 0x8000) yield { ...request, variant: "binary header", serializeType: 1 };
  yield { ...request, variant: "one-way", isOneway: true };
  yield { ...none, variant: "one-way, without all fields", isOneway: true };
}

/** With two to four fields wrong at once, by chance. */
export function* randomOf(template: Template, random: Random, count: number): Generator<Request> {
  const request = valid(template);
  const names = Object.entries(template.fields ?? {}).filter(([, { kind }]) => kind !== "as it is");
  if (names.length < 2) return;
  for (let i = 0; i < count; i++) {
    const fields = { ...request.fields };
    const wrongs = new Map<string, string>();
    for (let wrong = 2 + random.below(3); wrong > 0; wrong--) {
      const [name, { kind }] = random.of(names);
      const values = insteadOf(kind);
      const value = random.below(values.length + 1);
      if (value === values.length) delete fields[name];
      else fields[name] = values[value]!;
      wrongs.set(name, value === values.length ? `${name} missing` : `${name}=${short(values[value]!)}`);
    }
    yield { ...request, variant: `random ${i}: ${[...wrongs.values()].join("; ")}`, fields };
  }
}

/** Each request that is about the valid `value` is about one of its own: what one does, no other sees. */
export function* eachOwn(requests: Iterable<Request>, name: string, value: string): Generator<Request> {
  let count = 0;
  for (const request of requests) {
    if (request.fields[name] !== value) yield request;
    else yield { ...request, fields: { ...request.fields, [name]: `${value}-${count++}` } };
  }
}
