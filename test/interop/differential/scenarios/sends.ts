import { encodeBatch } from "../../../lib/remoting-client.ts";
import type { Random } from "../random.ts";
import type { Request, Step } from "../request.ts";
import { eachOwn, f, randomOf, type Template, valid, variantsOf } from "../template.ts";
import { keepsPlace } from "./setup.ts";
import { arrived, dispatched, encode, own, properties, pull, send, sent } from "./vocabulary.ts";

/** 10 has names where 310 has letters. */
const longNames = {
  a: "producerGroup",
  b: "topic",
  c: "defaultTopic",
  d: "defaultTopicQueueNums",
  e: "queueId",
  f: "sysFlag",
  g: "bornTimestamp",
  h: "flag",
  i: "properties",
  j: "reconsumeTimes",
  k: "unitMode",
  l: "maxReconsumeTimes",
  m: "batch",
  n: "brokerName",
} as const;

const withLongNames = (template: Template): Template => ({
  ...template,
  code: 10,
  fields: Object.fromEntries(
    Object.entries(template.fields ?? {}).map(([letter, one]) => [longNames[letter as keyof typeof longNames], one]),
  ),
});

const batch = encodeBatch([
  { body: "one", properties: { UNIQ_KEY: "B1", TAGS: "A" } },
  { body: "two", properties: { UNIQ_KEY: "B2" } },
  { body: "" },
]);

const sendTemplates: readonly Template[] = [
  sent("Sends"),
  withLongNames(sent("Sends")),
  {
    ...sent("Batches"),
    code: 320,
    fields: { ...sent("Batches").fields, m: f.flag("true") },
    rest: { body: batch },
  },
];

const replies = {
  MSG_TYPE: "reply",
  CORRELATION_ID: "c",
  REPLY_TO_CLIENT: "nobody",
  TTL: "3000",
  CLUSTER: "DefaultCluster",
};

const replying: readonly Template[] = [
  {
    ...sent("Replies"),
    code: 325,
    fields: { ...sent("Replies").fields, i: f.text(properties({ ...replies, UNIQ_KEY: "R" })) },
  },
];

/** Each to a topic of its own, which is made by it. */
export function* sending(random: Random): Generator<Step> {
  for (const template of [...sendTemplates, ...replying]) {
    const name = template.code === 10 ? "topic" : "b";
    const topic = template.fields![name]!.value as string;
    const own = { ...template, fields: { ...template.fields, [name]: f.topic(`${topic}-${template.code}`) } };
    const requests = function* () {
      yield* variantsOf(own);
      yield* randomOf(own, random, 15);
    };
    for (const request of eachOwn(requests(), name, `${topic}-${template.code}`)) {
      // A reply to a retry topic, which no client sends, is among the dead letters of a group whose queues are locked here, and in that topic
      // on Apache: whatever is asked about both behind it would differ.
      if (request.code !== 325 || request.fields[name] !== "%RETRY%Group") yield request;
    }
  }
}

