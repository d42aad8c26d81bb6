import { afterAll, beforeAll, describe, expect } from "vitest";
import { ackedKeys, expectAllConsumed, untilAcked } from "./acked-load.ts";
import { startApache } from "./apache-broker.ts";
import { JavaClients } from "./java-client.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";
import { startWasmq } from "./wasmq-broker.ts";

const setupMs = 240_000;
const testMs = 300_000;

// Apache is there to show that the test asks for what a broker can hold.
const runs = [
  { broker: "Apache", start: startApache, flush: "async", kills: 2 },
  { broker: "wasmq", start: startWasmq, flush: "async", kills: 20 },
  { broker: "wasmq", start: startWasmq, flush: "sync", kills: 5 },
] as const;

const known = new KnownFailing("crash.test.ts");

describe.skipIf((await missingTool()) !== undefined)("kill -9 under load", () => {
  let sender: JavaClients;
  let receiver: JavaClients;

  beforeAll(async () => {
    sender = await JavaClients.of("5.5.0");
    receiver = await JavaClients.of("4.9.1");
  }, setupMs);
  afterAll(async () => {
    await sender?.close();
    await receiver?.close();
  }, setupMs);

  for (const { broker: brokerName, start, flush, kills } of runs) {
    known.suite(`${brokerName}, ${flush} flush`, { atOnce: "nothing", timeoutMs: testMs }, (test) => {
      test(`${kills} kills, every acked message is consumed`, async () => {
        let broker: RunningBroker | undefined;
        try {
          broker = await start({ flush });
          const topic = "Crash";
          const load = sender.start(broker.namesrv, "Load", { topic, threads: 16, "pause-ms": 0 });
          for (let kill = 0; kill < kills; kill++) {
            // Another moment each time, counted in answers so that a slow machine kills under load too.
            await untilAcked(load, 400 + ((kill * 37) % 200));
            await broker.kill();
            await broker.restart();
          }
          await untilAcked(load, 100);
          await load.stop();
          const acked = ackedKeys(load);
          expect(new Set(acked).size).toBe(acked.length);
          const { consumed, distinct } = await expectAllConsumed(receiver, broker.namesrv, topic, "AfterCrash", acked);
          console.log(
            `${brokerName}, ${flush} flush: ${kills} kills, ${acked.length} acked, ${distinct} distinct messages consumed in ${consumed} deliveries`,
          );
        } finally {
          await broker?.close();
        }
      });
    });
  }
  known.checkNames();
});
