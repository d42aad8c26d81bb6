import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { type InProcessClient, json, messagesOf, succeeded } from "../lib/in-process-client.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";

let broker: MemoryBroker;
let client: InProcessClient;

beforeEach(async () => {
  broker = await MemoryBroker.start({ messageDelayLevel: "1s 1s 1s 1s" });
  client = broker.connect();
});

afterEach(() => broker.stop());

describe("names of topics", () => {
  test.each(["%DLQ%/../../x", "%RETRY%..", "../x", ""])("%j is no name, whatever it is made after", async (topic) => {
    for (const c of ["TBW102", "nope"]) {
      const header = { a: "PG", b: topic, c, d: "4", e: "0", f: "0", g: "0", h: "0" };
      expect(await client.request(310, header)).toMatchObject({ code: 29 });
    }
    expect([...broker.storage.files.keys()].filter((file) => file.includes(".."))).toEqual([]);
  });
});

test("a topic whose queues would hold whole batches takes no messages", async () => {
  await client.send("T", "m");
  await broker.stop();
  const { files } = broker.storage;
  const [name] = [...files.keys()].filter((file) => file === "config/topics.json");
  const bytes = new Uint8Array(1_000_000);
  const length = broker.storage.readNow(name!, 0, bytes);
  const topics = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length)));
  topics.topicConfigTable.T.attributes = { "queue.type": "BatchCQ" };
  const changed = new TextEncoder().encode(JSON.stringify(topics));
  broker.storage.delete(name!);
  broker.storage.create(name!, changed.length);
  broker.storage.write([{ file: name!, at: 0, bytes: changed }]);
  await broker.start();
  expect(await broker.connect().trySend("T", "m")).toMatchObject({
    code: 13,
    remark: expect.stringContaining("BatchCQ"),
  });
});

test("names that every JavaScript object has are names like others", async () => {
  await client.send("__proto__", "m");
  await client.send("constructor", "m");
  const other = await MemoryBroker.start({ brokerName: "__proto__", clusterName: "constructor" });
  const cluster = new TextDecoder().decode((await other.connect().request(106)).body);
  expect(cluster).toMatch(/"brokerAddrTable":\{"__proto__":\{.*"clusterAddrTable":\{"constructor":\["__proto__"\]\}/);
  await other.stop();
  const after = await MemoryBroker.start({}, copyOf(broker.storage));
  for (const topic of ["__proto__", "constructor"]) succeeded(await after.connect().request(105, { topic }));
  await after.stop();
});

describe("a new topic", () => {
  test("is there after a crash at the moment of its first answer", async () => {
    await client.send("T", "m", { queueId: 2 });
    const after = await MemoryBroker.start({}, copyOf(broker.storage));
    succeeded(await after.connect().request(105, { topic: "T" }));
    const answer = await after.connect().pull("G", "T", 2, 0, { subscription: "*" });
    expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m"]);
    await after.stop();
  });

  test("whose first message was delayed gets it after a crash at the moment of its answer", async () => {
    await client.send("T", "m", { properties: { DELAY: "1" } });
    const after = await MemoryBroker.start({ messageDelayLevel: "1s 1s 1s 1s" }, copyOf(broker.storage));
    const answer = await after.connect().pull("G", "T", 0, 0, { subscription: "*", suspendMs: 5_000 });
    expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m"]);
    await after.stop();
  });

  test("of retries is there after a crash at the moment a message sent back is answered", async () => {
    await client.send("T", "m");
    await client.consume("G", { T: "*" });
    const back = { group: "G", offset: "0", delayLevel: "-1", originTopic: "T", unitMode: "false" };
    succeeded(await client.request(36, back));
    const after = await MemoryBroker.start({}, copyOf(broker.storage));
    succeeded(await after.connect().request(105, { topic: "%DLQ%G" }));
    await after.stop();
  });

  test("that only its queues tell of gets a config", async () => {
    await client.send("T", "m", { queueId: 2 });
    const storage = withoutTopics(broker.storage);
    const after = await MemoryBroker.start({}, storage);
    const route = json(await after.connect().request(105, { topic: "T" })) as { queueDatas: unknown[] };
    expect(route.queueDatas).toMatchObject([{ readQueueNums: 3, writeQueueNums: 3, perm: 6 }]);
    await after.stop();
  });

  test("whose config is gone gets its delayed messages all the same", async () => {
    await client.send("T", "m", { properties: { DELAY: "1" } });
    const after = await MemoryBroker.start({ messageDelayLevel: "1s 1s 1s 1s" }, withoutTopics(broker.storage));
    await vi.waitFor(
      async () => {
        const { fields } = await after.connect().request(30, { topic: "T", queueId: "0" });
        expect(fields["offset"]).toBe("1");
      },
      { timeout: 5_000 },
    );
    await after.stop();
  });

  test("that can't be kept is not promised, and is tried again", async () => {
    const storage = new WaitingStorage();
    const waiting = await MemoryBroker.start({ store: { flushDiskType: "ASYNC_FLUSH" } }, storage);
    const sender = waiting.connect();
    await sender.send("Known", "m");
    const write = storage.create.bind(storage);
    storage.create = (file, sizeBytes) =>
      file.startsWith("config/") ? Promise.reject(new Error("no space")) : write(file, sizeBytes);
    expect(await sender.trySend("T", "m")).toMatchObject({
      code: 1,
      remark: expect.stringMatching(/topics.json.*no space/),
    });
    await sender.send("Known", "m");
    storage.create = write;
    await sender.send("T", "m");
    await waiting.stop();
  });
});

function withoutTopics(storage: MemoryLogStorage): MemoryLogStorage {
  const copy = copyOf(storage);
  for (const file of [...copy.files.keys()]) if (file.startsWith("config/topics.json")) copy.files.delete(file);
  return copy;
}
