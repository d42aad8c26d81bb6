import { Round } from "../../ports/round.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import type { ObjectStorage } from "./platform.ts";

/** What is due within so long of each other shares an alarm: pulls that began together end together. */
const alarmStepMs = 50;

/**
 * The object's one alarm. It outlives the memory, so that what is due wakes an object that was put to sleep. Setting it costs a row: an
 * alarm that is set for earlier is left to come, and asked for again then.
 */
export class AlarmScheduler implements Scheduler {
  readonly #storage: ObjectStorage;
  #alarmAtMs: number | undefined;
  #wake: () => void = () => {};
  readonly #round = new Round();

  /** `alarmAtMs`: what the alarm is set to, as an earlier life of the object has left it. */
  constructor(storage: ObjectStorage, alarmAtMs: number | undefined) {
    this.#storage = storage;
    this.#alarmAtMs = alarmAtMs;
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  wakeAt(atMs: number): void {
    if (this.#alarmAtMs !== undefined && this.#alarmAtMs <= atMs) return;
    this.#alarmAtMs = Math.ceil(atMs / alarmStepMs) * alarmStepMs;
    // A failure resets the object, and its next life sets the alarm again.
    void this.#storage.setAlarm(this.#alarmAtMs);
  }

  soon(task: () => void): void {
    if (this.#round.add(task)) queueMicrotask(() => this.#round.run());
  }

  /** The alarm has come. */
  alarm(): void {
    this.#alarmAtMs = undefined;
    this.#wake();
  }
}
