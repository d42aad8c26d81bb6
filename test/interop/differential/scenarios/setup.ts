import { json } from "../../../lib/remoting-client.ts";
import { nameOf, type Request, type Step } from "../request.ts";
import { valid } from "../template.ts";
import { consumer, dispatched, properties, send, subscription } from "./vocabulary.ts";

const heartbeat = {
  clientID: "client-1",
  consumerDataSet: [
    consumer("Group", [
      subscription("Plain"),
      { ...subscription("Tagged", "A || B"), tagsSet: ["A", "B"], codeSet: [65, 66] },
      subscription("%RETRY%Group"),
    ]),
    consumer("SqlGroup", [subscription("Tagged", "n > 2", "SQL92")]),
  ],
  producerDataSet: [{ groupName: "Producers" }],
};

export const createTopic = (topic: string, given: Readonly<Record<string, string>> = {}): Request => ({
  code: 17,
  variant: `makes ${topic}`,
  to: "broker",
  answers: "json",
  fields: {
    topic,
    defaultTopic: "TBW102",
    readQueueNums: "4",
    writeQueueNums: "4",
    perm: "6",
    topicFilterType: "SINGLE_TAG",
    topicSysFlag: "0",
    order: "false",
    ...given,
  },
});

export const createGroup = (groupName: string, given: object = {}): Request =>
  valid({ code: 200, json: { groupName, ...given }, rest: { variant: `makes ${groupName}` } });

/** Told again and again: who tells it nothing for two minutes a broker forgets. */
export const stays: Request = {
  ...valid({ code: 34, json: heartbeat, rest: { connection: "client" } }),
  variant: "of a client that stays",
};

/** Topics, groups, a client that stays, and messages. */
export function* setup(): Generator<Step> {
  const topics = ["Plain", "Tagged", "Keyed", "Sends", "Delayed", "Batches", "Trans", "Pops", "Backs", "Locks", "Gone"];
  for (const topic of topics) yield createTopic(topic);
  yield createTopic("NoRead", { perm: "2" });
  yield createTopic("NoWrite", { perm: "4" });
  for (const group of ["Group", "SqlGroup", "PopGroup", "OffsetGroup", "GoneGroup", "BackGroup"])
    yield createGroup(group);
  yield createGroup("DisabledGroup", { consumeEnable: false });
  yield stays;
  for (let i = 0; i < 12; i++) {
    yield send("Plain", `plain ${i}`, { e: String(i % 4), i: properties({ UNIQ_KEY: `P${i}` }) });
    yield keepsPlace(
      send("Tagged", `tagged ${i}`, { i: properties({ TAGS: "ABC"[i % 3]!, n: String(i), UNIQ_KEY: `T${i}` }) }),
    );
    yield send("Keyed", `keyed ${i}`, { i: properties({ KEYS: `k${i} all`, UNIQ_KEY: `K${i}` }) });
  }
  yield dispatched;
  const registered = [...topics, "NoRead", "NoWrite", "%RETRY%Group", "%RETRY%SqlGroup"];
  yield {
    until: valid({ code: 206, rest: { to: "namesrv" } }),
    holds: (answer) => {
      const { topicList } = json(answer) as { topicList: readonly string[] };
      return registered.every((topic) => topicList.includes(topic));
    },
  };
}

/** Later requests find where the message is: "id of …", "place of …" (in the log), "offset of …" (in its queue). */
export function keepsPlace(request: Request): Request {
  const name = nameOf(request);
  return {
    ...request,
    keep({ fields }, side) {
      const id = fields["msgId"] ?? "";
      side.kept.set(`id of ${name}`, id);
      side.kept.set(`place of ${name}`, String(Number.parseInt(id.slice(16), 16)));
      side.kept.set(`offset of ${name}`, fields["queueOffset"] ?? "");
      side.kept.set(`handle of ${name}`, fields["recallHandle"] ?? "");
    },
  };
}
