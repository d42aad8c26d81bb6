import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers, tableIn } from "../../store/config-file.ts";
import { poppedAtOnceMax } from "./check-point.ts";

/** What of a queue a group has popped in order and not consumed (ConsumerOrderInfoManager.OrderInfo). */
interface OrderInfo {
  /** Names the attempt of the client: asking again under the same name brings the same messages. */
  readonly attemptId: string | undefined;
  readonly popTimeMs: number;
  readonly invisibleMs: number;
  /** Queue offsets, ascending. */
  readonly offsets: readonly number[];
  /** Bit i: the message at `offsets[i]` is acknowledged. */
  ackedBits: number;
  /** By queue offset: when a message may come again, where its consumer asked for another time. Wall-clock milliseconds. */
  readonly visibleAtMs: Map<number, number>;
  /** By queue offset: how often a message was popped before, where it was. */
  readonly consumed: ReadonlyMap<number, number>;
  readonly poppedAtMs: number;
}

/** How often messages of a pop were popped before, where they were, and the least of that. */
export interface Consumed {
  readonly counts: ReadonlyMap<number, number>;
  readonly least: number;
}

/** What is told of an acknowledgement: where the group goes on, or why it counts for nothing. */
export type OrderedAck = number | "other pop" | "no such message";

/** Apache forgets a queue's after a day without a pop (CLEAN_SPAN_FROM_LAST). */
const keptMsMax = 24 * 3_600_000;

const tableMember = "table";
const separator = "@";

/**
 * Which messages were popped in order, a batch a queue and group: the next are popped when all of it is acknowledged, or its time is up.
 * Kept in consumerOrderInfo.json (ConsumerOrderInfoManager).
 */
export class OrderInfos {
  readonly #file: ConfigFile;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #isKnown: (topic: string, group: string, queueId: number) => boolean;
  /** `topic@group` to queue to what is popped of it. */
  readonly #table = new Map<string, Map<number, OrderInfo>>();
  #others: ConfigValue = {};
  #dirty = false;

  /** `isKnown`: whether the broker has the queue, and the group. */
  constructor(given: {
    file: ConfigFile;
    clock: Clock;
    telemetry: Telemetry;
    isKnown: (topic: string, group: string, queueId: number) => boolean;
  }) {
    this.#file = given.file;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#isKnown = given.isKnown;
  }

  async load(): Promise<void> {
    const saved = await this.#file.load((value) => void tableIn(value, tableMember));
    this.#others = otherMembers(saved, tableMember);
    for (const [key, queues] of saved === undefined ? [] : Object.entries(tableIn(saved, tableMember))) {
      for (const [queueId, value] of isObject(queues) ? Object.entries(queues) : []) {
        const info = readInfo(value);
        if (info !== undefined) this.#put(key, Number(queueId), info);
        else
          this.#telemetry.log("warn", "consumerOrderInfo.json has a strange entry: it is left out", { key, queueId });
      }
    }
  }

  /** Every queue of which something is popped, and where its group goes on at the least. */
  *nextOffsets(): Generator<{ topic: string; group: string; queueId: number; offset: number }> {
    for (const [key, queues] of this.#table) {
      const at = key.indexOf(separator);
      const topic = key.slice(0, at);
      const group = key.slice(at + 1);
      for (const [queueId, info] of queues) {
        const offset = nextOffset(info);
        if (at > 0 && this.#isKnown(topic, group, queueId)) yield { topic, group, queueId, offset };
      }
    }
  }

  /** Until when nothing more is popped of a queue, wall-clock milliseconds; undefined if it may be now. */
  blockedUntilMs(topic: string, group: string, queueId: number, attemptId: string | undefined): number | undefined {
    const info = this.#find(topic, group, queueId);
    if (info === undefined || (info.attemptId !== undefined && info.attemptId === attemptId)) return undefined;
    const nowMs = this.#clock.now();
    let until: number | undefined;
    info.offsets.forEach((offset, i) => {
      if (isAcked(info, i)) return;
      const visibleAtMs = info.visibleAtMs.get(offset) ?? info.popTimeMs + info.invisibleMs;
      if (visibleAtMs > nowMs) until = Math.max(until ?? 0, visibleAtMs);
    });
    return until;
  }

  /** Messages are popped. */
  popped(
    topic: string,
    group: string,
    queueId: number,
    pop: Pick<OrderInfo, "attemptId" | "popTimeMs" | "invisibleMs" | "offsets">,
  ): Consumed {
    const before = this.#find(topic, group, queueId);
    const consumed = consumedOf(pop, before);
    this.#put(topic + separator + group, queueId, {
      ...pop,
      ackedBits: 0,
      visibleAtMs: new Map(),
      consumed,
      poppedAtMs: this.#clock.now(),
    });
    this.#dirty = true;
    const least = consumed.size < pop.offsets.length ? 0 : Math.min(...consumed.values());
    return { counts: consumed, least };
  }

  /** A message is consumed. */
  acked(topic: string, group: string, queueId: number, offset: number, popTimeMs: number): OrderedAck {
    const info = this.#find(topic, group, queueId);
    if (info === undefined) return offset + 1;
    if (info.popTimeMs !== popTimeMs) return "other pop";
    const index = info.offsets.indexOf(offset);
    if (index < 0) return "no such message";
    info.ackedBits = (info.ackedBits | (1 << index)) >>> 0;
    this.#dirty = true;
    return nextOffset(info);
  }

  /** A message of that pop is to come again at another time. */
  setVisible(
    { topic, group, queueId, offset }: { topic: string; group: string; queueId: number; offset: number },
    popTimeMs: number,
    visibleAtMs: number,
  ): void {
    const info = this.#find(topic, group, queueId);
    if (info?.popTimeMs !== popTimeMs || !info.offsets.includes(offset)) return;
    info.visibleAtMs.set(offset, visibleAtMs);
    this.#dirty = true;
  }

  /** What is popped of a queue counts no more: its group goes on elsewhere (clearBlock). */
  forget(topic: string, group: string, queueId: number): void {
    const key = topic + separator + group;
    const queues = this.#table.get(key);
    if (queues?.delete(queueId) !== true) return;
    if (queues.size === 0) this.#table.delete(key);
    this.#dirty = true;
  }

  /** Ends when all that was told before is kept. */
  async persist(): Promise<void> {
    if (!this.#dirty) return this.#file.settled();
    this.#dirty = false;
    try {
      await this.#file.save(() => {
        this.#forgetOld();
        return { ...this.#others, [tableMember]: this.#print() };
      });
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  #print(): ConfigValue {
    const queuesOf = (queues: ReadonlyMap<number, OrderInfo>): ConfigValue =>
      Object.fromEntries([...queues].map(([queueId, info]) => [queueId, printInfo(info)]));
    return Object.fromEntries([...this.#table].map(([key, queues]) => [key, queuesOf(queues)]));
  }

  #forgetOld(): void {
    const beforeMs = this.#clock.now() - keptMsMax;
    for (const [key, queues] of this.#table) {
      const at = key.indexOf(separator);
      for (const [queueId, { poppedAtMs }] of queues) {
        if (poppedAtMs < beforeMs || !this.#isKnown(key.slice(0, at), key.slice(at + 1), queueId))
          queues.delete(queueId);
      }
      if (queues.size === 0) this.#table.delete(key);
    }
  }

  #find(topic: string, group: string, queueId: number): OrderInfo | undefined {
    return this.#table.get(topic + separator + group)?.get(queueId);
  }

  #put(key: string, queueId: number, info: OrderInfo): void {
    const queues = this.#table.get(key);
    if (queues === undefined) this.#table.set(key, new Map([[queueId, info]]));
    else queues.set(queueId, info);
  }
}

