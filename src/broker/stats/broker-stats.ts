import type { Clock } from "../../ports/clock.ts";
import { day, type Sum, Tally } from "./tally.ts";

/** Of one kind of messages: what 315 tells (BrokerStatsData). */
export interface StatsOf {
  readonly tally: Tally;
  /** Whether messages or their bytes are meant. */
  readonly unit: "count" | "bytes";
}

/** How many messages came and went, by topic and by group (BrokerStatsManager, BrokerStats). Begins anew with each start. */
export class BrokerStats {
  readonly #clock: Clock;
  readonly #clusterName: string;
  readonly #talliesMax: number;
  readonly startedAtMs: number;
  readonly puts = new Tally();
  readonly gets = new Tally();
  readonly sentBack = new Tally();
  /** By topic. */
  readonly #puts = new Map<string, Tally>();
  /** By `topic@group`. */
  readonly #gets = new Map<string, GivenTally>();
  readonly #sendBacks = new Map<string, Tally>();
  /** Of pulls: those that brought messages, and those that did not. */
  readonly found = new Tally();
  readonly missed = new Tally();
  readonly #putsByDay: ByDay;
  readonly #getsByDay: ByDay;

  /** `talliesMax`: of so many topics, and groups in topics, is counted one by one. */
  constructor(clock: Clock, clusterName: string, talliesMax: number) {
    this.#clock = clock;
    this.#clusterName = clusterName;
    this.#talliesMax = talliesMax;
    this.startedAtMs = clock.now();
    this.#putsByDay = new ByDay(clock);
    this.#getsByDay = new ByDay(clock);
  }

  /** Messages were stored: those that wait in one of the broker's own topics too. */
  put(topic: string, count: number, bytes: number): void {
    const nowMs = this.#clock.now();
    this.#of(this.#puts, topic)?.add(count, bytes, nowMs, count);
    this.#putsByDay.before(this.puts.count, nowMs);
    this.puts.add(count, bytes, nowMs, count);
  }

  /** A group was given messages of a queue, and goes on at `nextOffset`. */
  got(topic: string, group: string, queueId: number, nextOffset: number, count: number, bytes: number): void {
    const nowMs = this.#clock.now();
    const tally = this.#given(`${topic}@${group}`);
    tally?.add(count, bytes, nowMs);
    tally?.givenTo.set(queueId, nextOffset);
    this.#getsByDay.before(this.gets.count, nowMs);
    this.gets.add(count, bytes, nowMs);
    this.found.add(1, 0, nowMs);
  }

  /** A pull brought nothing. */
  gotNothing(): void {
    this.missed.add(1, 0, this.#clock.now());
  }

  /** A group gave a message back. */
  gaveBack(topic: string, group: string): void {
    const nowMs = this.#clock.now();
    this.#of(this.#sendBacks, `${topic}@${group}`)?.add(1, 0, nowMs);
    this.sentBack.add(1, 0, nowMs);
  }

  /** Messages a second that came into a topic in the last minute (tpsTopicPutNums). */
  putsPerSecond(topic: string): number {
    return this.#perSecond(this.#puts.get(topic));
  }

  /** ... and that a group was given (tpsGroupGetNums). */
  getsPerSecond(topic: string, group: string): number {
    return this.#perSecond(this.#gets.get(`${topic}@${group}`));
  }

  /** Up to where a group was given the messages of a queue, since the broker started (queryPullOffset). */
  pulledTo(topic: string, group: string, queueId: number): number | undefined {
    return this.#gets.get(`${topic}@${group}`)?.givenTo.get(queueId);
  }

  /** What is counted under RocketMQ's names (Stats); undefined for what is not, and for a key of which nothing was. */
  find(name: string, key: string): StatsOf | undefined {
    const tally = this.#tally(name, key);
    return tally && { tally, unit: name.endsWith("_SIZE") ? "bytes" : "count" };
  }

  /** Of messages put and got: all before yesterday, all before today, all until now, by the host's days. */
  byDay(): { readonly puts: readonly number[]; readonly gets: readonly number[] } {
    const nowMs = this.#clock.now();
    return {
      puts: this.#putsByDay.tell(this.puts.count, nowMs),
      gets: this.#getsByDay.tell(this.gets.count, nowMs),
    };
  }

  topicDeleted(topic: string): void {
    this.#puts.delete(topic);
    for (const table of [this.#gets, this.#sendBacks]) forget(table, (key) => key.startsWith(`${topic}@`));
  }

  groupDeleted(group: string): void {
    for (const table of [this.#gets, this.#sendBacks]) forget(table, (key) => key.endsWith(`@${group}`));
  }

  within(tally: Tally, windowMs: number): Sum {
    return tally.within(windowMs, this.#clock.now());
  }

  #tally(name: string, key: string): Tally | undefined {
    switch (name) {
      case "TOPIC_PUT_NUMS":
      case "TOPIC_PUT_SIZE":
        return this.#puts.get(key);
      case "GROUP_GET_NUMS":
      case "GROUP_GET_SIZE":
        return this.#gets.get(key);
      case "SNDBCK_PUT_NUMS":
        return this.#sendBacks.get(key);
      case "BROKER_PUT_NUMS":
        return key === this.#clusterName ? this.puts : undefined;
      case "BROKER_GET_NUMS":
        return key === this.#clusterName ? this.gets : undefined;
      default:
        return undefined;
    }
  }

  #of(table: Map<string, Tally>, key: string): Tally | undefined {
    const found = table.get(key);
    if (found !== undefined || table.size >= this.#talliesMax) return found;
    const tally = new Tally();
    table.set(key, tally);
    return tally;
  }

  #given(key: string): GivenTally | undefined {
    const found = this.#gets.get(key);
    if (found !== undefined || this.#gets.size >= this.#talliesMax) return found;
    const tally = new GivenTally();
    this.#gets.set(key, tally);
    return tally;
  }

  #perSecond(tally: Tally | undefined): number {
    return tally === undefined ? 0 : this.within(tally, 60_000).count / 60;
  }
}

function forget(table: Map<string, Tally>, isMeant: (key: string) => boolean): void {
  for (const key of [...table.keys()]) if (isMeant(key)) table.delete(key);
}

/** Of what a group was given of a topic. */
class GivenTally extends Tally {
  /** By queue: the offset behind the last message given. */
  readonly givenTo = new Map<number, number>();
}

/** What a count was when days began. */
class ByDay {
  readonly #clock: Clock;
  #endMs: number;
  #yesterday = 0;
  #today = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endMs = this.#endOfDay(clock.now());
  }

  /** To be told before the count changes. */
  before(count: number, nowMs: number): void {
    if (nowMs < this.#endMs) return;
    this.#yesterday = nowMs < this.#endMs + day ? this.#today : count;
    this.#today = count;
    this.#endMs = this.#endOfDay(nowMs);
  }

  tell(count: number, nowMs: number): number[] {
    this.before(count, nowMs);
    return [this.#yesterday, this.#today, count];
  }

  #endOfDay(nowMs: number): number {
    const zoneMs = this.#clock.zoneOffsetMs?.(nowMs) ?? 0;
    return (Math.floor((nowMs + zoneMs) / day) + 1) * day - zoneMs;
  }
}
