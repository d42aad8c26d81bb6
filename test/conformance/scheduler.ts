import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Scheduler } from "../../src/ports/scheduler.ts";

export interface SchedulerFactory {
  readonly name: string;
  /** Why wakes may come before their time, if they may. */
  readonly wakesEarly?: string;
  fresh(): FreshScheduler | Promise<FreshScheduler>;
}

export interface FreshScheduler {
  readonly scheduler: Scheduler;
  /** Ends its timers. */
  stop(): void | Promise<void>;
}

/** Timers round to milliseconds, the clock they are set by and the one they run by each in its own way. */
const earlyMs = 2;

/** What every host's Scheduler promises (src/ports/scheduler.ts). */
export function describeScheduler(factory: SchedulerFactory): void {
  describe(`Scheduler: ${factory.name}`, () => {
    let fresh: FreshScheduler;
    let scheduler: Scheduler;
    let wokenAtMs: number[];
    let askedAtMs: number;

    beforeEach(async () => {
      fresh = await factory.fresh();
      scheduler = fresh.scheduler;
      wokenAtMs = [];
      askedAtMs = 0;
      scheduler.onWake(() => {
        const nowMs = Date.now();
        // Who is woken early asks again, as the engine does.
        if (factory.wakesEarly !== undefined && nowMs < askedAtMs - earlyMs) scheduler.wakeAt(askedAtMs);
        else wokenAtMs.push(nowMs);
      });
    });

    afterEach(() => fresh.stop());

    const ask = (atMs: number): void => {
      askedAtMs = atMs;
      scheduler.wakeAt(atMs);
    };
    const woken = (): Promise<unknown> => expect.poll(() => wokenAtMs.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

    test("wakes, and not before the time", async () => {
      const atMs = Date.now() + 60;
      ask(atMs);
      expect(wokenAtMs).toEqual([]);
      await woken();
      expect(wokenAtMs[0]).toBeGreaterThanOrEqual(atMs - earlyMs);
    });

    test("a time that is past is due at once, yet not within the call", async () => {
      ask(Date.now() - 1_000);
      expect(wokenAtMs).toEqual([]);
      await woken();
    });

    test("an earlier time replaces a later one", async () => {
      ask(Date.now() + 3_600_000);
      ask(Date.now() + 10);
      await woken();
    });

    test("a later time replaces an earlier one", async () => {
      const atMs = Date.now() + 150;
      ask(Date.now() + 20);
      ask(atMs);
      await woken();
      expect(wokenAtMs[0]).toBeGreaterThanOrEqual(atMs - earlyMs);
    });

    test("a time in the far future is not now, and can be replaced", async () => {
      for (const aheadMs of [2 ** 31, 2 ** 33, 1e12]) ask(Date.now() + aheadMs);
      await pause(50);
      expect(wokenAtMs).toEqual([]);
      ask(Date.now());
      await woken();
    });

    test("can be asked again, from within a wake too", async () => {
      let left = 3;
      const again = await factory.fresh();
      const done = new Promise<void>((resolve) => {
        again.scheduler.onWake(() => {
          if (--left === 0) resolve();
          else again.scheduler.wakeAt(Date.now() + 5);
        });
      });
      again.scheduler.wakeAt(Date.now());
      await done;
      expect(left).toBe(0);
      await again.stop();
    });

    test("tasks run soon, in order, and not within the call", async () => {
      const ran: number[] = [];
      await new Promise<void>((resolve) => {
        for (const i of [1, 2, 3]) scheduler.soon(() => ran.push(i));
        scheduler.soon(resolve);
        expect(ran).toEqual([]);
      });
      expect(ran).toEqual([1, 2, 3]);
    });

    test("a task added by a task runs in the same round", async () => {
      const ran: string[] = [];
      await new Promise<void>((resolve) => {
        scheduler.soon(() => {
          ran.push("first");
          setTimeout(() => {
            ran.push("a turn later");
            resolve();
          }, 0);
          scheduler.soon(() => {
            ran.push("added");
            scheduler.soon(() => ran.push("added by what was added"));
          });
        });
        scheduler.soon(() => ran.push("second"));
      });
      expect(ran).toEqual(["first", "second", "added", "added by what was added", "a turn later"]);
    });

    test("a round that is over is followed by the next", async () => {
      for (let round = 0; round < 5; round++) await new Promise<void>((resolve) => scheduler.soon(resolve));
      await pause(1);
      await new Promise<void>((resolve) => scheduler.soon(resolve));
    });
  });
}
