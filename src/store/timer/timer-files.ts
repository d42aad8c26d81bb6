import type { TimerFormats, TimerUnit } from "../../core/core.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { readTimerCheckpoint, type TimerCheckpoint, writeTimerCheckpoint } from "./timer-checkpoint.ts";
import { TimerLog } from "./timer-log.ts";
import { TimerWheel, wheelFile } from "./timer-wheel.ts";

/** A message as it stands on the wheel. */
export type Waiting = Pick<TimerUnit, "rolls" | "deletes" | "writeTime" | "physicalOffset" | "recordSize">;

/** The queue that the wheel is filled from. */
export interface TimerQueue {
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Where in the CommitLog the message at a queue offset stands; the log's end for none. */
  physicalOffset(queueOffset: number): Promise<number>;
}

/**
 * What is kept of waiting messages beside the messages themselves, in Apache's files (org.apache.rocketmq.store.timer): the timer log, the
 * wheel, and how far both are.
 *
 * The log and `timercheck` are kept while the broker runs, and the wheel stands in memory: it is made anew of the log at each start, so that
 * no host has to change a file of 38 MB in place. For Apache, which does so only from lastTimerLogFlushPos on, the wheel is written at a
 * clean stop; until then that position stays the one which the wheel's file, if there is one, belongs to.
 *
 * `timercheck` is written behind the log that it vouches for. Units that it does not cover are cut off at the start, for any part of
 * them may be there, and their messages are put onto the wheel once more.
 */
export class TimerFiles {
  /** The next message of the queue that is to be put onto the wheel. */
  queueOffset = 0;
  /** All slots before this time are done with. */
  readTimeMs = 0;
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #log: TimerLog;
  readonly #wheel: TimerWheel;
  readonly #precisionMs: number;
  #checkpoint!: TimerCheckpoint;

  constructor(given: {
    storage: LogStorage;
    clock: Clock;
    telemetry: Telemetry;
    formats: TimerFormats;
    precisionMs: number;
    fileBytes: number;
  }) {
    this.#storage = given.storage;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#precisionMs = given.precisionMs;
    this.#log = new TimerLog(given.storage, given.formats, given.fileBytes);
    this.#wheel = new TimerWheel(given.formats, given.precisionMs);
  }

