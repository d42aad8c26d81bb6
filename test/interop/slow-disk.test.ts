/** The official producer while syncs take seconds: told that the broker is busy it tries again, and what it was told is kept is. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BrokerProcess } from "../faults/broker-process.ts";
import { FailingDisk, missingShim } from "../faults/disk.ts";
import { readQueue } from "../faults/ledger.ts";
import { ackedKeys, untilAcked } from "./acked-load.ts";
import { JavaClients } from "./java-client.ts";
import { missingTool } from "./toolchain.ts";

const topic = "SlowDisk";
const timeoutMs = 240_000;

test.skipIf((await missingTool()) !== undefined || missingShim() !== undefined)(
  "the official producer and syncs of seconds: busy answers are tried again, nothing acknowledged is lost",
  { timeout: timeoutMs },
  async () => {
    const disk = new FailingDisk();
    const store = join(disk.root, "store");
    mkdirSync(store);
    const start = () => BrokerProcess.start({ store, args: ["--flush", "sync"], env: disk.env });
    let broker = await start();
    const java = await JavaClients.of("5.5.0");
    try {
      const load = java.start(`127.0.0.1:${broker.namesrvPort}`, "Load", { topic, threads: 16, "pause-ms": 0 });
      await untilAcked(load, 200);
      disk.fails({ on: "sync", path: "commitlog", delayMs: 2_500 });
      const tried = /sendKernelImpl exception, resend at once.*\n?.*\[PC_SYNCHRONIZED\]broker busy/;
      await expect.poll(() => load.log(), { timeout: 60_000, interval: 200 }).toMatch(tried);
      disk.fails();
      await untilAcked(load, 200);
      await broker.kill();
      await load.kill();
      const acked = ackedKeys(load);

      broker = await start();
      const client = await broker.connect();
      const kept = new Set<string>();
      for (let queueId = 0; queueId < 4; queueId++) {
        for (const body of await readQueue(client, topic, queueId)) kept.add(body.split(" ")[0]!);
      }
      expect(acked.length).toBeGreaterThan(400);
      expect(acked.filter((key) => !kept.has(key))).toEqual([]);
    } finally {
      await java.close();
      await broker.kill();
      disk.remove();
    }
  },
);
