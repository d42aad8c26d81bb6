import { expect, test } from "vitest";
import { encodeCheckPoint } from "../../../src/broker/pop/check-point.ts";
import { Revival } from "../../../src/broker/pop/revival.ts";
import { WasmqError } from "../../../src/ports/error.ts";
import type { AppendListener } from "../../../src/store/commit-log.ts";

test("messages that can't be brought again, nor be told of, are tried later, and leave no failure that nobody hears", async () => {
  const check = {
    ...{ topic: "T", group: "G", queueId: 0, startOffset: 0, popTimeMs: 1_000, brokerName: "broker-a" },
    ...{ invisibleMs: 1_000, offsets: [0], ackedBits: 0, suspend: false },
  };
  const full = () => new WasmqError("STORE_FULL", "the disk is full");
  const again: number[] = [];
  let logged!: (event: string) => void;
  const told = new Promise<string>((resolve) => {
    logged = resolve;
  });
  const revival = new Revival({
    store: {
      range: (topic: string, queueId: number) => ({
        minOffset: 0,
        maxOffset: topic === "revive" && queueId === 0 ? 1 : 0,
      }),
      messageAt: async (topic: string) =>
        topic === "revive"
          ? { body: encodeCheckPoint(check), properties: "TAGS\u0001ck\u0002TIMER_DELIVER_MS\u00011000\u0002" }
          : { queueOffset: 0, size: 100, reconsumeTimes: 0, properties: "", body: new Uint8Array(0) },
      append: (_message: unknown, _queueId: number, listener: AppendListener) => {
        setTimeout(() => listener.failed(full()), 1);
      },
    },
    topics: {
      find: () => ({}),
      findOrCreateForGroup: (topicName: string) => ({ config: { topicName }, nameBytes: new Uint8Array(0) }),
      saved: async () => {},
    },
    groups: { findOrCreate: () => ({}) },
    offsets: { find: () => undefined, commit: () => {} },
    settings: { enableRetryTopicV2: false, storeHost: new Uint8Array(8) },
    log: {
      topic: "revive",
      revived: () => {
        throw full();
      },
    },
    clock: { now: () => 10_000 },
    telemetry: { log: (_level: string, event: string) => logged(event) },
    dues: { after: (delayMs: number) => again.push(delayMs) },
    deliveredUntilMs: () => 10_000,
  } as unknown as ConstructorParameters<typeof Revival>[0]);
  revival.start();
  expect(await told).toBe("popped messages could not be brought again");
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(again).toEqual([1_000]);
});