  /**
   * Takes over what is there, Apache's or ours. A read time that is yet to come is none: what was due before now was delivered, and what
   * is due from now on may be delivered twice, which is better than never. Rejects with STORE_UNREADABLE for files that are none of these.
   */
  async open(queue: TimerQueue): Promise<void> {
    this.#checkpoint = await readTimerCheckpoint(this.#storage);
    const nowMs = Math.floor(this.#clock.now() / this.#precisionMs) * this.#precisionMs;
    const { lastReadTimeMs, lastTimerQueueOffset, masterTimerQueueOffset } = this.#checkpoint;
    this.readTimeMs = lastReadTimeMs === 0 ? 0 : Math.min(lastReadTimeMs, nowMs);
    const reached = Math.min(lastTimerQueueOffset, masterTimerQueueOffset);
    this.queueOffset = Math.min(Math.max(reached, queue.minOffset), queue.maxOffset);
    await this.#fill(await queue.physicalOffset(this.queueOffset));
  }

  /** The time of the earliest slot in which something waits. */
  earliest(): number | undefined {
    return this.#wheel.earliest();
  }

  /** The times of the slots before a time in which something waits. */
  slotsBefore(timeMs: number): number[] {
    return this.#wheel.timesBefore(timeMs);
  }

  /** Messages in the slot of a time. */
  num(timeMs: number): number {
    return this.#wheel.num(timeMs);
  }

  /** Messages in all slots. */
  get waiting(): number {
    return this.#wheel.all();
  }

  /** What is kept of how far everything is. */
  get checkpoint(): TimerCheckpoint {
    return this.#checkpoint;
  }

  /** Bytes that `flush` has yet to write. */
  get unwrittenBytes(): number {
    return this.#log.unwrittenBytes;
  }

  /** Puts a message into the slot of `unit.writeTime + unit.delay`. */
  put(unit: Omit<TimerUnit, "previous">): void {
    const timeMs = unit.writeTime + unit.delay;
    const position = this.#log.append({ ...unit, previous: this.#wheel.last(timeMs) });
    this.#wheel.put(timeMs, position, unit.deletes ? -1 : 1);
    // The clock was set back: a start must not take the slot for one that is done with.
    this.readTimeMs = Math.min(this.readTimeMs, timeMs);
  }

  /** What waits in the slot of a time, in the order in which it came. */
  async inSlot(timeMs: number): Promise<Waiting[]> {
    const waiting: Waiting[] = [];
    for (let position = this.#wheel.last(timeMs); position >= 0; ) {
      const unit = await this.#log.unitAt(position);
      // One of another slot, which damaged bytes lead to, would come at another time than its own.
      const slotMs = unit === undefined ? undefined : this.#slotOf(unit.writeTime + unit.delay);
      if (unit === undefined || slotMs !== this.#slotOf(timeMs)) {
        this.#telemetry.log("error", "a unit of the timer log is missing: what was in its slot before it is lost", {
          ...{ slotMs: timeMs, position },
        });
        break;
      }
      const { rolls, deletes, writeTime, physicalOffset, recordSize, previous } = unit;
      waiting.push({ rolls, deletes, writeTime, physicalOffset, recordSize });
      // Positions fall: damaged bytes can't lead in a circle.
      position = previous < position ? previous : -1;
    }
    return waiting.reverse();
  }

  #slotOf(timeMs: number): number {
    return Math.floor(timeMs / this.#precisionMs);
  }

  /** A slot, the earliest one, is done with. */
  passed(timeMs: number): void {
    this.#wheel.remove(timeMs);
    this.readTimeMs = Math.max(this.readTimeMs, timeMs + this.#precisionMs);
  }

  /**
   * Keeps how far everything is, as it was when this was called. `keepMessages` makes last what was delivered until then: `timercheck`
   * must not say so before.
   */
  async flush(keepMessages: () => Promise<void>): Promise<void> {
    const { readTimeMs, queueOffset } = this;
    await this.#log.write();
    await keepMessages();
    await this.#log.sync();
    await this.#check(readTimeMs, queueOffset, this.#checkpoint.lastTimerLogFlushPos);
    await this.#log.deleteBefore(readTimeMs);
  }

  /** The last flush: the wheel is written too. Nothing is put any more. */
  async close(keepMessages: () => Promise<void>): Promise<void> {
    await this.flush(keepMessages);
    if (this.#log.isEmpty || this.#log.end === this.#checkpoint.lastTimerLogFlushPos) return;
    await this.#wheel.save(this.#storage);
    await this.#check(this.readTimeMs, this.queueOffset, this.#log.end);
  }

  /** Makes the wheel of the log, up to the first unit of the end that is of messages from `uncovered` on, which is cut off. */
  async #fill(uncovered: number): Promise<void> {
    await this.#log.load(await this.#storage.list("timerlog"));
    let cutAt: number | undefined;
    await this.#log.scan((unit, position) => {
      if (unit.physicalOffset < uncovered) cutAt = undefined;
      else cutAt ??= position;
      this.#remember(unit, position);
    });
    if (cutAt === undefined && !this.#log.isTorn) return;
    const end = cutAt ?? this.#log.end;
    this.#wheel.clear();
    await this.#log.scan((unit, position) => {
      if (position < end) this.#remember(unit, position);
    });
    // The file of the wheel may know of units that go: without it, Apache makes it of the whole log.
    await this.#check(this.readTimeMs, this.queueOffset, 0);
    await this.#storage.delete(wheelFile);
    await this.#log.cut(end);
  }

  #remember({ writeTime, delay, deletes }: TimerUnit, position: number): void {
    const timeMs = writeTime + delay;
    if (timeMs >= this.readTimeMs) this.#wheel.put(timeMs, position, deletes ? -1 : 1);
  }

  async #check(lastReadTimeMs: number, queueOffset: number, lastTimerLogFlushPos: number): Promise<void> {
    const before = this.#checkpoint;
    if (
      before.lastReadTimeMs === lastReadTimeMs &&
      before.lastTimerQueueOffset === queueOffset &&
      before.masterTimerQueueOffset === queueOffset &&
      before.lastTimerLogFlushPos === lastTimerLogFlushPos
    ) {
      return;
    }
    const checkpoint = {
      ...{ lastReadTimeMs, lastTimerLogFlushPos, lastTimerQueueOffset: queueOffset },
      ...{ masterTimerQueueOffset: queueOffset, stateVersion: before.stateVersion },
      ...{ timestamp: this.#clock.now(), counter: before.counter + 1 },
    };
    await writeTimerCheckpoint(this.#storage, checkpoint);
    this.#checkpoint = checkpoint;
  }
}
