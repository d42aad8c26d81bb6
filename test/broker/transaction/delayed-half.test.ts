/** Half messages that are to be delivered later: wasmq takes none, and an Apache broker may leave some in its store. */
import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { clock } from "../../../src/hosts/memory/clock.ts";
import { entropy } from "../../../src/hosts/memory/entropy.ts";
import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import { TimerScheduler } from "../../../src/hosts/memory/scheduler.ts";
import { silentTelemetry } from "../../../src/ports/telemetry.ts";
import { encodeUtf8 } from "../../../src/ports/text.ts";
import { DueQueue } from "../../../src/store/due-queue.ts";
import { defaultStoreOptions } from "../../../src/store/options.ts";
import { Store } from "../../../src/store/store.ts";
import { MemoryBroker } from "../../lib/memory-broker.ts";
import { messagesOf, succeeded } from "../../lib/remoting-client.ts";

const halfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
const host = Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f);

test.each([
  ["TIMER_DELAY_MS", "1500", "rmq_sys_wheel_timer", 0],
  ["DELAY", "1", "SCHEDULE_TOPIC_XXXX", 0],
])("a half message with %s waits from its commit on", async (name, value, waitsIn, waitsInQueue) => {
  const { storage, physicalOffset } = await storeWithHalf({ [name]: value });
  const broker = await MemoryBroker.start({ rules: { timerPrecisionMs: 100 } }, storage);
  const client = broker.connect();
  await client.send("T", "other", { queueId: 1 });
  const before = Date.now();
  const end = { producerGroup: "PG", tranStateTableOffset: "0", commitLogOffset: String(physicalOffset) };
  succeeded(await client.request(37, { ...end, commitOrRollback: "8", fromTransactionCheck: "false", msgId: "m" }));
  const [waiting] = messagesOf(await client.pull("Any", waitsIn, waitsInQueue, 0, { subscription: "*" }));
  expect(waiting).toMatchObject({ body: "half", sysFlag: 8, preparedTransactionOffset: physicalOffset });
  expect(waiting!.properties).toMatchObject({ REAL_TOPIC: "T", REAL_QID: "0", [name]: value, own: "value" });
  expect(waiting!.properties).not.toHaveProperty("TRAN_MSG");
  const [came] = messagesOf(await client.pull("Any", "T", 0, 0, { suspendMs: 15_000, subscription: "*" }));
  expect(came).toMatchObject({ topic: "T", queueId: 0, body: "half", properties: { own: "value" } });
  expect(came!.storeTimestamp - before).toBeGreaterThanOrEqual(900);
  await broker.stop();
});

/** As SendMessageProcessor of an Apache broker stores it. */
async function storeWithHalf(
  more: Record<string, string>,
): Promise<{ storage: MemoryLogStorage; physicalOffset: number }> {
  const storage = new MemoryLogStorage();
  const scheduler = new TimerScheduler();
  const ports = { storage, clock, scheduler, entropy, telemetry: silentTelemetry, coreModule: await loadCoreModule() };
  const store = new Store(ports, defaultStoreOptions, new DueQueue(clock, scheduler));
  await store.open();
  const properties = {
    ...{ UNIQ_KEY: "m", TRAN_MSG: "true", PGROUP: "PG", REAL_TOPIC: "T", REAL_QID: "0", own: "value" },
    ...more,
  };
  const message = {
    ...{ topic: halfTopic, topicBytes: encodeUtf8(halfTopic), flag: 0, sysFlag: 0, bornTimestamp: Date.now() },
    ...{ bornHost: host, storeHost: host, reconsumeTimes: 0, preparedTransactionOffset: 0, batch: false },
    body: encodeUtf8("half"),
    properties: Object.entries(properties)
      .map(([name, value]) => `${name}\u0001${value}\u0002`)
      .join(""),
  };
  const physicalOffset = await new Promise<number>((resolve, failed) => {
    store.append(message, 0, { stored: (stored) => resolve(stored.physicalOffset), failed });
  });
  await store.close();
  scheduler.stop();
  return { storage, physicalOffset };
}
