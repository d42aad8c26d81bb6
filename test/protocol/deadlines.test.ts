/** What a broker waits for, by a clock that the test moves: locks that nobody renews, clients that do not answer. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { entropy } from "../../src/hosts/memory/entropy.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { type RunningBroker, startBroker } from "../../src/wasmq.ts";
import { InProcessClient } from "../lib/in-process-client.ts";
import { type Answer, json, requestFrame, succeeded } from "../lib/remoting-client.ts";
import { VirtualTime } from "../lib/virtual-time.ts";

const startMs = Date.UTC(2026, 0, 1);

let time: VirtualTime;
let broker: RunningBroker;

beforeEach(async () => {
  time = new VirtualTime(startMs);
  broker = await startBroker(
    {
      storage: new MemoryLogStorage(),
      clock: time.clock,
      scheduler: time.scheduler,
      entropy,
      telemetry: silentTelemetry,
      coreModule: await loadCoreModule(),
    },
    {
      brokerName: "broker-a",
      clusterName: "DefaultCluster",
      storeHost: { address: "127.0.0.1", port: 10911 },
      brokerAddress: () => "127.0.0.1:10911",
      store: { maxHashSlotNum: 500, maxIndexNum: 2_000 },
    },
  );
});

afterEach(() => broker.stop());

test("a lock is held while it is renewed, and anybody's 60 s after that", async () => {
  const client = new InProcessClient(broker);
  await client.send("T", "m");
  const queues = [0, 1].map((queueId) => ({ brokerName: "broker-a", queueId, topic: "T" }));
  const lock = async (clientId: string, mqSet: object[], code = 41) => {
    const answer = succeeded(await client.request(code, {}, { clientId, consumerGroup: "G", mqSet }));
    return code === 41
      ? (json(answer) as { lockOKMQSet: { queueId: number }[] }).lockOKMQSet.map((q) => q.queueId)
      : [];
  };
  expect(await lock("one", queues)).toEqual([0, 1]);
  await time.pass(40_000);
  expect(await lock("one", queues.slice(0, 1)), "one renews the first alone").toEqual([0]);
  await time.pass(20_000);
  expect(await lock("two", queues), "60 s are not over for either").toEqual([]);
  await time.pass(1);
  expect(await lock("two", queues)).toEqual([1]);
  expect(await lock("one", queues)).toEqual([0]);
  await lock("two", queues, 42);
  expect(await lock("three", queues), "two gave back its own").toEqual([1]);
});

test("whose client holds no lock may retry; whose does has its messages among the dead letters, until the lock expires", async () => {
  const client = new InProcessClient(broker);
  await client.send("T", "m");
  const mqSet = [{ brokerName: "broker-a", queueId: 0, topic: "T" }];
  await client.request(41, {}, { clientId: "one", consumerGroup: "G", mqSet });
  await client.send("%RETRY%G", "locked", { reconsumeTimes: 1 });
  const ends = async () =>
    Promise.all(
      ["%RETRY%G", "%DLQ%G"].map(async (topic) => (await client.request(30, { topic, queueId: "0" })).fields["offset"]),
    );
  expect(await ends()).toEqual(["0", "1"]);
  await time.pass(60_001);
  await client.send("%RETRY%G", "free", { reconsumeTimes: 1 });
  expect(await ends()).toEqual(["1", "1"]);
});

test("a client that does not answer for 10 s does not have the reply; others wait for nothing meanwhile", async () => {
  const [silent, quick, replier] = [0, 1, 2].map(() => new InProcessClient(broker)) as [
    InProcessClient,
    InProcessClient,
    InProcessClient,
  ];
  for (const [client, clientID] of [
    [silent, "silent"],
    [quick, "quick"],
  ] as const) {
    await client.request(34, {}, { clientID, consumerDataSet: [], producerDataSet: [{ groupName: "PG" }] });
  }
  const answers: Answer[] = [];
  const reply = (to: string) => {
    const fields = {
      a: "Repliers",
      b: "DefaultCluster_REPLY_TOPIC",
      c: "TBW102",
      d: "4",
      e: "0",
      f: "0",
      g: "0",
      h: "0",
    };
    const properties = `REPLY_TO_CLIENT\u0001${to}\u0002`;
    void replier
      .request(325, { ...fields, i: properties, j: "0", k: "false", m: "false" }, new TextEncoder().encode(to))
      .then((answer) => answers.push(answer));
  };
  reply("silent");
  reply("quick");
  await time.pass(0);
  quick.push(requestFrame(0, quick.notifications[0]!.opaque, 1));
  await time.pass(9_999);
  expect(answers.map(({ code }) => code)).toEqual([0]);
  await time.pass(1);
  expect(answers[1]).toMatchObject({ code: 1, remark: "push reply message to silentfail." });
  // An answer that comes too late is to nothing.
  silent.push(requestFrame(0, silent.notifications[0]!.opaque, 1));
  await time.pass(1_000);
  expect(answers).toHaveLength(2);
});
