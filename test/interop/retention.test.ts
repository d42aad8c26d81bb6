/** A store of which one broker has deleted what was expired, in that broker's hands and then in the other's. */
import { mkdir, readdir, utimes } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { JavaClients } from "./java-client.ts";
import { brokers } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import { type RunningBroker, removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 300_000;

/** Apache looks for the first time a minute after its start. */
const cleanedMs = 100_000;

const topic = "Expiring";
const group = "Behind";
const queues = 4;

const conf = [
  "mappedFileSizeCommitLog=1048576",
  "mappedFileSizeConsumeQueue=2000",
  "fileReservedTime=1",
  `deleteWhen=${Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0")).join(";")}`,
  "cleanResourceInterval=500",
  "",
].join("\n");

type Judged = (typeof brokers)[number];

const known = new KnownFailing("retention.test.ts");

describe.skipIf((await missingTool()) !== undefined)("expired files", () => {
  let client: JavaClients;

  beforeAll(async () => {
    client = await JavaClients.of("5.5.0");
  }, setupMs);
  afterAll(() => client?.close(), setupMs);

  // Apache's first look is what takes its time: one at once with the others.
  const [apache, wasmq] = brokers as [Judged, Judged];
  const cases = [
    { cleaner: wasmq, opener: apache, how: "stopped" },
    { cleaner: wasmq, opener: apache, how: "killed" },
    { cleaner: apache, opener: wasmq, how: "stopped" },
  ] as const;
  known.suite("deleted by one broker", { atOnce: "tests", timeoutMs: testMs }, (test) => {
    for (const { cleaner, opener, how } of cases) {
      const name = `${cleaner.name}, ${how}; ${opener.name} opens the store, and who was behind goes on from the minimum at both`;
      test(name, async () => {
        const directory = await temporaryDirectory("retention");
        const store = path.join(directory, "store");
        await mkdir(store);
        const opened: RunningBroker[] = [];
        try {
          const first = await cleaner.start({ store, conf });
          opened.push(first);
          await client.produce(first.namesrv, { topic, count: 40 });
          const early = client.start(first.namesrv, "Consume", { topic, group, brief: "true" });
          await early.untilCaughtUp(40);
          await early.stop();
          // On a busy machine Apache refuses one now and then: what is stored counts.
          await client.start(first.namesrv, "Produce", { topic, count: 3_600, "random-bytes": 1_000 }).finish();

          const log = path.join(store, "commitlog");
          const names = (await readdir(log)).sort();
          expect(names.length).toBeGreaterThan(3);
          const longAgo = Date.now() / 1_000 - 2 * 3_600;
          // All but that which is written, and Apache's next one.
          for (const name of names.slice(0, -2)) await utimes(path.join(log, name), longAgo, longAgo);
          await untilGone(log, names.at(-3)!);
          for (let queueId = 0; queueId < queues; queueId++) {
            await untilGone(path.join(store, "consumequeue", topic, String(queueId)), "0".repeat(20));
          }
          const { kept, ends } = await rangeOf(client, first);
          expect(kept).toBeLessThan(ends);
          await expectFromMinimum(client, first, group, kept, ends);
          await (how === "stopped" ? first.stop() : first.kill());
          await first.close();

          const second = await opener.start({
            store,
            conf: conf.replace("fileReservedTime=1", "fileReservedTime=72"),
          });
          opened.push(second);
          expect(await rangeOf(client, second)).toEqual({ kept, ends });
          await expectFromMinimum(client, second, "New", kept, ends);
          await client.produce(second.namesrv, { topic, count: 40 });
          const again = await rangeOf(client, second);
          expect(again).toEqual({ kept: kept + 40, ends: ends + 40 });
          await expectFromMinimum(client, second, "Newer", again.kept, again.ends);
        } finally {
          for (const broker of opened) await broker.close();
          await removeDirectory(directory);
        }
      });
    }
  });
  known.checkNames();
});

async function untilGone(folder: string, name: string): Promise<void> {
  const deadline = performance.now() + cleanedMs;
  while ((await readdir(folder)).includes(name)) {
    if (performance.now() > deadline) throw new Error(`${path.join(folder, name)} is not deleted`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** How many messages the queues hold, and the sum of their ends. */
async function rangeOf(client: JavaClients, { namesrv }: RunningBroker): Promise<{ kept: number; ends: number }> {
  const probe = client.start(namesrv, "Probe", { topic, "ends-only": "true" });
  await probe.finish();
  const lines = probe.all("queue");
  expect(lines.length).toBe(queues);
  return {
    kept: lines.reduce((sum, { min, max }) => sum + max - min, 0),
    ends: lines.reduce((sum, { max }) => sum + max, 0),
  };
}

/** A push consumer of the group gets all that is kept. */
async function expectFromMinimum(
  client: JavaClients,
  { namesrv }: RunningBroker,
  consumerGroup: string,
  kept: number,
  ends: number,
): Promise<void> {
  const consumer = client.start(namesrv, "Consume", { topic, group: consumerGroup, brief: "true" });
  await consumer.untilCaughtUp(ends);
  await consumer.stop();
  const places = new Set(consumer.all("message").map(({ queueId, queueOffset }) => `${queueId}@${queueOffset}`));
  expect(places.size).toBe(kept);
}
