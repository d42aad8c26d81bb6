import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ackedKeys, expectAllConsumed, untilAcked } from "./acked-load.ts";
import { JavaClients } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import { type RunningBroker, removeDirectory, type StartBroker, temporaryDirectory } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 240_000;
const ackedMin = 3_000;

const known = new KnownFailing("store-exchange.test.ts");

describe.skipIf((await missingTool()) !== undefined)("one store, two brokers", () => {
  const clients: JavaClients[] = [];

  beforeAll(async () => {
    for (const version of clientVersions) clients.push(await JavaClients.of(version));
  }, setupMs);
  afterAll(async () => {
    for (const one of clients) await one.close();
  }, setupMs);

  // A broker that opens its own store is the plain restart, and Apache's is the judge of the test.
  for (const writer of brokers) {
    for (const reader of brokers) {
      const suite = `${writer.name} writes, ${reader.name} opens`;
      known.suite(suite, { atOnce: "tests", timeoutMs: testMs }, (test) => {
        test("killed under load, every acked message is consumed", async () => {
          await inTurn(async (open) => {
            const [receiver, sender] = clients as [JavaClients, JavaClients];
            const first = await open(writer.start);
            const load = sender.start(first.namesrv, "Load", { topic: "Exchange", threads: 16, "pause-ms": 0 });
            await untilAcked(load, ackedMin);
            await first.kill();
            await load.stop();
            await first.close();
            const acked = ackedKeys(load);

            const second = await open(reader.start);
            const { distinct } = await expectAllConsumed(receiver, second.namesrv, "Exchange", "AfterKill", acked);
            console.log(`${suite}, killed under load: ${acked.length} acked, ${distinct} distinct messages consumed`);

            const more = await sender.produce(second.namesrv, { topic: "Exchange", keys: "more-" });
            const all = [...acked, ...more.map((line) => `more-${line.index}`)];
            await expectAllConsumed(sender, second.namesrv, "Exchange", "AfterMore", all);
          });
        });

        test("stopped cleanly, messages and consumer offsets are kept", async () => {
          await inTurn(async (open) => {
            const first = await open(writer.start);
            const before = await Promise.all(
              clients.map(async (client) => {
                const topic = named("Kept", client.version);
                const consumed = await client.produce(first.namesrv, { topic, tags: "TagA", count: 10 });
                const consumer = client.start(first.namesrv, "Consume", { topic, group: topic });
                await consumer.untilCaughtUp(10);
                await consumer.stop();
                const waiting = await client.produce(first.namesrv, {
                  topic,
                  tags: "TagB",
                  "repeated-bytes": 10_000,
                  count: 10,
                });
                return { client, topic, consumed, waiting };
              }),
            );
            await first.stop();
            await first.close();

            const second = await open(reader.start);
            const afterwards = before.map(async ({ client, topic, consumed, waiting }) => {
              const probe = client.start(second.namesrv, "Probe", { topic, group: topic });
              await probe.finish();
              const onQueue = (lines: typeof consumed, queue: number) =>
                lines.filter((line) => line.queueId === queue).length;
              expect(probe.all("queue")).toMatchObject(
                [0, 1, 2, 3].map((queueId) => ({
                  queueId,
                  min: 0,
                  max: onQueue([...consumed, ...waiting], queueId),
                  committed: onQueue(consumed, queueId),
                })),
              );
              const later = await client.produce(second.namesrv, { topic, count: 10 });
              const sameGroup = client.start(second.namesrv, "Consume", { topic, group: topic });
              await sameGroup.untilCaughtUp(30);
              await sameGroup.stop();
              expect(contents(sameGroup.all("message"))).toEqual(contents([...waiting, ...later]));
              const newGroup = client.start(second.namesrv, "Consume", { topic, group: `${topic}-new` });
              await newGroup.untilCaughtUp(30);
              await newGroup.stop();
              expect(contents(newGroup.all("message"))).toEqual(contents([...consumed, ...waiting, ...later]));
            });
            // To the end for both clients, so that none is left talking to a broker that is being closed.
            for (const outcome of await Promise.allSettled(afterwards)) {
              if (outcome.status === "rejected") throw outcome.reason;
            }
          });
        });
      });
    }
  }
  known.checkNames();
});

type Open = (start: StartBroker) => Promise<RunningBroker>;

/** A store of its own for the time of a test, and an end for every broker the test opened on it. */
async function inTurn(body: (open: Open) => Promise<void>): Promise<void> {
  const directory = await temporaryDirectory("exchange");
  const store = path.join(directory, "store");
  await mkdir(store);
  const opened: RunningBroker[] = [];
  try {
    await body(async (start) => {
      const broker = await start({ store });
      opened.push(broker);
      return broker;
    });
  } finally {
    for (const broker of opened) await broker.close();
    await removeDirectory(directory);
  }
}

function contents(
  lines: readonly { msgId: string; queueId?: number; queueOffset?: number; bodySha256: string }[],
): string[] {
  return lines.map((line) => `${line.msgId} ${line.queueId}@${line.queueOffset} ${line.bodySha256}`).sort();
}
