/** Units of the timer log and slots of the wheel: against Apache's bytes. */
import { describe, expect, test } from "vitest";
import type { TimerUnit } from "../../src/core/core.ts";
import { type GoldenStore, goldenFile, goldenPaths, goldenPieces } from "../golden/golden.ts";
import { newCore } from "./setup.ts";

const { timers } = newCore();

function unitsOf(name: GoldenStore): { log: Uint8Array; units: TimerUnit[] } {
  const log = goldenFile(goldenPaths(name, "timerlog")[0]!);
  const units: TimerUnit[] = [];
  timers.load(log);
  for (let at = 0; ; at += timers.unitBytes) {
    const unit = timers.unitAt(at);
    if (unit === undefined || unit === "blank") return { log, units };
    units.push({ ...unit });
  }
}

describe("the timer log that Apache wrote", () => {
  test("its units say what was put onto the wheel", () => {
    const { units } = unitsOf("store_timer");
    // Two for one hour, one for three days that goes round, and one that takes the second off.
    expect(units.map(({ rolls, deletes }) => ({ rolls, deletes }))).toEqual([
      { rolls: false, deletes: false },
      { rolls: false, deletes: false },
      { rolls: true, deletes: false },
      { rolls: false, deletes: true },
    ]);
    expect(units.map(({ previous }) => previous)).toEqual([-1, 0, -1, 52]);
    expect(units.map(({ physicalOffset, recordSize }) => [physicalOffset, recordSize])).toEqual([
      [0, 231],
      [231, 210],
      [441, 168],
      [609, 218],
    ]);
    expect(units[2]!.delay).toBe(172_800_000);
    const hash = newCore().hashCode("TopicA");
    for (const { topicHash } of units) expect(topicHash).toBe(hash);
  });

  test("its units, taken apart and put together again, are the same bytes", () => {
    const { log, units } = unitsOf("store_timer");
    const again = new Uint8Array(log.length);
    units.forEach((unit, index) => {
      timers.putUnit(again, index * timers.unitBytes, unit);
    });
    expect(again).toEqual(log);
  });

  test("what is no unit is none", () => {
    timers.load(new Uint8Array(timers.unitBytes));
    expect(timers.unitAt(0)).toBeUndefined();
    const bytes = unitsOf("store_timer").log.slice(0, timers.unitBytes);
    for (const [at, value] of [
      [3, 51],
      [14, 1],
      [15, 16],
    ] as const) {
      const spoilt = bytes.slice();
      spoilt[at] = value;
      timers.load(spoilt);
      expect(timers.unitAt(0), `byte ${at}`).toBeUndefined();
    }
    timers.load(bytes.subarray(0, 51));
    expect(timers.unitAt(0)).toBeUndefined();
    const blank = new Uint8Array(timers.blankBytes);
    timers.putBlank(blank, 0, 500);
    timers.load(blank);
    expect(timers.unitAt(0)).toBe("blank");
    expect([...blank]).toEqual([0, 0, 1, 0xf4, 0, 0, 0, 0, 0, 0, 0, 0, 0xcb, 0xd4, 0x31, 0x94]);
  });
});

test("the slots of Apache's wheel are where they are to be, and the same bytes when they are written", () => {
  const { byteLength, pieces } = goldenPieces("store_timer/timerwheel");
  expect(byteLength).toBe(timers.slots * timers.slotBytes);
  const wheel = new Uint8Array(byteLength);
  for (const { at, bytes } of pieces) wheel.set(bytes, at);
  const view = new DataView(wheel.buffer);
  const { units } = unitsOf("store_timer");
  const times = new Set(units.map(({ writeTime, delay }) => (writeTime + delay) / 1_000));
  let used = 0;
  for (const time of times) {
    const at = (time % timers.slots) * timers.slotBytes;
    const number = (field: number) => Number(view.getBigInt64(at + field));
    expect(number(0)).toBe(time);
    const again = new Uint8Array(timers.slotBytes);
    timers.putSlot(again, 0, { time, first: number(8), last: number(16), num: view.getInt32(at + 24) });
    expect(again).toEqual(wheel.subarray(at, at + timers.slotBytes));
    used++;
  }
  expect(used).toBe(2);
});
