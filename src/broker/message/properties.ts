/*
 * Message properties as they travel and are stored (MessageDecoder.string2messageProperties):
 *
 *   name 0x01 value 0x02 name 0x01 value 0x02 ...
 *
 * The last 0x02 may be missing (4.x clients leave it out). They stay text from the wire to the record: looking one up costs
 * less than taking all of them apart.
 */
const nameEnd = "\u0001";
const valueEnd = "\u0002";

/** Names of properties that the broker reads or writes (org.apache.rocketmq.common.message.MessageConst). */
export const property = {
  tags: "TAGS",
  waitStoreMessageOk: "WAIT",
  delayLevel: "DELAY",
  retryTopic: "RETRY_TOPIC",
  realTopic: "REAL_TOPIC",
  realQueueId: "REAL_QID",
  transactionPrepared: "TRAN_MSG",
  originMessageId: "ORIGIN_MESSAGE_ID",
  messageRegion: "MSG_REGION",
  traceSwitch: "TRACE_ON",
  cluster: "CLUSTER",
  uniqueKey: "UNIQ_KEY",
  popCheckPoint: "POP_CK",
  timerDelaySeconds: "TIMER_DELAY_SEC",
  timerDelayMs: "TIMER_DELAY_MS",
  timerDeliverMs: "TIMER_DELIVER_MS",
} as const;

/** The value of a property, or undefined if there is none. */
export function getProperty(properties: string, name: string): string | undefined {
  const start = find(properties, name);
  if (start < 0) return undefined;
  const valueStart = start + name.length + 1;
  const end = properties.indexOf(valueEnd, valueStart);
  return end < 0 ? properties.slice(valueStart) : properties.slice(valueStart, end);
}

export function hasProperty(properties: string, name: string): boolean {
  return find(properties, name) >= 0;
}

export function removeProperty(properties: string, name: string): string {
  const start = find(properties, name);
  if (start < 0) return properties;
  const end = properties.indexOf(valueEnd, start);
  return removeProperty(properties.slice(0, start) + (end < 0 ? "" : properties.slice(end + 1)), name);
}

export function setProperty(properties: string, name: string, value: string): string {
  const others = removeProperty(properties, name);
  const separator = others.length === 0 || others.endsWith(valueEnd) ? "" : valueEnd;
  return `${others}${separator}${name}${nameEnd}${value}${valueEnd}`;
}

/** Where the entry of a property begins, or -1. */
function find(properties: string, name: string): number {
  const key = name + nameEnd;
  if (properties.startsWith(key)) return 0;
  const at = properties.indexOf(valueEnd + key);
  return at < 0 ? -1 : at + 1;
}
