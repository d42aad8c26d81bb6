/** What a broker makes of config files whose JSON is whole: of another version, doubtful, or about a store that lost its end. */
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WasmqError } from "../../src/ports/error.ts";
import { goldenFile, putGolden } from "../golden/golden.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { bodyOf } from "../lib/memory-name-server.ts";
import { messagesOf } from "../lib/remoting-client.ts";

vi.setConfig({ testTimeout: 60_000 });

const started: MemoryBroker[] = [];

afterEach(async () => {
  for (const broker of started.splice(0)) await broker.stop();
});

async function start(storage = new MemoryLogStorage()): Promise<MemoryBroker> {
  const broker = await MemoryBroker.start({}, storage);
  started.push(broker);
  return broker;
}

/** As Apache writes it: without a checksum. */
function put(storage: MemoryLogStorage, name: string, value: unknown): void {
  const file = `config/${name}`;
  const bytes = new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value, null, "\t"));
  storage.delete(file);
  storage.create(file, bytes.length);
  storage.write([{ file, at: 0, bytes }]);
}

function read(storage: MemoryLogStorage, name: string) {
  const bytes = new Uint8Array(200_000);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(0, storage.readNow(`config/${name}`, 0, bytes))));
}

async function offsetOf(broker: MemoryBroker): Promise<string | undefined> {
  return (await broker.connect().request(14, { consumerGroup: "G", topic: "T", queueId: "0" })).fields["offset"];
}

const offsets = (offset: number) => ({
  dataVersion: { counter: 3, stateVersion: 0, timestamp: 1_700_000_000_000 },
  offsetTable: { "T@G": { 0: offset }, "B@G": { 0: 7 } },
});