/** The same attempt again counts for none; any other one does for each message that comes again (mergeOffsetConsumedCount). */
function consumedOf(
  { attemptId, offsets }: Pick<OrderInfo, "attemptId" | "offsets">,
  before: OrderInfo | undefined,
): ReadonlyMap<number, number> {
  if (before === undefined) return new Map();
  if (before.attemptId !== undefined && before.attemptId === attemptId) return before.consumed;
  const again = offsets.filter((offset) => before.offsets.includes(offset));
  return new Map(again.map((offset) => [offset, (before.consumed.get(offset) ?? 0) + 1]));
}

function isAcked({ ackedBits }: OrderInfo, index: number): boolean {
  return (ackedBits & (1 << index)) !== 0;
}

/** The first message that is not consumed. */
function nextOffset(info: OrderInfo): number {
  return info.offsets.find((_, i) => !isAcked(info, i)) ?? info.offsets.at(-1)! + 1;
}

/*
 * {"a": attempt, "cm": bits, "i": milliseconds, "l": time, "o": [first offset, distances from it], "popTime": time,
 *  "oc": {offset: count}, "ot": {offset: time}}
 */
function printInfo(info: OrderInfo): ConfigValue {
  const [first = 0] = info.offsets;
  return {
    ...(info.attemptId === undefined ? {} : { a: info.attemptId }),
    cm: info.ackedBits,
    i: info.invisibleMs,
    l: info.poppedAtMs,
    o: info.offsets.map((offset, i) => (i === 0 ? offset : offset - first)),
    ...(info.consumed.size === 0 ? {} : { oc: Object.fromEntries(info.consumed) }),
    ...(info.visibleAtMs.size === 0 ? {} : { ot: Object.fromEntries(info.visibleAtMs) }),
    popTime: info.popTimeMs,
  };
}

function readInfo(value: unknown): OrderInfo | undefined {
  if (!isObject(value)) return undefined;
  const { a: attemptId, cm: ackedBits, i: invisibleMs, l: poppedAtMs, o: places, popTime: popTimeMs } = value;
  if (!Array.isArray(places) || places.length === 0 || places.length > poppedAtOnceMax) return undefined;
  if (!places.every(isWhole) || !isWhole(popTimeMs)) return undefined;
  const [first] = places;
  return {
    attemptId: typeof attemptId === "string" ? attemptId : undefined,
    popTimeMs,
    invisibleMs: isWhole(invisibleMs) ? invisibleMs : 0,
    offsets: places.map((place, i) => (i === 0 ? place : first! + place)),
    ackedBits: isWhole(ackedBits) ? Number(BigInt.asUintN(32, BigInt(ackedBits))) : 0,
    visibleAtMs: readNumbers(value["ot"]),
    consumed: readNumbers(value["oc"]),
    poppedAtMs: isWhole(poppedAtMs) ? poppedAtMs : popTimeMs,
  };
}

function readNumbers(value: unknown): Map<number, number> {
  const numbers = new Map<number, number>();
  for (const [key, number] of isObject(value) ? Object.entries(value) : []) {
    if (/^\d{1,15}$/.test(key) && isWhole(number)) numbers.set(Number(key), number);
  }
  return numbers;
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
