import type { Request, Step } from "../request.ts";
import { f, type Template, valid, variantsOf } from "../template.ts";
import { encode, own, queueOf } from "./vocabulary.ts";

const both = (code: number, topic: string, group: string): Template => ({
  code,
  fields: { topic: f.topic(topic), group: f.group(group) },
});

/** What tells of the broker and changes nothing. */
export const telling: readonly Template[] = [
  { code: 21, fields: { topicSeq: f.int(), dataVersion: f.text(), maxTopicNum: f.int() } },
  { code: 26, rest: { answers: "properties" } },
  { code: 28 },
  { code: 43 },
  { code: 60, rest: { answers: "bytes" } },
  { code: 61 },
  { code: 201, fields: { groupSeq: f.int(), dataVersion: f.text(), maxGroupNum: f.int() } },
  { code: 202, fields: { topic: f.topic("Tagged") } },
  { code: 203, fields: { consumerGroup: f.group("Group") } },
  { code: 204, fields: { producerGroup: f.group("Producers") } },
  { code: 208, fields: { consumerGroup: f.group("OffsetGroup"), topic: f.topic(), topicList: f.text() } },
  { code: 223, fields: { topic: f.topic("Plain"), group: f.group("Group"), clientAddr: f.text() } },
  { code: 300, fields: { topic: f.topic("Plain") } },
  both(303, "Plain", "Group"),
  { code: 305 },
  {
    code: 307,
    fields: { consumerGroup: f.group("Group"), clientId: f.text("client-1"), jstackEnable: f.flag("false") },
  },
  {
    code: 309,
    fields: {
      consumerGroup: f.group("Group"),
      clientId: f.text("client-1"),
      msgId: f.text(own("id of 310 tagged 3")),
      brokerName: f.text("broker-a"),
      topic: f.topic("Tagged"),
    },
  },
  { code: 315, fields: { statsName: f.text("NoSuchStats"), statsKey: f.text("Plain") } },
  { code: 317, fields: { isOrder: f.flag("false") } },
  {
    code: 321,
    fields: { ...queueOf("Tagged"), index: f.long("0"), count: f.int("5"), consumerGroup: f.group() },
  },
  { code: 328 },
  { code: 343, fields: { group: f.group("Group") } },
  both(345, "Plain", "Group"),
  { code: 351, fields: { topic: f.topic("Plain"), lo: f.flag() } },
  { code: 352, fields: { group: f.group("Group") } },
  { code: 354, fields: { topic: f.topic("Plain"), checkStoreTime: f.long() } },
  { code: 907 },
  { code: 1007 },
  { code: 2003 },
  ...Array.from({ length: 10 }, (_, i): Template => ({ code: 3001 + i })),
];

/** What changes topics, groups and progress of its own. */
const changing: readonly Template[] = [
  {
    code: 17,
    fields: {
      topic: f.topic("Made"),
      defaultTopic: f.topic("TBW102"),
      readQueueNums: f.count("4"),
      writeQueueNums: f.count("4"),
      perm: f.int("6"),
      topicFilterType: f.text("SINGLE_TAG"),
      topicSysFlag: f.int("0"),
      order: f.flag("false"),
      attributes: f.text(),
      force: f.flag(),
    },
  },
  {
    code: 18,
    json: {
      topicConfigList: [
        {
          topicName: "MadeInList",
          readQueueNums: 4,
          writeQueueNums: 4,
          perm: 6,
          topicFilterType: "SINGLE_TAG",
          topicSysFlag: 0,
          order: false,
          attributes: {},
        },
      ],
    },
  },
  {
    code: 200,
    json: {
      groupName: "MadeGroup",
      consumeEnable: true,
      consumeFromMinEnable: true,
      consumeBroadcastEnable: true,
      consumeMessageOrderly: false,
      retryQueueNums: 1,
      retryMaxTimes: 16,
      brokerId: 0,
      whichBrokerWhenConsumeSlowly: 1,
      notifyConsumerIdsChangedEnable: true,
      groupSysFlag: 0,
      consumeTimeoutMinute: 15,
      groupRetryPolicy: { type: "CUSTOMIZED" },
      attributes: {},
    },
  },
  { code: 225, json: { groupConfigList: [{ groupName: "MadeGroupInList", consumeEnable: true, retryMaxTimes: 16 }] } },
  {
    code: 353,
    fields: { group: f.group("OffsetGroup"), topic: f.topic("Keyed"), readable: f.flag("false") },
  },
  {
    code: 314,
    fields: {
      srcGroup: f.group("OffsetGroup"),
      destGroup: f.group("ClonedGroup"),
      topic: f.topic("Plain"),
      offline: f.flag("true"),
    },
  },
];

