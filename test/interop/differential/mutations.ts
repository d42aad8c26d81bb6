import type { Request, Value } from "./request.ts";

/** What a header field means: by that it is made wrong. */
export type Kind = "topic" | "group" | "queue" | "int" | "count" | "long" | "flag" | "text" | "sysFlag" | "as it is";

export interface Field {
  readonly kind: Kind;
  readonly value: Value | undefined;
}

const long = "x".repeat(300);
const notNumbers = ["", "x", "1.5", " 1", "+1", "01", "0x1", "1e1"];

/** The values that each kind of field is given instead of its valid one; "missing" always is one more. */
const instead: Readonly<Record<Kind, readonly string[]>> = {
  topic: [
    "",
    "NoSuchTopic",
    "a b!",
    "t".repeat(127),
    "t".repeat(128),
    "TBW102",
    "SCHEDULE_TOPIC_XXXX",
    "RMQ_SYS_TRANS_HALF_TOPIC",
    "%RETRY%Group",
    "%DLQ%Group",
    "Topic%Äß",
  ],
  group: ["", "NoSuchGroup", "a b!", "g".repeat(120), "g".repeat(256), "CID_RMQ_SYS_OWN", "TOOLS_CONSUMER", "Gruppe-ß"],
  queue: [...notNumbers, "-1", "3", "4", "1000", "2147483647", "2147483648", "-2147483648"],
  int: [...notNumbers, "-1", "0", "7", "2147483647", "2147483648", "-2147483648"],
  // Never more: what one broker makes room for, the other need not.
  count: [...notNumbers, "-1", "0", "2", "2147483648"],
  long: [
    ...notNumbers,
    "-1",
    "0",
    "7",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
  ],
  flag: ["", "true", "false", "TRUE", "1", "x", " true"],
  text: ["", " ", "x y", "ß✓", "a\nb", long],
  // Compressed, with an expression of its own, prepared, rolled back, IPv6, with bits that mean nothing. None waits (2) but the last.
  sysFlag: [...notNumbers, "1", "4", "5", "8", "12", "16", "32", "64", "128", "1024", "-2147483648"],
  "as it is": [],
};

/** The request with one field at a time missing, or with a wrong or unusual value. */
export function* mutatedFields(valid: Request, fields: Readonly<Record<string, Field>>): Generator<Request> {
  for (const [name, { kind, value }] of Object.entries(fields)) {
    if (kind === "as it is") continue;
    if (value !== undefined) {
      const { [name]: _, ...rest } = valid.fields;
      yield { ...valid, variant: `${name} missing`, fields: rest };
    }
    for (const one of instead[kind]) {
      if (one !== value) yield { ...valid, variant: `${name}=${short(one)}`, fields: { ...valid.fields, [name]: one } };
    }
  }
}

/** The kinds of a field's wrong values, by which random requests are made as well. */
export function insteadOf(kind: Kind): readonly string[] {
  return instead[kind];
}

const wholeBodies = ["", "{", "null", "[]", "{}", "x", "\u0000\u0001\u0002"];

/** A JSON body that is none, or of another kind, or whose members miss or are of another kind. */
export function* mutatedBodies(valid: Request, body: unknown): Generator<Request> {
  const encode = (value: string) => new TextEncoder().encode(value);
  for (const one of wholeBodies) yield { ...valid, variant: `body ${short(one)}`, body: encode(one) };
  for (const { path, changed } of changes(body)) {
    yield { ...valid, variant: `body ${path}`, body: encode(JSON.stringify(changed)) };
  }
}

const otherKinds: readonly unknown[] = [null, "x", -1];

function* changes(value: unknown): Generator<{ path: string; changed: unknown }> {
  if (Array.isArray(value)) {
    for (const { path, changed } of changes(value[0]))
      yield { path: `[0].${path}`, changed: [changed, ...value.slice(1)] };
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const { [name]: _, ...rest } = value as Record<string, unknown>;
    yield { path: `${name} missing`, changed: rest };
    for (const other of otherKinds) {
      if (JSON.stringify(other) !== JSON.stringify(member)) {
        yield { path: `${name}=${JSON.stringify(other)}`, changed: { ...value, [name]: other } };
      }
    }
    for (const { path, changed } of changes(member)) {
      yield { path: `${name}.${path}`, changed: { ...value, [name]: changed } };
    }
  }
}

/** A value in a request's name, on one line. */
export function short(value: string): string {
  const printed = JSON.stringify(value).slice(1, -1);
  return printed.length > 24 ? `${printed.slice(0, 16)}…(${value.length})` : printed === "" ? '""' : printed;
}
