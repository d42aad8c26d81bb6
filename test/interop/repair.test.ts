/** A store that was damaged and repaired: every intact message comes from an Apache broker on it, and from wasmq. */
import { execFile } from "node:child_process";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { CheckReport } from "../../src/ports/check.ts";
import { startApache } from "./apache-broker.ts";
import { JavaClients } from "./java-client.ts";
import { type RunningBroker, removeDirectory, type StartBroker, temporaryDirectory } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";
import { startWasmq } from "./wasmq-broker.ts";

const run = promisify(execFile);
const timeoutMs = 240_000;
const main = path.join(import.meta.dirname, "../../dist/cli/main.js");
const topic = "Repaired";

/** One run of the command; its report, whatever its exit code is. */
async function check(...args: readonly string[]): Promise<{ code: number; report: CheckReport }> {
  const { stdout, code = 0 } = await run(process.execPath, [main, "check", "--json", ...args]).catch((error) => error);
  const { after, ...report } = JSON.parse(stdout);
  return { code, report: after ?? report };
}

async function flip(file: string, at: number): Promise<void> {
  const opened = await open(file, "r+");
  const { buffer } = await opened.read(Buffer.alloc(1), 0, 1, at);
  buffer[0]! ^= 0x08;
  await opened.write(buffer, 0, 1, at);
  await opened.close();
}

describe.skipIf((await missingTool()) !== undefined)("a store that was repaired", () => {
  let client: JavaClients;
  let directory: string;
  const opened: RunningBroker[] = [];

  beforeAll(async () => {
    client = await JavaClients.of("5.5.0");
  }, timeoutMs);
  afterAll(() => client?.close(), timeoutMs);
  afterEach(async () => {
    for (const broker of opened.splice(0)) await broker.close();
    await removeDirectory(directory);
  }, timeoutMs);

  const start = async (broker: StartBroker, store: string): Promise<RunningBroker> => {
    const running = await broker({ store });
    opened.push(running);
    return running;
  };

  test("gives every intact message, from Apache's broker and from wasmq", { timeout: timeoutMs }, async () => {
    directory = await temporaryDirectory("repair");
    const store = path.join(directory, "store");
    const first = await start(startWasmq, store);
    const sent = await client.produce(first.namesrv, { topic, tags: "TagA", keys: "k-", count: 400 });
    await first.stop();

    const sound = await check(store);
    expect(sound).toMatchObject({ code: 0, report: { findings: [] } });
    const log = path.join(store, "commitlog", "0".repeat(20));
    const end = sound.report.log.to;
    for (const share of [0.1, 0.4, 0.401, 0.7, 0.95]) await flip(log, Math.floor(end * share));
    // The last message too, units of two queues, and another queue's file: of a message without record and unit nothing would be known.
    await flip(log, end - 30);
    const queue = (number: number): string =>
      path.join(store, "consumequeue", topic, String((sent.at(-1)!.queueId! + number) % 4), "0".repeat(20));
    await flip(queue(1), 17 * 20 + 5);
    await flip(queue(2), 23 * 20 + 18);
    await rm(queue(3));

    const damaged = await check(store);
    expect(damaged.code).toBe(2);
    const ranges = damaged.report.damaged;
    expect(ranges.length).toBeGreaterThanOrEqual(4);
    const repaired = await check(store, "--repair");
    expect(repaired.report.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    expect(repaired.code).toBe(0);
    const gaps = new Set(
      repaired.report.findings.flatMap(({ code, queueId, queueOffset, count = 1 }) =>
        code === "QUEUE_GAP" ? Array.from({ length: count }, (_, i) => `${queueId}/${queueOffset! + i}`) : [],
      ),
    );
    const place = (line: { queueId?: number; queueOffset?: number }): string => `${line.queueId}/${line.queueOffset}`;
    const intact = sent.filter((line) => !gaps.has(place(line)));
    // A record each, and two neighbours where a range spans them.
    expect(sent.length - intact.length).toBeLessThanOrEqual(2 * ranges.length);

    const copy = path.join(directory, "apache");
    await run("cp", ["-r", "--sparse=always", store, copy]);
    for (const [broker, on] of [
      [startApache, copy],
      [startWasmq, store],
    ] as const) {
      const running = await start(broker, on);
      const consumer = client.start(running.namesrv, "Consume", { topic, group: "AfterRepair" });
      await consumer.untilCaughtUp(sent.length);
      await consumer.stop();
      const lines = consumer.all("message");
      const found = new Map(lines.map((line) => [line.msgId, line.bodySha256]));
      const missing = intact.filter(({ msgId, bodySha256 }) => found.get(msgId) !== bodySha256);
      expect(missing, `${missing.length} of ${intact.length} intact messages`).toEqual([]);
      // And nothing else: no filler, no message that was damaged.
      expect(new Set(lines.map(place))).toEqual(new Set(intact.map(place)));

      const more = await client.produce(running.namesrv, { topic, keys: "more-", count: 8 });
      const again = client.start(running.namesrv, "Consume", { topic, group: "AfterRepair" });
      await again.untilCaughtUp(sent.length + more.length);
      await again.stop();
      expect(new Set(again.all("message").map(({ msgId }) => msgId))).toEqual(new Set(more.map(({ msgId }) => msgId)));
      await running.stop();
    }
    expect((await check(store)).code).toBe(0);
    // What Apache has written since has no __CRC32#.
    const later = await check(copy);
    expect(later.report.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    expect(later.report.uncovered.records).toBeGreaterThanOrEqual(8);
  });
});
