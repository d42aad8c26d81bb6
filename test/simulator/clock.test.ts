import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { startBroker } from "../../src/wasmq.ts";
import { messagesOf, RemotingClient } from "../lib/remoting-client.ts";
import { Loop } from "./loop.ts";
import { VirtualLine } from "./network.ts";
import { entropyOf, VirtualClock, VirtualScheduler } from "./ports.ts";
import { Random } from "./random.ts";
import { Tally } from "./tally.ts";

/** A broker on a virtual clock, and how a client gets to it; `start` again is another life of the same host. */
async function make() {
  const loop = new Loop();
  const random = new Random(1);
  const clock = new VirtualClock(loop);
  const storage = new MemoryLogStorage();
  const coreModule = await loadCoreModule();
  const schedulers: VirtualScheduler[] = [];
  const start = () => {
    // The life before has nothing to say any more.
    for (const before of schedulers) before.isDead = true;
    schedulers.push(new VirtualScheduler(loop, clock, random, new Tally()));
    return loop.outcome(
      startBroker(
        {
          storage,
          clock,
          scheduler: schedulers.at(-1)!,
          entropy: entropyOf(random),
          telemetry: silentTelemetry,
          coreModule,
        },
        {
          brokerName: "broker-a",
          clusterName: "DefaultCluster",
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress: () => "127.0.0.1:10911",
          messageDelayLevel: "10s",
        },
      ),
    );
  };
  const broker = await start();
  let line!: VirtualLine;
  const client = new RemotingClient((events) => {
    line = new VirtualLine(loop, random, events, { port: 1, isCut: false });
    line.takenBy(broker);
    return line.wire;
  });
  return { loop, clock, start, client, line };
}

test("a clock that is set back holds no delayed message for longer than twice its level", async () => {
  const { loop, clock, client } = await make();
  const send = (body: string) => loop.outcome(client.send("T", body, { properties: { DELAY: "1" } }));
  const delivered = async () => messagesOf(await loop.outcome(client.pull("G", "T", 0, 0, { subscription: "*" })));
  await send("before");
  clock.aheadMs -= 3_600_000;
  await loop.run(1_000);
  await send("after");
  await loop.run(8_000);
  expect(await delivered(), "not before its time").toEqual([]);
  // A wake may be late by five seconds.
  await loop.run(7_000);
  expect((await delivered()).map(({ body }) => body)).toEqual(["before"]);
  await loop.run(15_000);
  expect((await delivered()).map(({ body }) => body)).toEqual(["before", "after"]);
});

test("a clock that is set back while the broker's memory is gone holds no pull for longer than it asked", async () => {
  const { loop, clock, start, client, line } = await make();
  await loop.outcome(client.send("T", "one"));
  let answer: number | undefined;
  void client.pull("G", "T", 0, 1, { subscription: "*", suspendMs: 15_000 }).then(({ code }) => {
    answer = code;
  });
  await loop.run(5_000);
  line.forgotten();
  clock.aheadMs -= 3_600_000;
  line.takenBy(await start());
  await loop.run(5_000);
  expect(answer, "it waits still").toBeUndefined();
  // What it waited before can't be known any more; a wake may be late by five seconds.
  await loop.run(15_001);
  expect(answer).toBe(19);
});