describe("offsets behind the end of their queue", () => {
  async function withThreeMessages(): Promise<MemoryLogStorage> {
    const broker = await MemoryBroker.start();
    const client = broker.connect();
    for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
    await broker.stop();
    return broker.storage;
  }

  test("are set to it: what comes to stand there is read", async () => {
    const storage = await withThreeMessages();
    put(storage, "consumerOffset.json", offsets(900));
    const broker = await start(storage);
    expect(await offsetOf(broker)).toBe("3");
    expect(broker.logged).toContain(
      "warn: offsets of consumers were behind the ends of their queues: they are set to the ends",
    );
    await broker.stop();
    // Of a queue that is not known here (of inner batches, say) nothing is known.
    expect(read(storage, "consumerOffset.json").offsetTable).toEqual({ "T@G": { 0: 3 }, "B@G": { 0: 7 } });
  });

  test("of a queue that lost all, too; and what comes is passed over by nobody, however long it has been there", async () => {
    const storage = await withThreeMessages();
    for (const name of storage.files.keys()) if (/^(commitlog|consumequeue)\//.test(name)) storage.delete(name);
    put(storage, "consumerOffset.json", offsets(3));
    const broker = await start(storage);
    expect(await offsetOf(broker)).toBe("0");
    const client = broker.connect();
    await client.consume("G", { T: "*" });
    await client.send("T", "m3");
    // One that was there before says where it has been.
    const pulled = await client.pull("G", "T", 0, 3, { commit: 3 });
    expect(pulled).toMatchObject({ code: 21, fields: { nextBeginOffset: "0", maxOffset: "1" } });
    expect(await offsetOf(broker)).toBe("0");
    const found = await client.pull("G", "T", 0, 0, { subscription: "*" });
    expect(messagesOf(found).map(({ body }) => body)).toEqual(["m3"]);
    await client.pull("G", "T", 0, 1, { commit: 1 });
    expect(await offsetOf(broker)).toBe("1");
    // Where no end was lost, Apache's answer.
    await client.send("U", "m0");
    expect(await client.pull("G", "U", 0, 9, { subscription: "*" })).toMatchObject({
      ...{ code: 21, fields: { nextBeginOffset: "1" } },
    });
    await broker.stop();
  });

  test("give way to the version before, if that has none", async () => {
    const storage = await withThreeMessages();
    put(storage, "consumerOffset.json", offsets(900));
    put(storage, "consumerOffset.json.bak", offsets(2));
    const broker = await start(storage);
    expect(await offsetOf(broker)).toBe("2");
    expect(broker.logged).toContain("warn: a config file can't be used: the version before it is used");
  });

  test("at its end they are right", async () => {
    const storage = await withThreeMessages();
    put(storage, "consumerOffset.json", offsets(3));
    put(storage, "consumerOffset.json.bak", offsets(2));
    const broker = await start(storage);
    expect(await offsetOf(broker)).toBe("3");
    expect(broker.logged.filter((line) => line.startsWith("warn"))).toEqual([]);
  });
});

const topic = (topicName: string, more: object = {}) => ({
  ...{ attributes: {}, order: false, perm: 6, readQueueNums: 4, topicFilterType: "SINGLE_TAG" },
  ...{ topicName, topicSysFlag: 0, writeQueueNums: 4, ...more },
});

describe("topics.json", () => {
  test.each([
    ["named otherwise than where it stands", topic("U")],
    ["of no filter type", topic("T", { topicFilterType: "SINGLE_TAC" })],
    ["of no permission", topic("T", { perm: 134 })],
    ["of half a queue", topic("T", { readQueueNums: 4.5 })],
    ["that is none", 17],
  ])("a topic %s: the version before is used", async (_what, doubtful) => {
    const storage = new MemoryLogStorage();
    put(storage, "topics.json", { topicConfigTable: { T: doubtful } });
    put(storage, "topics.json.bak", { topicConfigTable: { T: topic("T", { readQueueNums: 2, writeQueueNums: 2 }) } });
    const broker = await start(storage);
    const route = bodyOf(await broker.connect().request(105, { topic: "T" }));
    expect(route.queueDatas).toMatchObject([{ readQueueNums: 2, writeQueueNums: 2 }]);
    expect(broker.logged).toContain("warn: a config file can't be used: the version before it is used");
  });

  test("with no other version, what can be read of it is", async () => {
    const storage = new MemoryLogStorage();
    put(storage, "topics.json", { topicConfigTable: { T: topic("T", { perm: 134 }), U: topic("U") } });
    const broker = await start(storage);
    expect(bodyOf(await broker.connect().request(105, { topic: "U" })).queueDatas).toHaveLength(1);
    expect(broker.logged).toContain("warn: a config file is doubtful, and no version before it is better: it is used");
  });

  test("without its table it is none", async () => {
    const storage = new MemoryLogStorage();
    put(storage, "topics.json", { topicConfigTabel: {} });
    await expect(MemoryBroker.start({}, storage)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  });

  test("what is not known here is written again as it came", async () => {
    const storage = new MemoryLogStorage();
    const strange = topic("T", { attributes: { "lite.topic.expiration": "30" }, later: { a: [1] } });
    put(storage, "topics.json", { topicConfigTable: { T: strange, "no topic?": topic("no topic?") }, added: { b: 2 } });
    const broker = await start(storage);
    await broker.connect().send("New", "hello");
    await broker.stop();
    const { topicConfigTable, added } = read(storage, "topics.json");
    expect(topicConfigTable["T"]).toEqual(strange);
    expect(topicConfigTable["no topic?"]).toEqual(topic("no topic?"));
    expect(topicConfigTable["New"]).toBeDefined();
    expect(added).toEqual({ b: 2 });
  });
});

test("subscriptionGroup.json and delayOffset.json: what is not known here is written again as it came", async () => {
  const storage = new MemoryLogStorage();
  put(
    storage,
    "subscriptionGroup.json",
    '{"subscriptionGroupTable":{"G":{"groupName":"G","attributes":{"lite.sub.model":"x"},"subscriptionDataSet":[{"version":1700000000123456789}]}},"forbiddenTable":{"G":{"T":2}},"added":1}',
  );
  put(storage, "delayOffset.json", '{"offsetTable":{1:0,40:7},"added":{"c":3}}');
  const broker = await MemoryBroker.start({ messageDelayLevel: "1s" }, storage);
  started.push(broker);
  const client = broker.connect();
  await client.consume("H", { T: "*" });
  await client.send("T", "hello", { properties: { DELAY: "1" } });
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  await broker.stop();
  const groups = read(storage, "subscriptionGroup.json");
  expect(groups).toMatchObject({ forbiddenTable: { G: { T: 2 } }, added: 1 });
  expect(groups.subscriptionGroupTable).toMatchObject({ G: { attributes: { "lite.sub.model": "x" } }, H: {} });
  const bytes = new Uint8Array(100_000);
  const text = new TextDecoder().decode(bytes.subarray(0, storage.readNow("config/subscriptionGroup.json", 0, bytes)));
  expect(text).toContain('"version":1700000000123456789');
  expect(read(storage, "delayOffset.json")).toMatchObject({ offsetTable: { 1: 1, 40: 7 }, added: { c: 3 } });
});

test("offsets that Apache kept with those of light queues (enableLmq) are gone by, and left to it", async () => {
  const storage = new MemoryLogStorage();
  const lmq = { ...offsets(0), lmqOffsetTable: { "%LMQ%q@%LMQ%g": 7 } };
  put(storage, "lmqConsumerOffset.json", { ...lmq, offsetTable: { "T@G": { 0: 5 } } });
  const before = read(storage, "lmqConsumerOffset.json");
  const broker = await start(storage);
  expect(await offsetOf(broker)).toBe("5");
  const client = broker.connect();
  await client.consume("G", { U: "*" });
  await client.send("U", "hello");
  expect((await client.request(15, { consumerGroup: "G", topic: "U", queueId: "0", commitOffset: "1" })).code).toBe(0);
  await broker.stop();
  expect(read(storage, "lmqConsumerOffset.json")).toEqual(before);
  expect(read(storage, "consumerOffset.json").offsetTable).toEqual({ "T@G": { 0: 5 }, "U@G": { 0: 1 } });
  expect(read(storage, "consumerOffset.json")).not.toHaveProperty("lmqOffsetTable");
});

test("values that make no sense: a broker starts and serves, or says what it can't read", async () => {
  const whole = new MemoryLogStorage();
  await putGolden(whole, "broker");
  const names = ["topics.json", "subscriptionGroup.json", "consumerOffset.json", "delayOffset.json"];
  const texts = names.map((name) => new TextDecoder().decode(goldenFile(`broker/config/${name}`)));
  const scalar = /"(?:[^"\\]|\\.)*"(?!:)|(?<=:)-?\d+|true|false/g;
  const strange = fc.constantFrom(
    ...["null", "-1", "1e309", "1.5", "12345678901234567890", "[]", "{}", "[[[]]]", '""', '"../../x"', "true"],
    ...['{"__proto__":{"a":1}}', `"${"x".repeat(5_000)}"`, "9007199254740993", "-0"],
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(3),
      fc.array(fc.tuple(fc.nat(), strange), { minLength: 1, maxLength: 3 }),
      async (which, changes) => {
        const storage = copyOf(whole);
        let text = texts[which]!;
        for (const [at, value] of changes) {
          const matches = [...text.matchAll(scalar)];
          const match = matches[at % matches.length]!;
          text = text.slice(0, match.index) + value + text.slice(match.index + match[0].length);
        }
        put(storage, names[which]!, text);
        storage.delete(`config/${names[which]}.bak`);
        const broker = await MemoryBroker.start({}, storage).catch((error: unknown) => error);
        if (!(broker instanceof MemoryBroker)) {
          expect(broker).toBeInstanceOf(WasmqError);
          expect(broker).toMatchObject({ code: "STORE_UNREADABLE" });
          return;
        }
        const client = broker.connect();
        expect((await client.trySend("Fresh", "hello")).code).toBeLessThanOrEqual(17);
        expect((await client.pull("G", "Golden", 0, 0, { subscription: "*" })).opaque).toBeGreaterThan(0);
        await client.consume("GoldenGroup", { Golden: "*" });
        await broker.stop();
        // And what it writes can be read again.
        const again = await MemoryBroker.start({}, storage);
        await again.stop();
        expect(again.logged.filter((line) => line.startsWith("error"))).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});