/** What only some messages have, and their limits. */
export function* sends(): Generator<Step> {
  const bodies: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array(0)],
    ["one byte", encode("x")],
    ["zeros", new Uint8Array(1_000)],
    ["64 KiB", encode("y".repeat(65_536))],
    ["4 MiB", encode("z".repeat(4 * 1024 * 1024))],
    ["4 MiB and a byte", encode("z".repeat(4 * 1024 * 1024 + 1))],
  ];
  // Which message has which place is compared later: what one broker may refuse is sent elsewhere.
  for (const [name, body] of bodies)
    yield { ...send(name === "nothing" ? "Doubtful" : "Sends", `of ${name}`, {}), body };
  const given: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "to a topic that is not for writing": { b: "NoWrite" },
    "to a topic that is not for reading": { b: "NoRead" },
    "to the last queue": { e: "3" },
    // Whichever it is, it is empty.
    "to any queue": { b: "AnyQueue", e: "-1" },
    "without properties": { i: "" },
    "properties that are none": { i: "a" },
    "properties without an end": { i: "a\u0001b" },
    "properties with a separator too many": { i: "a\u0001b\u0001c\u0002" },
    "properties with a name without a value": { i: "a\u0001\u0002" },
    "properties with a value without a name": { i: "\u0001b\u0002" },
    "properties twice": { i: "a\u0001b\u0002a\u0001c\u0002" },
    "properties of 32767 bytes": { i: properties({ a: "x".repeat(32_767 - 3) }) },
    "properties of 32768 bytes": { i: properties({ a: "x".repeat(32_768 - 3) }) },
    "properties of 40000 bytes": { i: properties({ a: "x".repeat(40_000) }) },
    "with tags, keys and more": { i: properties({ TAGS: "A", KEYS: "a b c", own: "ß✓", UNIQ_KEY: "S" }) },
    "with an empty tag": { i: "TAGS\u0001\u0002" },
    // Delivered soon, before or behind what is sent meanwhile: to a topic of its own.
    "delayed by level 1": { b: "Delayed", i: properties({ DELAY: "1", UNIQ_KEY: "D1" }) },
    "delayed by level 18": { i: properties({ DELAY: "18" }) },
    "delayed by level 19": { i: properties({ DELAY: "19" }) },
    "delayed by level 0": { i: properties({ DELAY: "0" }) },
    "delayed by level -1": { i: properties({ DELAY: "-1" }) },
    "delayed by no number": { i: properties({ DELAY: "x" }) },
    "delayed by seconds": { i: properties({ TIMER_DELAY_SEC: "3600", UNIQ_KEY: "D2" }) },
    "delayed by milliseconds": { i: properties({ TIMER_DELAY_MS: "3600000", UNIQ_KEY: "D3" }) },
    "delayed by too many seconds": { i: properties({ TIMER_DELAY_SEC: "999999999" }) },
    "delayed by negative seconds": { i: properties({ TIMER_DELAY_SEC: "-5" }) },
    "delayed by seconds that are none": { i: properties({ TIMER_DELAY_SEC: "x" }) },
    "delivered at a time that is over": { i: properties({ TIMER_DELIVER_MS: "1600000000000", UNIQ_KEY: "D4" }) },
    "delivered at a time that is none": { i: properties({ TIMER_DELIVER_MS: "x" }) },
    "delivered too late": { i: properties({ TIMER_DELIVER_MS: "9000000000000" }) },
    "by level and by seconds": { i: properties({ DELAY: "18", TIMER_DELAY_SEC: "3600" }) },
    "half, without a producer group": { b: "Trans", f: "4", i: properties({ TRAN_MSG: "true" }) },
    "half by the property alone": { b: "Trans", i: properties({ TRAN_MSG: "true", PGROUP: "Producers" }) },
    "half by the flag alone": { b: "Trans", f: "4" },
    "half and delayed": { b: "Trans", f: "4", i: properties({ TRAN_MSG: "true", PGROUP: "Producers", DELAY: "3" }) },
    "tried before, to a retry topic": { b: "%RETRY%Group", j: "3" },
    "tried too often, to a retry topic": { b: "%RETRY%Group", j: "17" },
    "tried too often for itself, to a retry topic": { b: "%RETRY%Group", j: "3", l: "2" },
    "to the retry topic of no group": { b: "%RETRY%NoSuchRetryGroup" },
    "to dead letters": { b: "%DLQ%Group" },
    "of a unit": { b: "UnitTopic", k: "true" },
    "for another broker": { n: "broker-b" },
    "to a topic that is made of TBW102": { b: "MadeBySend", d: "2" },
    "to a topic that is made of none": { b: "MadeByNothing", c: "NoSuchDefault" },
    "to a topic that is made of another": { b: "MadeByPlain", c: "Plain" },
    "to a topic that is made with 16 queues": { b: "MadeWide", d: "16" },
    "with sharding keys": { i: properties({ __SHARDINGKEY: "s", UNIQ_KEY: "S2" }) },
    "to a light topic": { i: properties({ __LITE_TOPIC: "l" }) },
    "to several queues": { i: properties({ INNER_MULTI_DISPATCH: "%LMQ%a,%LMQ%b", UNIQ_KEY: "S3" }) },
    "with a property of the broker's own": { i: properties({ REAL_TOPIC: "Other", REAL_QID: "3" }) },
  };
  for (const [variant, fields] of Object.entries(given)) yield send("Sends", variant, fields);
  yield* batches();
  yield dispatched;
  yield arrived("Delayed", 1);
  yield* whatIsThere([
    "Sends",
    "Delayed",
    "Batches",
    "Trans",
    "%RETRY%Group",
    "%DLQ%Group",
    "MadeBySend",
    "MadeByPlain",
    "UnitTopic",
  ]);
}