export function* topicAttributes(): Generator<Request> {
  const [create] = changing;
  for (const [i, attributes] of [
    "+message.type=NORMAL",
    "+message.type=FIFO,+queue.type=SimpleCQ",
    "+message.type=NoType",
    "message.type=NORMAL",
    "-message.type",
    "+reserve.time=5",
    "+no.such.attribute=1",
    "+cleanup.policy=COMPACTION",
    "+",
    ",",
    "+a",
    "+=",
  ].entries()) {
    const request = valid(create!);
    const topic = `Attributes-${i}`;
    yield { ...request, variant: `attributes ${attributes}`, fields: { ...request.fields, topic, attributes } };
    yield { ...valid({ code: 351, fields: { topic: f.topic(topic) } }), variant: `of attributes ${attributes}` };
  }
}

/** Each followed by what is there then. */
export function* changes(): Generator<Request> {
  for (const template of changing) {
    const { code } = template;
    const topic = code === 17 ? "Made" : code === 18 ? "MadeInList" : undefined;
    const group = code === 200 ? "MadeGroup" : code === 225 ? "MadeGroupInList" : undefined;
    for (const request of variantsOf(template)) {
      yield request;
      const variant = `after ${request.variant}`;
      if (topic !== undefined) yield { ...valid({ code: 351, fields: { topic: f.topic(topic) } }), variant };
      if (group !== undefined) yield { ...valid({ code: 352, fields: { group: f.group(group) } }), variant };
      if (code === 314) {
        const fields = { consumerGroup: f.group("ClonedGroup"), topic: f.topic("Plain"), queueId: f.queue("0") };
        yield { ...valid({ code: 14, fields }), variant };
      }
    }
  }
}

/** What the others need is gone after these. */
export function* ending(): Generator<Step> {
  for (const template of [
    {
      code: 222,
      fields: {
        topic: f.topic("Plain"),
        group: f.group("OffsetGroup"),
        timestamp: f.long("1"),
        isForce: f.flag("true"),
        queueId: f.queue(),
        offset: f.long(),
      },
    },
    { code: 306 },
    { code: 316 },
    { code: 329 },
    { code: 908, fields: { masterFlushOffset: f.long("0") } },
    { code: 207, fields: { groupName: f.group("GoneGroup"), cleanOffset: f.flag(), removeOffset: f.flag() } },
    { code: 215, fields: { topic: f.asItIs("Gone") } },
  ]) {
    yield* variantsOf(template);
  }
  for (const topic of [
    "",
    "NoSuchTopic",
    "a b!",
    "TBW102",
    "SCHEDULE_TOPIC_XXXX",
    "RMQ_SYS_TRANS_HALF_TOPIC",
    "%RETRY%Group",
  ]) {
    yield { ...valid({ code: 215, fields: { topic: f.topic(topic) } }), variant: `deletes ${topic}` };
  }
  for (const [variant, body] of [
    ["of nothing", ""],
    ["of no setting", "no.such.setting=1\n"],
    ["of the place of the config file", "brokerConfigPath=/tmp/x\n"],
    ["of the home", "rocketmqHome=/tmp/x\n"],
    ["of the black list", "configBlackList=x\n"],
    ["of what can be changed", "autoCreateTopicEnable=true\n"],
    ["that is none", "x"],
  ] as const) {
    yield { ...valid({ code: 25 }), variant, body: encode(body) };
  }
}
