/** Config files in turns: what Apache's own managers read of them before wasmq had the store, and after. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storeKeys } from "../../src/config/apache-keys.ts";
import { NodeLogStorage } from "../../src/hosts/node/log-storage.ts";
import { putGolden } from "../golden/golden.ts";
import { jvm } from "./apache.ts";
import { Child } from "./child.ts";
import { JavaClients } from "./java-client.ts";
import { removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { brokerPrograms, missingTool } from "./toolchain.ts";
import { startWasmq } from "./wasmq-broker.ts";

const timeoutMs = 240_000;

describe.skipIf((await missingTool()) !== undefined)("config files", () => {
  let directory: string;
  let classpath: string;

  beforeAll(async () => {
    directory = await temporaryDirectory("config");
    classpath = await brokerPrograms();
  }, timeoutMs);
  afterAll(() => removeDirectory(directory), timeoutMs);

  /** The lines that a program with Apache's classes prints for an event. */
  async function printed(
    program: string,
    event: string,
    ...args: readonly string[]
  ): Promise<Record<string, unknown>[]> {
    const lines: Record<string, unknown>[] = [];
    const home = path.join(directory, "home");
    const command = [...jvm, `-Duser.home=${home}`, "-cp", classpath, `wasmq.golden.${program}`, ...args];
    const child = new Child(program, "java", command, (line) => {
      if (line.startsWith(`{"event":"${event}",`)) lines.push(JSON.parse(line));
    });
    const end = await child.untilEnd(timeoutMs);
    if (end !== "exit 0") throw new Error(`${program} ended by ${end}\n${child.lastLines()}`);
    return lines;
  }

  async function loaded(store: string): Promise<Map<string, { readonly loads: unknown; readonly text: string }>> {
    const lines = await printed("Loaded", "loaded", store);
    // A filter of a group that is not there is dead from when it is loaded.
    const texts = lines.map(({ file, loads, text }) => {
      return [String(file), { loads, text: String(text).replaceAll(/"deadTime":\d{13}/g, '"deadTime":0') }] as const;
    });
    return new Map(texts);
  }

  test("an Apache broker finds them again after wasmq had the store", { timeout: timeoutMs }, async () => {
    const store = path.join(directory, "store");
    await mkdir(store);
    const storage = new NodeLogStorage(store);
    await putGolden(storage, "broker");
    const before = await loaded(store);
    expect([...before.values()].filter(({ loads }) => loads === true).length).toBeGreaterThanOrEqual(9);

    const broker = await startWasmq({ store });
    const client = await JavaClients.of("5.5.0");
    try {
      await client.produce(broker.namesrv, { topic: "Later", count: 4 });
      const consumer = client.start(broker.namesrv, "Consume", { topic: "Later", group: "LaterGroup" });
      await consumer.untilCaughtUp(4);
      await consumer.stop();
      await broker.stop();
    } finally {
      await broker.close();
      await client.close();
    }

    const after = await loaded(store);
    for (const file of [
      ...["consumerFilter.json", "consumerOrderInfo.json", "topicQueueMapping.json", "messageRequestMode.json"],
      "transactionMetrics",
    ]) {
      expect(after.get(file), file).toEqual(before.get(file));
    }
    const tables = (file: string) =>
      [before, after].map((all) => JSON.parse(all.get(file)!.text.replaceAll(/([{,])(\d+):/g, '$1"$2":')));
    // The message that waits in the store is due a day after the store was written: it is delivered, and counted no more.
    const [metricsBefore, metricsAfter] = tables("timermetrics");
    expect(after.get("timermetrics")!.loads).toBe(true);
    expect(metricsBefore.timingCount).toMatchObject({ GoldenDelay: { count: 1 } });
    expect(metricsAfter.timingCount).toEqual({ GoldenDelay: { count: 0, timeStamp: expect.any(Number) } });
    expect(metricsAfter.dataVersion.counter).toBeGreaterThan(metricsBefore.dataVersion.counter);
    const [topicsBefore, topicsAfter] = tables("topics.json");
    expect(after.get("topics.json")!.loads).toBe(true);
    expect(topicsAfter.topicConfigTable).toMatchObject(topicsBefore.topicConfigTable);
    expect(topicsAfter.topicConfigTable).toMatchObject({
      Later: {},
      GoldenBatch: { attributes: { "queue.type": "BatchCQ" } },
    });
    expect(topicsAfter.dataVersion.counter).toBeGreaterThan(topicsBefore.dataVersion.counter);
    const [groupsBefore, groupsAfter] = tables("subscriptionGroup.json");
    expect(groupsAfter.subscriptionGroupTable).toMatchObject(groupsBefore.subscriptionGroupTable);
    expect(groupsAfter.forbiddenTable).toEqual(groupsBefore.forbiddenTable);
    expect(groupsAfter.subscriptionGroupTable).toHaveProperty("LaterGroup");
    expect(after.get("subscriptionGroup.json")!.text).toContain('"version":1700000000123456789');
    const [offsetsBefore, offsetsAfter] = tables("consumerOffset.json");
    for (const [who, offsets] of Object.entries<Record<string, number>>(offsetsBefore.offsetTable)) {
      const isBroker = who.endsWith("@CID_RMQ_SYS_TRANS");
      // What the broker itself reads of transactions goes on.
      if (!isBroker) expect(offsetsAfter.offsetTable[who]).toMatchObject(offsets);
      for (const [queue, offset] of Object.entries(offsets)) {
        expect(offsetsAfter.offsetTable[who][queue]).toBeGreaterThanOrEqual(offset);
      }
    }
    expect(offsetsAfter.offsetTable).toHaveProperty("Later@LaterGroup");
    const [delaysBefore, delaysAfter] = tables("delayOffset.json");
    for (const [level, offset] of Object.entries(delaysBefore.offsetTable)) {
      expect(delaysAfter.offsetTable[level]).toBeGreaterThanOrEqual(offset as number);
    }
  });

  test("the settings of the store are those that Apache's MessageStoreConfig has", { timeout: timeoutMs }, async () => {
    const settings = await printed("Settings", "setting");
    const keys = settings.filter((line) => line["class"] === "MessageStoreConfig").map(({ key }) => String(key));
    expect(keys.sort()).toEqual([...storeKeys].sort());
  });
});
