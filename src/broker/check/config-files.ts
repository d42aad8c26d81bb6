import type { Checked } from "../../ports/check.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import type { Findings } from "../../store/check/findings.ts";
import { configFileBytesMax, objectIn } from "../../store/config-file.ts";
import { scheduleTopic } from "../topic/system-topics.ts";

/**
 * Looks at the files below `config/`: whether each, or its `.bak`, can be read, and whether what offsets and topics say agrees with the queues
 * that were found. What wasmq wrote has a checksum; nothing covers what Apache did: a digit that has turned into another one is not seen there.
 */
export async function checkConfigFiles(
  storage: LogStorage,
  ends: Checked["ends"],
  findings: Findings,
  crc32: (bytes: Uint8Array) => number,
): Promise<void> {
  const sizes = new Map((await storage.list("config")).map(({ name, sizeBytes }) => [name, sizeBytes]));
  const names = new Set([...sizes.keys()].map((name) => name.replace(/\.bak$/, "")).filter(isJson));
  const read = new Map<string, Json>();
  for (const name of [...names].sort()) {
    const main = await readJson(storage, crc32, name, sizes.get(name));
    const backup = await readJson(storage, crc32, `${name}.bak`, sizes.get(`${name}.bak`));
    const value = typeof main === "string" ? backup : main;
    if (typeof value === "string") {
      findings.add({ code: "CONFIG_LOST", file: name, detail: `${main}; its .bak: ${backup}` });
      continue;
    }
    read.set(name, value);
    if (typeof main === "string") {
      findings.add({ code: "CONFIG_TORN", file: name, detail: `${main}; the version before it is read from its .bak` });
    } else if (typeof backup === "string" && sizes.has(`${name}.bak`)) {
      findings.add({ code: "CONFIG_TORN", file: `${name}.bak`, detail: backup });
    }
  }
  const endOf = new Map(ends.map(({ topic, queueId, end }) => [`${topic}/${queueId}`, end]));
  checkConsumerOffsets(read.get(consumerOffsetFile), endOf, findings);
  checkDelayOffsets(read.get(delayOffsetFile), endOf, findings);
  checkTopics(read.get(topicsFile), ends, findings);
}

type Json = Readonly<Record<string, unknown>>;

const consumerOffsetFile = "config/consumerOffset.json";
const delayOffsetFile = "config/delayOffset.json";
const topicsFile = "config/topics.json";

function isJson(name: string): boolean {
  return /^config\/[^/]+\.json$/.test(name);
}

/** What a file holds, or why it can't be read. */
async function readJson(
  storage: LogStorage,
  crc32: (bytes: Uint8Array) => number,
  file: string,
  sizeBytes: number | undefined,
): Promise<Json | string> {
  if (sizeBytes === undefined) return "there is none";
  if (sizeBytes === 0 || sizeBytes > configFileBytesMax) return `it has ${sizeBytes} bytes`;
  const bytes = new Uint8Array(sizeBytes);
  const length = await storage.read(file, 0, bytes);
  try {
    return objectIn(bytes.subarray(0, length), crc32);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `offsetTable` is by `topic@group`, then by queue (ConsumerOffsetManager). */
function checkConsumerOffsets(json: Json | undefined, ends: ReadonlyMap<string, number>, findings: Findings): void {
  for (const [key, offsets] of entriesOf(json?.["offsetTable"])) {
    const [topic = "", group = ""] = key.split("@");
    for (const [queueId, offset] of entriesOf(offsets)) {
      checkOffset(
        { file: consumerOffsetFile, topic, queueId: Number(queueId), offset, who: `group ${group}` },
        ends,
        findings,
      );
    }
  }
}

/** `offsetTable` is by level, whose queue is numbered one lower (ScheduleMessageService). */
function checkDelayOffsets(json: Json | undefined, ends: ReadonlyMap<string, number>, findings: Findings): void {
  for (const [level, offset] of entriesOf(json?.["offsetTable"])) {
    const queueId = Number(level) - 1;
    checkOffset(
      { file: delayOffsetFile, topic: scheduleTopic, queueId, offset, who: `delay level ${level}` },
      ends,
      findings,
    );
  }
}

function checkOffset(
  said: { file: string; topic: string; queueId: number; offset: unknown; who: string },
  ends: ReadonlyMap<string, number>,
  findings: Findings,
): void {
  const { file, topic, queueId, offset, who } = said;
  const end = ends.get(`${topic}/${queueId}`) ?? 0;
  if (typeof offset === "number" && offset >= 0 && offset <= end) return;
  findings.add({
    code: "CONFIG_OFFSET_BEYOND",
    ...{ file, topic, queueId },
    detail: `${who} is at ${offset}, but the queue ends at ${end}`,
  });
}

function checkTopics(json: Json | undefined, ends: Checked["ends"], findings: Findings): void {
  const known = new Set(entriesOf(json?.["topicConfigTable"]).map(([topic]) => topic));
  const told = new Set<string>();
  for (const { topic, end } of ends) {
    // A broker makes those of its own anew.
    if (end === 0 || known.has(topic) || told.has(topic) || /^(rmq_sys_|SCHEDULE_TOPIC_)/i.test(topic)) continue;
    told.add(topic);
    findings.add({
      code: "TOPIC_WITHOUT_CONFIG",
      ...{ file: topicsFile, topic },
      detail: "the topic has messages, but no config, so that clients do not find it",
    });
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
