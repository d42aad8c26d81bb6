import { json } from "../../../lib/remoting-client.ts";
import type { Request, Side, Wait } from "../request.ts";
import { f, type Template, valid } from "../template.ts";

/*
 * What the scenarios are about, so that each knows what the others left: the topics Plain, Tagged and Keyed hold messages of the setup
 * alone, the others are each of one scenario.
 */

/** Before this run's times, which are masked. */
export const bornTimestamp = "1600000000000";

export const encode = (value: string): Uint8Array => new TextEncoder().encode(value);

export const queueOf = (topic: string, queueId = "0") => ({ topic: f.topic(topic), queueId: f.queue(queueId) });

/** What an earlier answer of the same side told. */
export const own = (name: string) => (side: Side) => side.kept.get(name) ?? `no ${name}`;

export const properties = (given: Readonly<Record<string, string>>): string =>
  Object.entries(given)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");

/** 310. */
export const sent = (topic: string): Template => ({
  code: 310,
  fields: {
    a: f.group("Producers"),
    b: f.topic(topic),
    c: f.topic("TBW102"),
    d: f.queue("4"),
    e: f.queue("0"),
    f: f.sysFlag("0"),
    g: f.long(bornTimestamp),
    h: f.int("0"),
    i: f.text(properties({ UNIQ_KEY: "KEY", WAIT: "true" })),
    j: f.int("0"),
    k: f.flag("false"),
    l: f.int(),
    m: f.flag("false"),
    n: f.text(),
  },
  rest: { body: encode("a body") },
});

/** The valid request with other fields. */
export const send = (
  topic: string,
  variant: string,
  given: Readonly<Record<string, string>>,
  body = variant,
): Request => ({
  code: 310,
  variant,
  to: "broker",
  answers: "json",
  fields: {
    a: "Producers",
    b: topic,
    c: "TBW102",
    d: "4",
    e: "0",
    f: "0",
    g: bornTimestamp,
    h: "0",
    i: properties({ UNIQ_KEY: "KEY", WAIT: "true" }),
    j: "0",
    k: "false",
    ...given,
  },
  body: encode(body),
});

export const pull = (topic: string, given: Template["fields"] = {}): Template => ({
  code: 11,
  fields: {
    consumerGroup: f.group("Group"),
    ...queueOf(topic),
    queueOffset: f.long("0"),
    maxMsgNums: f.int("32"),
    sysFlag: f.sysFlag("4"),
    commitOffset: f.long("0"),
    suspendTimeoutMillis: f.long("100"),
    subscription: f.text("*"),
    subVersion: f.long("1"),
    expressionType: f.text("TAG"),
    maxMsgBytes: f.int(),
    ...given,
  },
  rest: { answers: "messages" },
});

export const subscription = (topic: string, subString = "*", expressionType = "TAG") => ({
  topic,
  subString,
  expressionType,
  subVersion: 1,
  classFilterMode: false,
  codeSet: [],
  tagsSet: [],
});

export const consumer = (groupName: string, subscriptions: readonly object[]) => ({
  consumeFromWhere: "CONSUME_FROM_FIRST_OFFSET",
  consumeType: "CONSUME_PASSIVELY",
  groupName,
  messageModel: "CLUSTERING",
  subscriptionDataSet: subscriptions,
  unitMode: false,
});

export const queueJson = (topic: string, queueId = 0) => ({ brokerName: "broker-a", queueId, topic });

/** Until what was sent is where it is read: in its ConsumeQueue and in the index. */
export const dispatched: Wait = {
  until: valid({ code: 28 }),
  holds: (answer) => (json(answer) as { table: Record<string, string> }).table["dispatchBehindBytes"] === "0",
};

/** Until so many messages are in the first queue of a topic. */
export const arrived = (topic: string, count: number): Wait => ({
  until: valid({ code: 30, fields: queueOf(topic) }),
  holds: ({ fields }) => fields["offset"] === String(count),
});
