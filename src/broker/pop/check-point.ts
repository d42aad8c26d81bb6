import { invisibleMsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";
import { isObject } from "../../store/config-file.ts";

/** Which messages one pop took from a queue (org.apache.rocketmq.store.pop.PopCheckPoint). */
export interface CheckPoint extends PoppedFrom {
  readonly invisibleMs: number;
  /** Queue offsets of the messages. */
  readonly offsets: readonly number[];
  /** Bit i: the message at `offsets[i]` is acknowledged. */
  readonly ackedBits: number;
  /** They come again without counting as consumed once more. */
  readonly suspend: boolean;
}

/** Which pop a check point, or an acknowledgement, is about. */
export interface PoppedFrom {
  readonly topic: string;
  readonly group: string;
  readonly queueId: number;
  readonly startOffset: number;
  readonly popTimeMs: number;
  readonly brokerName: string;
}

/** Messages of one pop that are consumed (AckMsg, BatchAckMsg). */
export interface Acknowledgement extends PoppedFrom {
  readonly offsets: readonly number[];
}

export const checkPointTag = "ck";
export const ackTag = "ack";
export const batchAckTag = "bAck";

/** A pop takes at most 32 messages (PopMessageProcessor): as many as there are bits. */
export const poppedAtOnceMax = 32;

/** Throws INVALID_PARAMETER for a time that no timer keeps. */
export function checkInvisibleTime(invisibleMs: number): void {
  if (invisibleMs >= 0 && invisibleMs <= invisibleMsMax) return;
  throw new WasmqError("INVALID_PARAMETER", `invisibleTime is ${invisibleMs} ms: allowed are 0 to ${invisibleMsMax}`);
}

/** The same for a check point and for what acknowledges its messages (PopReviveService's mergeKey). */
export function popKey({ topic, group, queueId, startOffset, popTimeMs, brokerName }: PoppedFrom): string {
  return `${topic}@${queueId}@${startOffset}@${group}@${popTimeMs}@${brokerName}`;
}

export function checkPointUniqueKey(of: PoppedFrom): string {
  return `${popKey(of)}@${checkPointTag}`;
}

export function ackUniqueKey(of: PoppedFrom, offset: number): string {
  return `${popKey({ ...of, startOffset: offset })}@${ackTag}`;
}

/** As Apache's JSON library writes it, members in alphabetical order. */
export function encodeCheckPoint(point: CheckPoint): Uint8Array {
  return encodeUtf8(
    JSON.stringify({
      bm: point.ackedBits,
      bn: point.brokerName,
      c: point.group,
      d: point.offsets.map((offset) => offset - point.startOffset),
      it: point.invisibleMs,
      n: point.offsets.length,
      pt: point.popTimeMs,
      q: point.queueId,
      reviveTime: point.popTimeMs + point.invisibleMs,
      ro: 0,
      so: point.startOffset,
      sp: point.suspend,
      t: point.topic,
    }),
  );
}

export function encodeAck(ack: Acknowledgement): Uint8Array {
  const { brokerName, group, popTimeMs, queueId, startOffset, topic, offsets } = ack;
  const of = { bn: brokerName, c: group, pt: popTimeMs, q: queueId, so: startOffset, t: topic };
  const [offset] = offsets;
  return encodeUtf8(JSON.stringify(offsets.length === 1 ? { ao: offset, ...of } : { ao: -1, aol: offsets, ...of }));
}

/** Undefined for what is no check point. */
export function decodeCheckPoint(bytes: Uint8Array): CheckPoint | undefined {
  const read = readJson(bytes);
  const from = read === undefined ? undefined : poppedFrom(read);
  if (read === undefined || from === undefined) return undefined;
  const { d: distances, n: count, it: invisibleMs, bm: ackedBits, sp } = read;
  if (!isWhole(invisibleMs) || !isWhole(count) || count > poppedAtOnceMax) return undefined;
  // Those of older brokers name no distances: their messages stand side by side.
  const found =
    Array.isArray(distances) && distances.length > 0
      ? distances.slice(0, count)
      : Array.from({ length: count }, (_, i) => i);
  if (!found.every(isWhole)) return undefined;
  return {
    ...from,
    invisibleMs,
    offsets: found.map((distance) => from.startOffset + distance),
    ackedBits: typeof ackedBits === "number" ? ackedBits >>> 0 : 0,
    suspend: sp === true,
  };
}

export function decodeAck(bytes: Uint8Array): Acknowledgement | undefined {
  const read = readJson(bytes);
  const from = read === undefined ? undefined : poppedFrom(read);
  if (read === undefined || from === undefined) return undefined;
  const many = read["aol"] ?? read["ackOffsetList"];
  const offsets = Array.isArray(many) ? many : [read["ao"] ?? read["ackOffset"]];
  return { ...from, offsets: offsets.filter(isWhole) };
}

function poppedFrom(read: Readonly<Record<string, unknown>>): PoppedFrom | undefined {
  const topic = read["t"] ?? read["topic"];
  const group = read["c"] ?? read["consumerGroup"];
  const queueId = read["q"] ?? read["queueId"];
  const startOffset = read["so"] ?? read["startOffset"];
  const popTimeMs = read["pt"] ?? read["popTime"];
  const brokerName = read["bn"] ?? read["brokerName"];
  if (typeof topic !== "string" || typeof group !== "string" || typeof brokerName !== "string") return undefined;
  if (!isWhole(queueId) || !isWhole(startOffset) || !isWhole(popTimeMs)) return undefined;
  return { topic, group, queueId, startOffset, popTimeMs, brokerName };
}

function readJson(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
