import { expect, test } from "vitest";
import { HalfQueue } from "../../../src/broker/transaction/half-queue.ts";
import { WasmqError } from "../../../src/ports/error.ts";

test("a half message that is being given up can be ended, by any copy of it", () => {
  const halves = new HalfQueue();
  halves.renew(1, 5);
  halves.giveUp(5);
  expect(halves.isOver(5)).toBe(true);
  expect([halves.liveOf(1), halves.liveOf(5)]).toEqual([5, 5]);
  halves.end(5);
  expect([halves.liveOf(1), halves.liveOf(5)]).toEqual([undefined, undefined]);
});

test("who ends a transaction that is being ended hears what comes of it", () => {
  const halves = new HalfQueue();
  const told: string[] = [];
  const listener = (name: string) => ({
    ended: () => void told.push(`${name} ended`),
    failed: ({ code }: WasmqError) => void told.push(`${name} ${code}`),
  });
  halves.renew(1, 5);
  expect(halves.awaitEnd(1, listener("none"))).toBe(false);
  halves.begin(5, listener("first"));
  expect([halves.awaitEnd(1, listener("second")), halves.awaitEnd(5, listener("third"))]).toEqual([true, true]);
  expect(told).toEqual([]);
  halves.fail(5, new WasmqError("STORE_FULL", "full"));
  expect(told.splice(0)).toEqual(["first STORE_FULL", "second STORE_FULL", "third STORE_FULL"]);
  halves.begin(5, listener("again"));
  halves.awaitEnd(1, listener("last"));
  halves.end(5);
  expect(told).toEqual(["again ended", "last ended"]);
});

test("an end that fails while the half message is stored again leaves the copy open", () => {
  const halves = new HalfQueue();
  const told: string[] = [];
  const listener = { ended: () => void told.push("ended"), failed: () => void told.push("failed") };
  halves.begin(1, listener);
  expect(halves.renew(1, 5)).toBe("ending");
  expect([halves.liveOf(1), halves.isEnding(5)]).toEqual([undefined, true]);
  halves.fail(1, new WasmqError("STORE_FULL", "full"));
  expect(told.splice(0)).toEqual(["failed"]);
  expect([halves.liveOf(1), halves.isOver(5)]).toEqual([5, false]);
  halves.begin(5, listener);
  expect(halves.renew(5, 9)).toBe("ending");
  halves.end(5);
  expect(told).toEqual(["ended"]);
  expect([halves.liveOf(1), halves.isOver(9)]).toEqual([undefined, true]);
  expect(halves.renew(9, 12)).toBe("ended");
});
