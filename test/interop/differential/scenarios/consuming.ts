import type { Request, Step } from "../request.ts";
import { eachOwn, f, type Template, valid, variantsOf } from "../template.ts";
import { arrived, consumer, dispatched, own, pull, queueJson, queueOf, subscription } from "./vocabulary.ts";

/** What pulls ask for, one thing at a time, beside what is made wrong of each field. */
export function* pulls(): Generator<Request> {
  const ask = (variant: string, fields: Readonly<Record<string, string>>): Request => {
    const request = valid(pull("Tagged"));
    return { ...request, variant, fields: { ...request.fields, ...fields } };
  };
  for (const offset of ["5", "11", "12", "13", "1000"]) yield ask(`from ${offset} of 12`, { queueOffset: offset });
  yield ask("an empty queue", { queueId: "1" });
  for (const [topic, queueId] of [
    ["Tagged", "1"],
    ["NoWrite", "0"],
    ["NoWrite", "4"],
    ["TBW102", "0"],
    ["TBW102", "7"],
    ["TBW102", "8"],
  ] as const) {
    const fields = { consumerGroup: f.group("Group"), ...queueOf(topic, queueId) };
    yield { ...valid({ code: 14, fields }), variant: `of an empty ${topic} ${queueId}` };
  }
  yield ask("beyond an empty queue", { queueId: "1", queueOffset: "5" });
  for (const expression of ["A", "A || B", "A||B||C", "NoSuchTag", "", " ", "||", "A ||", "n > 2"]) {
    yield ask(`tags ${JSON.stringify(expression)}`, { subscription: expression });
  }
  const sql = [
    "n > 2",
    "n between 3 and 5",
    "TAGS = 'A'",
    "n >",
    "x is null",
    "n in ('1', '2')",
    "n > 2 and",
    "",
    "1 = 1",
  ];
  for (const expression of sql) {
    yield ask(`SQL92 ${JSON.stringify(expression)}`, { subscription: expression, expressionType: "SQL92" });
  }
  for (const type of ["", "NONE", "tag", "sql92"])
    yield ask(`expression type ${JSON.stringify(type)}`, { expressionType: type });
  yield ask("by the group's subscription", { sysFlag: "0" });
  yield ask("by the group's subscription, an older version", { sysFlag: "0", subVersion: "0" });
  yield ask("by the group's subscription, a newer version", { sysFlag: "0", subVersion: "2" });
  yield ask("by the group's expression", { sysFlag: "0", consumerGroup: "SqlGroup" });
  yield ask("by a subscription that is not there", { sysFlag: "0", topic: "Keyed" });
  yield ask("by a group that is not there", { sysFlag: "0", consumerGroup: "NobodyOnline" });
  yield ask("a disabled group", { consumerGroup: "DisabledGroup" });
  yield ask("a topic that is not for reading", { topic: "NoRead" });
  yield ask("a topic of delays", { topic: "SCHEDULE_TOPIC_XXXX" });
  yield ask("nothing, and waits", { queueId: "1", sysFlag: "6", suspendTimeoutMillis: "100" });
  yield ask("with an offset to commit", { sysFlag: "5", commitOffset: "3", consumerGroup: "OffsetGroup" });
  yield ask("of few bytes", { maxMsgBytes: "300" });
  yield ask("of one byte", { maxMsgBytes: "1" });
}

export const reading: readonly Template[] = [
  pull("Plain"),
  { ...pull("Tagged", { subscription: f.asItIs("A") }), code: 361 },
  {
    code: 12,
    fields: {
      topic: f.topic("Keyed"),
      key: f.text("all"),
      maxNum: f.int("32"),
      beginTimestamp: f.long("0"),
      endTimestamp: f.long("9000000000000"),
      indexType: f.text(),
      lastKey: f.text(),
      _UNIQUE_KEY_QUERY: f.flag(),
    },
    rest: { answers: "messages" },
  },
  { code: 14, fields: { consumerGroup: f.group("Group"), ...queueOf("Plain"), setZeroIfNotFound: f.flag() } },
  { code: 29, fields: { ...queueOf("Plain"), timestamp: f.long("1"), boundaryType: f.text("LOWER") } },
  { code: 30, fields: { ...queueOf("Plain"), committed: f.flag() } },
  { code: 31, fields: queueOf("Plain") },
  { code: 32, fields: queueOf("Plain") },
  {
    code: 33,
    fields: { offset: f.long(own("place of 310 tagged 3")), topic: f.topic() },
    rest: { answers: "messages" },
  },
  { code: 38, fields: { consumerGroup: f.group("Group") } },
];

