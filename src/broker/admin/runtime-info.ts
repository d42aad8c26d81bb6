import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../store/store.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import { type Tally, windows } from "../stats/tally.ts";
import type { TimerProgress } from "../timer/timers.ts";

/**
 * What a broker says of how it is (AdminBrokerProcessor.prepareRuntimeInfo): the names that Apache has, which its tools read, with what is
 * true here. Requests wait in no queues of threads: those are empty, and have room.
 */
export class RuntimeInfo {
  readonly #store: Store;
  readonly #stats: BrokerStats;
  readonly #clock: Clock;
  readonly #timers: () => TimerProgress | undefined;
  readonly #delayOffsets: () => readonly { readonly level: number; readonly offset: number; readonly end: number }[];

  constructor(given: {
    store: Store;
    stats: BrokerStats;
    clock: Clock;
    timers: () => TimerProgress | undefined;
    delayOffsets: () => readonly { level: number; offset: number; end: number }[];
  }) {
    this.#store = given.store;
    this.#stats = given.stats;
    this.#clock = given.clock;
    this.#timers = given.timers;
    this.#delayOffsets = given.delayOffsets;
  }

  async tell(): Promise<ReadonlyMap<string, string>> {
    const usage = await this.#store.usage();
    const ratio = usage === undefined ? "-1" : decimal(usage.usedBytes / usage.totalBytes);
    const { minOffset, maxOffset, unflushedBytes } = this.#store.logRange();
    const earliest = maxOffset > minOffset ? (await this.#store.recordAt(minOffset))?.storeTimestamp : undefined;
    const { puts, gets, found, missed } = this.#stats;
    const timers = this.#timers();
    const all = new Map<string, string | number | boolean>([
      ["bootTimestamp", this.#stats.startedAtMs],
      ["runtime", duration(this.#clock.now() - this.#stats.startedAtMs)],
      ["putMessageEntireTimeMax", 0],
      // Apache says 1 where there was none.
      ["putMessageTimesTotal", Math.max(1, puts.count)],
      ["putMessageFailedTimes", 0],
      ["putMessageSizeTotal", puts.bytes],
      ["putMessageDistributeTime", ""],
      ["putMessageAverageSize", decimal(puts.bytes / Math.max(1, puts.count))],
      ["dispatchMaxBuffer", 0],
      ["getMessageEntireTimeMax", 0],
      ["putTps", this.#perSecond("count", puts)],
      ["getFoundTps", this.#perSecond("count", found)],
      ["getMissTps", this.#perSecond("count", missed)],
      ["getTotalTps", this.#perSecond("count", found, missed)],
      ["getTransferredTps", this.#perSecond("count", gets)],
      ["putLatency99", "0.00"],
      ["putLatency999", "0.00"],
      ["commitLogDiskRatio", ratio],
      [`commitLogDiskRatio_${usage?.path ?? "commitlog"}`, ratio],
      ["consumeQueueDiskRatio", ratio],
      ["commitLogMinOffset", minOffset],
      ["commitLogMaxOffset", maxOffset],
    ]);
    for (const { level, offset, end } of this.#delayOffsets())
      all.set(`scheduleMessageOffset_${level}`, `${offset},${end}`);
    const { puts: putsByDay, gets: getsByDay } = this.#stats.byDay();
    ["YesterdayMorning", "TodayMorning", "TodayNow"].forEach((when, i) => {
      all.set(`msgPutTotal${when}`, putsByDay[i]!).set(`msgGetTotal${when}`, getsByDay[i]!);
    });
    all
      .set("brokerActive", true)
      .set("brokerVersionDesc", "V5_5_0")
      .set("dispatchBehindBytes", 0)
      .set("pageCacheLockTimeMills", 0)
      .set("earliestMessageTimeStamp", earliest ?? -1)
      .set("startAcceptSendRequestTimeStamp", 0)
      .set("timerReadBehind", Math.floor((timers?.readBehindMs ?? 0) / 1_000))
      .set("timerOffsetBehind", timers?.unread ?? 0)
      .set("timerCongestNum", timers?.waiting ?? 0)
      .set("timerEnqueueTps", "0.0")
      .set("timerDequeueTps", "0.0")
      .set("remainTransientStoreBufferNumbs", 2_147_483_647)
      .set("remainHowManyDataToFlush", readable(unflushedBytes));
    if (usage !== undefined) {
      const free = readable(Math.max(0, usage.totalBytes - usage.usedBytes));
      all.set("commitLogDirCapacity", `Total : ${readable(usage.totalBytes)}, Free : ${free}.`);
    }
    for (const [queue, capacity] of threadPoolQueues) {
      all.set(`${queue}ThreadPoolQueueSize`, 0).set(`${queue}ThreadPoolQueueCapacity`, capacity);
      all.set(`${queue}ThreadPoolQueueHeadWaitTimeMills`, 0);
    }
    all.set("EndTransactionQueueSize", 0).set("EndTransactionThreadPoolQueueCapacity", 100_000);
    return new Map(Array.from(all, ([name, value]) => [name, String(value)]));
  }

  /** Of the last ten seconds, minute and ten minutes (StoreStatsService). */
  #perSecond(unit: "count" | "bytes", ...tallies: readonly Tally[]): string {
    const spans = [windows.minute / 6, windows.minute, 10 * windows.minute];
    return spans
      .map((spanMs) => {
        const sum = tallies.reduce((total, tally) => total + this.#stats.within(tally, spanMs)[unit], 0);
        return decimal((sum * 1_000) / spanMs);
      })
      .join(" ");
  }
}

/** Apache's, and the room they have with it. */
const threadPoolQueues = [
  ["send", 10_000],
  ["pull", 100_000],
  ["litePull", 100_000],
  ["query", 20_000],
  ["ack", 100_000],
] as const;

/** As Java prints a double, but never with an exponent. */
function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : value.toFixed(6).replace(/0+$/, "").replace(/\.$/, ".0");
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3_600) % 24;
  return `[ ${days} days, ${hours} hours, ${Math.floor(seconds / 60) % 60} minutes, ${seconds % 60} seconds ]`;
}

/** MixAll.humanReadableByteCount. */
function readable(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.floor(Math.log(bytes) / Math.log(1024));
  return `${(bytes / 1024 ** power).toFixed(1)} ${"KMGTPE"[power - 1]}iB`;
}
