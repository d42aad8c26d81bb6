import { expect, test } from "vitest";
import { Acks } from "../../../src/broker/pop/acks.ts";
import type { CheckPoint } from "../../../src/broker/pop/check-point.ts";
import type { Listener } from "../../../src/broker/pop/revive-log.ts";
import { WasmqError } from "../../../src/ports/error.ts";

test("a pop counts until what takes its place is kept, and on if that can't be: the message comes again", () => {
  const told: string[] = [];
  const asked: Listener[] = [];
  const acks = new Acks({
    store: { range: () => ({ minOffset: 0, maxOffset: 8 }) },
    topics: { find: () => ({ config: { readQueueNums: 1 } }) },
    log: {
      checkPoint: (_point: CheckPoint, _reviveQueue: number, _next: undefined, listener: Listener) => {
        asked.push(listener);
      },
      acknowledge: (_ack: unknown, _reviveQueue: number, _dueAtMs: number, listener: Listener) => {
        told.push("acknowledged");
        listener.stored();
      },
    },
    clock: { now: () => 2_000 },
    settings: { brokerName: "broker-a" },
  } as unknown as ConstructorParameters<typeof Acks>[0]);
  const receipt = { startOffset: 3, popTimeMs: 1_000, invisibleMs: 9_000, reviveQueue: 1, brokerName: "broker-a" };
  const message = { group: "G", topic: "T", queueId: 0, offset: 3, receipt };
  const change = (): void =>
    acks.changeInvisibility(
      message,
      { invisibleMs: 5_000, suspend: false },
      { changed: () => void told.push("changed"), failed: ({ code }) => void told.push(code) },
    );
  change();
  expect(told).toEqual([]);
  asked.pop()!.failed(new WasmqError("STORE_FULL", "full"));
  expect(told).toEqual(["STORE_FULL"]);
  change();
  asked.pop()!.stored();
  expect(told).toEqual(["STORE_FULL", "acknowledged", "changed"]);
});
