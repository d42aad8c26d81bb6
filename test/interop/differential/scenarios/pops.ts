import type { Request, Step } from "../request.ts";
import { eachOwn, f, type Template, valid, variantsOf } from "../template.ts";
import { dispatched, encode, own, properties, queueOf, send } from "./vocabulary.ts";

const pop = (group: string, given: Template["fields"] = {}): Template => ({
  code: 200_050,
  fields: {
    consumerGroup: f.group(group),
    ...queueOf("Pops"),
    maxMsgNums: f.int("2"),
    invisibleTime: f.asItIs("600000"),
    pollTime: f.asItIs("0"),
    bornTime: f.asItIs(() => String(Date.now())),
    initMode: f.int("0"),
    expType: f.text("TAG"),
    exp: f.text("*"),
    order: f.flag("false"),
    attemptId: f.text(),
    ...given,
  },
  rest: { answers: "messages" },
});

/** The receipt of the first message of a pop, "receipt of …" (ExtraInfoUtil). */
function keepsReceipt(request: Request, name: string): Request {
  return {
    ...request,
    keep({ fields }, side) {
      const [flag, queueId, start] = (fields["startOffsetInfo"] ?? "").split(" ");
      const { popTime, invisibleTime, reviveQid } = fields;
      const parts = [start, popTime, invisibleTime, reviveQid, flag, "broker-a", queueId, start];
      side.kept.set(`receipt of ${name}`, parts.join(" "));
      side.kept.set(`popTime of ${name}`, popTime ?? "0");
      side.kept.set(`reviveQid of ${name}`, reviveQid ?? "0");
    },
  };
}

/** Each pop is of a group of its own, so that none sees what another has taken. */
export function* pops(): Generator<Step> {
  for (let i = 0; i < 8; i++) {
    yield send("Pops", `popped ${i}`, { i: properties({ UNIQ_KEY: `PO${i}`, TAGS: "AB"[i % 2]! }) });
  }
  yield dispatched;
  let count = 0;
  yield* eachOwn(variantsOf(pop("Pop")), "consumerGroup", "Pop");
  for (const [variant, given] of [
    ["tag A", { exp: "A" }],
    ["a tag that is not there", { exp: "Z" }],
    ["SQL92", { exp: "TAGS = 'A'", expType: "SQL92" }],
    ["SQL92 that is none", { exp: "TAGS = ", expType: "SQL92" }],
    ["of all queues", { queueId: "-1" }],
    ["from the end", { initMode: "1" }],
    ["in order", { order: "true" }],
    ["32", { maxMsgNums: "32" }],
    ["33", { maxMsgNums: "33" }],
    ["of a topic that is not for reading", { topic: "NoRead" }],
    ["of a disabled group", { consumerGroup: "DisabledGroup" }],
  ] as const) {
    const request = valid(pop(`Other-${count++}`));
    yield { ...request, variant, fields: { ...request.fields, ...given } };
  }
  yield* ofPopped();
  for (const template of asking) yield* variantsOf(template);
}

function* ofPopped(): Generator<Request> {
  let count = 0;
  const popped = (): Request =>
    keepsReceipt({ ...valid(pop(`Acked-${count}`)), variant: `for what follows ${count}` }, `pop ${count}`);
  const ack = (i: number): Template => ({
    code: 200_051,
    fields: {
      consumerGroup: f.group(`Acked-${i}`),
      ...queueOf("Pops"),
      extraInfo: f.text(own(`receipt of pop ${i}`)),
      offset: f.long("0"),
    },
  });
  const change = (i: number): Template => ({
    ...ack(i),
    code: 200_053,
    fields: { ...ack(i).fields, invisibleTime: f.asItIs("500000"), suspend: f.flag() },
  });
  for (const make of [ack, change]) {
    const variants = [...variantsOf(make(0))].length;
    for (let i = 0; i < variants; i++) {
      yield popped();
      yield [...variantsOf(make(count))][i]!;
      count++;
    }
  }
  const batch = (changed: object) => (side: Parameters<ReturnType<typeof own>>[0]) =>
    encode(
      JSON.stringify({
        brokerName: "broker-a",
        acks: [
          {
            c: `Acked-${batchOf}`,
            t: "Pops",
            r: "0",
            so: 0,
            pt: Number(own(`popTime of pop ${batchOf}`)(side)),
            it: 600_000,
            q: 0,
            rq: Number(own(`reviveQid of pop ${batchOf}`)(side)),
            b: "Aw==",
            ...changed,
          },
        ],
      }),
    );
  const batchOf = count;
  yield popped();
  const request: Request = { ...valid({ code: 200_151 }) };
  const body = (variant: string, bytes: Request["body"]): Request => ({ ...request, variant, body: bytes! });
  yield body("without a body", new Uint8Array(0));
  yield body("no JSON", encode("x"));
  yield body("empty", encode("{}"));
  yield body("of no acks", encode('{"acks":[]}'));
  for (const [variant, changed] of [
    ["another topic", { t: "NoSuchTopic" }],
    ["another queue", { q: 9 }],
    ["a negative queue", { q: -1 }],
    ["another group", { c: "NoSuchGroup" }],
    ["no group", { c: undefined }],
    ["a revive queue that is not there", { rq: 99 }],
    ["offsets beyond the queue", { so: 1_000 }],
    ["no bits", { b: "" }],
    ["bits that are none", { b: "%%%" }],
    ["a retry topic that is not there", { r: "1" }],
    ["a retry mark that is none", { r: "x" }],
  ] as const) {
    yield body(variant, batch(changed));
  }
  yield body("valid", batch({}));
  yield body("once more", batch({}));
}

const asking: readonly Template[] = [
  {
    code: 200_052,
    fields: { consumerGroup: f.group("PopGroup"), ...queueOf("Pops"), maxMsgNums: f.int("2") },
    rest: { answers: "messages" },
  },
  {
    code: 200_054,
    fields: {
      consumerGroup: f.group("PopGroup"),
      ...queueOf("Pops"),
      pollTime: f.asItIs("0"),
      bornTime: f.asItIs(() => String(Date.now())),
      order: f.flag(),
      attemptId: f.text(),
      expType: f.text(),
      exp: f.text(),
    },
  },
  { code: 200_055, fields: { consumerGroup: f.group("PopGroup"), ...queueOf("Pops") } },
];
