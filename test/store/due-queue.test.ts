import { expect, test } from "vitest";
import { DueQueue } from "../../src/store/due-queue.ts";

/** Clocks that stand until they are moved, and an alarm that says what it was set to. */
function make() {
  const time = { wall: 1_000_000, monotonic: 50, wakeAt: Number.NaN, wake: () => {} };
  const dues = new DueQueue(
    { now: () => time.wall, monotonic: () => time.monotonic },
    {
      onWake: (wake) => {
        time.wake = wake;
      },
      wakeAt: (atMs) => {
        time.wakeAt = atMs;
      },
      soon: (task) => task(),
    },
  );
  const pass = (ms: number): void => {
    time.wall += ms;
    time.monotonic += ms;
    time.wake();
  };
  return { time, dues, pass };
}

test("what is due runs in order of time, once, and not early", () => {
  const { time, dues, pass } = make();
  const ran: number[] = [];
  for (const ms of [30, 10, 20, 10, 40]) dues.after(ms, () => ran.push(ms));
  dues.at(time.monotonic + 25, () => ran.push(25));
  pass(9);
  expect(ran).toEqual([]);
  pass(16);
  expect(ran).toEqual([10, 10, 20, 25]);
  pass(100);
  pass(100);
  expect(ran).toEqual([10, 10, 20, 25, 30, 40]);
});

test("a wall clock that is set holds up nothing", () => {
  const { time, dues, pass } = make();
  let ran = 0;
  const later = dues.later(500, () => {
    ran++;
    later.ask();
  });
  later.ask();
  time.wall -= 3_600_000;
  pass(500);
  expect(ran).toBe(1);
  expect(time.wakeAt).toBe(time.wall + 500);
  time.wall += 7_200_000;
  pass(499);
  expect(ran).toBe(1);
  pass(1);
  expect(ran).toBe(2);
});

test("what is cancelled does not run, in any number, nor what it cancels itself", () => {
  const { dues, pass } = make();
  const ran: number[] = [];
  const all = Array.from({ length: 5_000 }, (_, i) => dues.after(i % 97, () => ran.push(i)));
  all.forEach((due, i) => {
    if (i % 10 !== 0) dues.cancel(due);
  });
  const later = dues.after(200, () => ran.push(-1));
  dues.after(100, () => dues.cancel(later));
  dues.cancel(all[1]!);
  pass(1_000);
  expect(ran.length).toBe(500);
  expect(ran.every((i) => i % 10 === 0)).toBe(true);
});

test("what is put off runs once for all that asked, is asked for again from within, and not after its end", () => {
  const { time, dues, pass } = make();
  let ran = 0;
  const later = dues.later(10, () => {
    if (++ran === 2) later.ask();
    if (ran === 3) later.stop();
  });
  pass(1_000);
  expect(time.wakeAt).toBeNaN();
  later.ask();
  pass(5);
  later.ask();
  pass(5);
  expect(ran).toBe(1);
  pass(1_000);
  expect(ran).toBe(1);
  later.ask();
  pass(10);
  expect(ran).toBe(2);
  pass(10);
  expect(ran).toBe(3);
  later.ask();
  pass(1_000);
  expect(ran).toBe(3);
});

test("what is never over is never due", () => {
  const { time, dues } = make();
  dues.later(Number.POSITIVE_INFINITY, () => {}).ask();
  expect(time.wakeAt).toBeNaN();
});
