import { type Answer, messagesOf, type PulledMessage, type RemotingClient } from "./remoting-client.ts";

/** A popped message, and what its consumer makes of it and of the answer (MQClientAPIImpl.processPopResponse). */
export interface Popped extends PulledMessage {
  /** The topic it is acknowledged in. */
  readonly realTopic: string;
  readonly handle: string;
}

export interface PopGiven {
  readonly queueId?: number;
  readonly max?: number;
  readonly invisibleMs?: number;
  readonly pollMs?: number;
  readonly initMode?: 0 | 1;
  readonly exp?: string;
  readonly order?: boolean;
  readonly attemptId?: string;
  /** When it is asked; now, unless time is virtual. */
  readonly bornMs?: number;
}

export const pollingTimeout = 210;

/** 200050. */
export function pop(client: RemotingClient, group: string, topic: string, given: PopGiven = {}): Promise<Answer> {
  return client.request(200_050, {
    consumerGroup: group,
    topic,
    queueId: String(given.queueId ?? -1),
    maxMsgNums: String(given.max ?? 32),
    invisibleTime: String(given.invisibleMs ?? 60_000),
    pollTime: String(given.pollMs ?? 0),
    bornTime: String(given.bornMs ?? Date.now()),
    initMode: String(given.initMode ?? 0),
    ...(given.exp === undefined ? {} : { expType: "TAG", exp: given.exp }),
    order: String(given.order ?? false),
    ...(given.attemptId === undefined ? {} : { attemptId: given.attemptId }),
  });
}

export function poppedOf(group: string, answer: Answer): Popped[] {
  const { popTime, invisibleTime, reviveQid, startOffsetInfo, msgOffsetInfo } = answer.fields;
  const starts = new Map(parts(startOffsetInfo).map(([flag, queueId, offset]) => [`${flag}@${queueId}`, offset]));
  const told = parts(msgOffsetInfo).flatMap(([flag, queueId, offsets]) =>
    offsets!.split(",").map((offset) => `${flag}@${queueId}@${offset}`),
  );
  const messages = messagesOf(answer).map((message) => {
    const { topic, queueId, queueOffset, properties } = message;
    const inRecord = properties["POP_CK"];
    const flag = inRecord === undefined ? "0" : inRecord.split(" ")[4]!;
    const start = starts.get(`${flag}@${queueId}`);
    const handle =
      inRecord ?? [start, popTime, invisibleTime, reviveQid, flag, "broker-a", queueId, queueOffset].join(" ");
    const separator = flag === "1" ? "_" : "+";
    const realTopic = flag === "0" ? topic : `%RETRY%${group}${separator}${topic}`;
    return { ...message, handle, realTopic, place: `${flag}@${queueId}@${queueOffset}` };
  });
  const places = messages.map(({ place }) => place).sort();
  if (places.join(";") !== told.sort().join(";")) throw new Error(`${places} came, and of ${told} was told`);
  return messages;
}

function parts(info: string | undefined): string[][] {
  return info === undefined || info === "" ? [] : info.split(";").map((part) => part.split(" "));
}