const commit: Template = {
  code: 15,
  fields: { consumerGroup: f.group("OffsetGroup"), ...queueOf("Plain"), commitOffset: f.long("2") },
};
const sendBack: Template = {
  code: 36,
  fields: {
    offset: f.long(own("place of 310 tagged 1")),
    group: f.group("Back"),
    delayLevel: f.int("0"),
    originMsgId: f.text("T1"),
    originTopic: f.topic("Tagged"),
    unitMode: f.flag("false"),
    maxReconsumeTimes: f.int("16"),
  },
};

/** What consumers leave, and what is there then. */
export function* progressing(): Generator<Step> {
  for (const request of variantsOf(commit)) {
    yield request;
    const { commitOffset: _, ...fields } = request.fields;
    yield { ...request, code: 14, variant: `after ${request.variant}`, fields };
  }
  const groups: string[] = [];
  /** Those of level 1, which is a second. */
  const soon: string[] = [];
  for (const request of eachOwn(variantsOf(sendBack), "group", "Back")) {
    const group = request.fields["group"] as string;
    groups.push(group);
    if (/^delayLevel=(?:\+1|01)$/.test(request.variant)) soon.push(group);
    yield request;
  }
  yield dispatched;
  for (const group of soon) yield arrived(`%RETRY%${group}`, 1);
  for (const group of new Set(groups)) {
    for (const topic of [`%RETRY%${group}`, `%DLQ%${group}`]) {
      const request = valid(pull(topic, { consumerGroup: f.asItIs("Reader") }));
      yield { ...request, variant: `what is in ${topic}` };
    }
  }
}

const heartbeat: Template = {
  code: 34,
  json: {
    clientID: "client-2",
    consumerDataSet: [consumer("BeatGroup", [subscription("Plain")])],
    producerDataSet: [{ groupName: "BeatProducers" }],
    heartbeatFingerprint: 0,
    withoutSub: false,
  },
};

/** Each over a connection of its own: Apache's broker keeps to one that has told no client id. */
export function* heartbeats(): Generator<Step> {
  for (const request of variantsOf(heartbeat)) yield { ...request, connection: `heartbeat ${request.variant}` };
}

export const together: readonly Template[] = [
  {
    code: 41,
    json: {
      clientId: "client-1",
      consumerGroup: "Group",
      mqSet: [queueJson("Locks"), queueJson("Locks", 1)],
      onlyThisBroker: false,
    },
  },
  {
    code: 42,
    json: { clientId: "client-1", consumerGroup: "Lockers", mqSet: [queueJson("Locks")], onlyThisBroker: false },
  },
  {
    code: 46,
    json: {
      clientId: "client-1",
      group: "SqlGroup",
      namespace: "",
      subscriptionData: subscription("Tagged", "n > 2", "SQL92"),
    },
  },
  {
    code: 35,
    fields: {
      clientID: f.text("client-2"),
      producerGroup: f.group("BeatProducers"),
      consumerGroup: f.group("BeatGroup"),
    },
  },
  {
    code: 400,
    json: {
      clientId: "client-1",
      consumerGroup: "Group",
      messageModel: "CLUSTERING",
      strategyName: "AVG",
      topic: "Plain",
    },
  },
  { code: 401, json: { consumerGroup: "ModeGroup", mode: "POP", popShareQueueNum: 0, topic: "Plain" } },
];