function* batches(): Generator<Request> {
  const ask = (code: number, variant: string, fields: Readonly<Record<string, string>>, body = batch): Request => ({
    ...send("Batches", variant, { m: "true", ...fields }),
    code,
    body,
  });
  const patched = (offset: number, value: number): Uint8Array => {
    const bytes = batch.slice();
    new DataView(bytes.buffer).setInt32(offset, value);
    return bytes;
  };
  for (const code of [310, 320]) {
    yield ask(code, "batch", {});
    yield ask(code, "batch without properties", { i: "" });
    yield ask(code, "batch, delayed", { i: properties({ DELAY: "18" }) });
    yield ask(code, "batch, half", { f: "4", i: properties({ TRAN_MSG: "true", PGROUP: "Producers" }) });
    yield ask(code, "batch to a retry topic", { b: "%RETRY%Group" });
    yield ask(code, "batch that says it is none", { m: "false" });
    yield ask(code, "batch of nothing", {}, new Uint8Array(0));
    yield ask(code, "batch of three bytes", {}, batch.slice(0, 3));
    yield ask(code, "batch without its end", {}, batch.slice(0, -1));
    yield ask(code, "batch with a byte too many", {}, new Uint8Array([...batch, 0]));
    yield ask(code, "batch with a body beyond the end", {}, patched(16, 1_000));
    yield ask(code, "batch with a negative body", {}, patched(16, -1));
    yield ask(code, "batch of a size of nothing", { b: "Doubtful" }, patched(0, 0));
    yield ask(code, "batch of a negative size", { b: "Doubtful" }, patched(0, -5));
  }
}

/** All messages of a topic's queues, and how many there are. */
export function* whatIsThere(topics: readonly string[]): Generator<Request> {
  for (const topic of topics) {
    for (const queueId of ["0", "1", "2", "3"]) {
      const request = valid(pull(topic, { queueId: f.asItIs(queueId), consumerGroup: f.asItIs("Reader") }));
      yield { ...request, variant: `what is in ${topic} ${queueId}` };
      yield { ...request, code: 30, variant: `how much is in ${topic} ${queueId}`, answers: "json" };
    }
  }
}

const end = (half: string): Template => ({
  code: 37,
  fields: {
    producerGroup: f.group("Producers"),
    tranStateTableOffset: f.long(own(`offset of ${half}`)),
    commitLogOffset: f.long(own(`place of ${half}`)),
    commitOrRollback: f.int("8"),
    fromTransactionCheck: f.flag("false"),
    msgId: f.text("HALF"),
    transactionId: f.text("HALF"),
    topic: f.topic("Trans"),
  },
});

/** Each end is of a half message of its own, as most ends are of one that has not ended. */
export function* transactions(): Generator<Step> {
  let count = 0;
  const half = (): Request =>
    keepsPlace(
      send("Trans", `half ${count++}`, {
        f: "4",
        i: properties({ TRAN_MSG: "true", PGROUP: "Producers", UNIQ_KEY: `H${count}` }),
      }),
    );
  const variants = [...variantsOf(end("310 half 0"))].length;
  for (let i = 0; i < variants; i++) {
    yield half();
    yield [...variantsOf(end(`310 half ${i}`))][i]!;
  }
  for (const [variant, commitOrRollback] of [
    ["rolls back", "12"],
    ["is unknown", "0"],
    ["is prepared", "4"],
  ] as const) {
    yield half();
    const request = valid(end(`310 half ${count - 1}`));
    yield { ...request, variant, fields: { ...request.fields, commitOrRollback } };
    yield { ...request, variant: `commits what ${variant}` };
  }
  yield { ...valid(end("310 half 0")), variant: "commits once more" };
  yield dispatched;
  yield* whatIsThere(["Trans", "RMQ_SYS_TRANS_HALF_TOPIC"]);
  for (const template of [
    {
      code: 323,
      fields: { msgId: f.text(own("id of 310 half 1")), topic: f.topic("Trans") },
    },
  ]) {
    yield* variantsOf(template);
  }
}

/** Each recall is of a message of its own. */
export function* recalls(): Generator<Step> {
  const recall = (message: string): Template => ({
    code: 370,
    fields: {
      producerGroup: f.group("Producers"),
      topic: f.topic("Sends"),
      recallHandle: f.text(own(`handle of ${message}`)),
    },
  });
  const variants = [...variantsOf(recall(""))].length;
  for (let i = 0; i < variants; i++) {
    yield keepsPlace(
      send("Sends", `recalled ${i}`, { i: properties({ TIMER_DELAY_SEC: "7200", UNIQ_KEY: `RC${i}` }) }),
    );
    yield [...variantsOf(recall(`310 recalled ${i}`))][i]!;
  }
}
