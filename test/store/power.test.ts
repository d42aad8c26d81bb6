import { expect, test, vi } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { CrashingStorage } from "../lib/crashing-storage.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { messagesOf } from "../lib/remoting-client.ts";

vi.setConfig({ testTimeout: 30_000 });

test("ASYNC_FLUSH: loss of power takes the end of what was acknowledged, no more than an interval of it", async () => {
  const storage = new CrashingStorage(new MemoryLogStorage());
  storage.begin();
  const intervalMs = 40;
  let acked = 0;
  let ackedAtSync = 0;
  let syncs = 0;
  const sync = storage.sync.bind(storage);
  storage.sync = (files) => {
    sync(files);
    if (!files.some((file) => file.startsWith("commitlog/"))) return;
    ackedAtSync = acked;
    syncs++;
  };
  const store = {
    mappedFileSizeCommitLog: 64 * 1024,
    flushDiskType: "ASYNC_FLUSH",
    flushIntervalCommitLogMs: intervalMs,
  } as const;
  const broker = await MemoryBroker.start({ store }, storage);
  const client = broker.connect();
  // By syncs, not by the clock: on a busy machine an interval is longer.
  while (syncs < 5) {
    await client.send("T", `m${acked}`.padEnd(1_000, "."));
    acked++;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  for (let i = 0; i < 5; i++, acked++) await client.send("T", `m${acked}`.padEnd(1_000, "."));
  // Taken with the power: the first broker lives on beside it, and syncs again.
  const promised = ackedAtSync;
  const after = await MemoryBroker.start({ store }, storage.afterPowerLoss());
  const reader = after.connect();
  const kept: string[] = [];
  for (let code = 0; code === 0; ) {
    const answer = await reader.pull("G", "T", 0, kept.length, { subscription: "*" });
    code = answer.code;
    if (code === 0) kept.push(...messagesOf(answer).map(({ body }) => body.replaceAll(".", "")));
  }
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `m${i}`));
  expect(kept.length).toBeGreaterThanOrEqual(promised);
  expect(promised).toBeGreaterThan(10);
  // And it is loss of power that takes them: a killed process has them all.
  const killed = await MemoryBroker.start({ store }, storage.inner);
  const last = await killed.connect().pull("G", "T", 0, acked - 1, { subscription: "*" });
  expect(messagesOf(last)).toHaveLength(1);
  for (const one of [after, killed]) await one.stop();
});
