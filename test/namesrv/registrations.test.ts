/** A broker that makes itself known at NameServers elsewhere. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noFields } from "../../src/protocol/remoting/answer-fields.ts";
import { prefixBytes, writePrefix } from "../../src/protocol/remoting/frame.ts";
import { rocketmqHeaders } from "../../src/protocol/remoting/header-rocketmq.ts";
import type { BrokerOptions } from "../../src/wasmq.ts";
import { InProcessDialer } from "../lib/in-process-dialer.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { bodyOf, MemoryNameServer } from "../lib/memory-name-server.ts";

const east = "east:9876";
const west = "west:9876";
const nowhere = "nowhere:9876";

let dialer: InProcessDialer;
let nameServers: Map<string, MemoryNameServer>;
let started: MemoryBroker | undefined;

beforeEach(async () => {
  dialer = new InProcessDialer();
  nameServers = new Map();
  for (const address of [east, west]) await open(address);
});
afterEach(async () => {
  await started?.stop();
  started = undefined;
  for (const nameServer of nameServers.values()) await nameServer.stop();
});

async function open(address: string): Promise<void> {
  const nameServer = await MemoryNameServer.start();
  nameServers.set(address, nameServer);
  dialer.servers.set(address, nameServer.running);
}

async function start(options: Partial<BrokerOptions> = {}, addresses = [east, west]): Promise<MemoryBroker> {
  started = await MemoryBroker.start({
    nameServer: "none",
    nameServers: { addresses, dialer, brokerAddress: "10.0.0.1:10911", periodMs: 30_000, timeoutMs: 1_000 },
    ...options,
  });
  return started;
}

async function queuesAt(address: string, topic: string) {
  const answer = await nameServers.get(address)!.connect().request(105, { topic });
  return answer.code === 0 ? bodyOf(answer).queueDatas : undefined;
}

async function brokersAt(address: string) {
  return bodyOf(await nameServers.get(address)!.connect().request(106)).brokerAddrTable;
}

test("at the start all of it, a new topic at once, and its leave when it stops", async () => {
  const broker = await start();
  const known = { "broker-a": expect.objectContaining({ brokerAddrs: { 0: "10.0.0.1:10911" } }) };
  for (const address of [east, west]) {
    await expect.poll(() => brokersAt(address)).toEqual(known);
    expect(await queuesAt(address, "TBW102")).toMatchObject([{ perm: 7, readQueueNums: 8 }]);
  }
  await broker.connect().send("Made", "hello");
  for (const address of [east, west]) {
    await expect.poll(() => queuesAt(address, "Made")).toMatchObject([{ perm: 6, readQueueNums: 4 }]);
  }
  const told = nameServers.get(east)!.logged.length;
  await broker.stop();
  for (const address of [east, west]) expect(await brokersAt(address)).toEqual({});
  expect(nameServers.get(east)!.logged.slice(told)).toEqual([expect.stringContaining("it took its leave")]);
  expect(dialer.dialled, "one connection each").toEqual([east, west]);
});

test("topics of one turn are told together, and single ones where the broker is known only", async () => {
  const broker = await start();
  await expect.poll(() => queuesAt(east, "TBW102")).toHaveLength(1);
  await Promise.all(Array.from({ length: 20 }, (_, index) => broker.connect().send(`Made${index}`, "hello")));
  for (let index = 0; index < 20; index++) await expect.poll(() => queuesAt(east, `Made${index}`)).toHaveLength(1);
});

test("one that is down is told once of, delays nobody, and is found when it comes", async () => {
  const broker = await start({}, [nowhere, east]);
  await expect.poll(() => queuesAt(east, "TBW102")).toHaveLength(1);
  await broker.connect().send("Made", "hello");
  await expect.poll(() => queuesAt(east, "Made")).toHaveLength(1);
  await open(nowhere);
  await expect.poll(() => queuesAt(nowhere, "Made"), { timeout: 5_000 }).toHaveLength(1);
  expect(broker.logged.filter((line) => line.includes("register"))).toEqual([
    "warn: the broker could not register at a name server, and tries again",
    "info: the broker is registered",
  ]);
});

test("one that has lost its memory hears all again", async () => {
  const broker = await start();
  await expect.poll(() => queuesAt(west, "TBW102")).toHaveLength(1);
  await broker.connect().send("Made", "hello");
  dialer.end(west);
  await nameServers.get(west)!.stop();
  await open(west);
  await expect.poll(() => queuesAt(west, "Made"), { timeout: 5_000 }).toHaveLength(1);
  expect(await queuesAt(east, "Made")).toHaveLength(1);
});

test("one that does not answer is left and tried again, and holds up no stop for long", async () => {
  dialer.servers.set(west, { accept: () => ({ received() {}, closed() {} }) });
  const broker = await start({
    nameServers: { addresses: [west, east], dialer, brokerAddress: "10.0.0.1:10911", periodMs: 30_000, timeoutMs: 50 },
  });
  await expect.poll(() => queuesAt(east, "TBW102")).toHaveLength(1);
  await expect.poll(() => dialer.dialled.filter((address) => address === west).length, { timeout: 5_000 }).toBe(2);
  expect(broker.logged).toContain("warn: the broker could not register at a name server, and tries again");
  const before = performance.now();
  await broker.stop();
  expect(performance.now() - before).toBeLessThan(3_000);
});

test("one that sends what is no frame", async () => {
  for (const bytes of [
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
    new TextEncoder().encode("HTTP/1.1 400 Bad\r\n\r\n"),
  ]) {
    dialer.servers.set(west, {
      accept: (connection) => ({ received: () => connection.send([bytes]), closed() {} }),
    });
    const broker = await start();
    await expect.poll(() => queuesAt(east, "TBW102")).toHaveLength(1);
    await broker.stop();
  }
});

test("one that answers in binary headers, whatever it was asked with", async () => {
  let told = "";
  dialer.servers.set(west, {
    accept: (connection) => ({
      received(bytes) {
        const request = new TextDecoder().decode(bytes);
        told += request;
        const opaque = Number(/"opaque":(\d+)/.exec(request)![1]);
        const header = { code: 0, flag: 1, opaque, fields: noFields, remark: undefined };
        const body = new TextEncoder().encode('{"table":{"BenchmarkTest":"broker-a:8"}}');
        const head = new Uint8Array(prefixBytes + rocketmqHeaders.bytesMax(header));
        const end = rocketmqHeaders.write(header, head, prefixBytes);
        writePrefix(head, 0, rocketmqHeaders.serializeType, end - prefixBytes, body.length);
        connection.send([head.subarray(0, end), body]);
      },
      closed() {},
    }),
  });
  await start();
  // What it answered is heard: a topic is ordered, and told again as such.
  await expect.poll(() => told).toContain('{"attributes":{},"order":true,"perm":6,"readQueueNums":1024');
  expect(dialer.dialled).toEqual([east, west]);
});

test("topics that administrators named as ordered are ordered from then on", async () => {
  await nameServers
    .get(east)!
    .connect()
    .request(100, { namespace: "ORDER_TOPIC_CONFIG", key: "Orders", value: "broker-a:4" });
  const first = await MemoryBroker.start();
  await first.connect().send("Orders", "hello");
  await first.stop();
  started = await MemoryBroker.start(
    {
      rules: { brokerPermission: 4 },
      nameServer: "none",
      nameServers: { addresses: [east], dialer, brokerAddress: "10.0.0.1:10911", periodMs: 30_000, timeoutMs: 1_000 },
    },
    first.storage,
  );
  await expect.poll(() => queuesAt(east, "Orders")).toMatchObject([{ perm: 4 }]);
  // A broker that is not to be written to takes nothing for ordered topics any more.
  await expect.poll(async () => (await started!.connect().trySend("Orders", "hello")).code).toBe(16);
});

describe("what is registered", () => {
  test("no more than brokerPermission allows", async () => {
    await start({ rules: { brokerPermission: 4 } });
    await expect.poll(() => queuesAt(east, "BenchmarkTest")).toMatchObject([{ perm: 4 }]);
    expect(await queuesAt(east, "TBW102")).toMatchObject([{ perm: 4 }]);
  });

  test("no pattern for topics that are not made by their first message", async () => {
    const broker = await start({ rules: { autoCreateTopicEnable: false } });
    await expect.poll(() => queuesAt(east, "BenchmarkTest")).toHaveLength(1);
    expect(await queuesAt(east, "TBW102")).toBeUndefined();
    expect(await broker.connect().trySend("Made", "hello")).toMatchObject({ code: 17 });
  });
});

test("queues that a broker shares are those of all brokers, as any name server tells", async () => {
  const broker = await start({}, [nowhere, west]);
  const other = await MemoryBroker.start({
    brokerName: "broker-b",
    nameServer: "none",
    nameServers: { addresses: [west], dialer, brokerAddress: "10.0.0.2:10911", periodMs: 30_000, timeoutMs: 1_000 },
  });
  try {
    const client = broker.connect();
    for (const each of [client, other.connect()]) await each.send("Both", "hello");
    await expect.poll(() => queuesAt(west, "Both")).toHaveLength(2);
    const shareOf = async (strategyName: string, topic = "Both") => {
      const asked = { topic, consumerGroup: "G", clientId: "a", messageModel: "CLUSTERING", strategyName };
      const { messageQueueAssignments } = bodyOf(await client.request(400, {}, asked));
      return messageQueueAssignments?.map(
        ({ messageQueue }: { messageQueue: { brokerName: string; queueId: number } }) =>
          `${messageQueue.brokerName} ${messageQueue.queueId}`,
      );
    };
    await client.consume("G", { Both: "*" }, { clientId: "a" });
    await broker.connect().consume("G", { Both: "*" }, { clientId: "b" });
    expect(await shareOf("AVG")).toEqual([0, 1, 2, 3].map((queueId) => `broker-a ${queueId}`));
    const byCircle = ["broker-a 0", "broker-a 2", "broker-b 0", "broker-b 2"];
    expect(await shareOf("AVG_BY_CIRCLE")).toEqual(byCircle);
    expect(await shareOf("AVG", "None")).toBe(undefined);
    const mode = { topic: "Both", consumerGroup: "G", mode: "POP", popShareQueueNum: 0 };
    expect((await client.request(401, {}, mode)).code).toBe(0);
    expect(await shareOf("AVG")).toEqual(["broker-a -1", "broker-b -1"]);
  } finally {
    await other.stop();
  }
});

test("without any name server a broker shares its own queues", async () => {
  const client = (await start({}, [])).connect();
  await client.send("Own", "hello");
  await client.consume("G", { Own: "*" }, { clientId: "a" });
  const asked = { topic: "Own", consumerGroup: "G", clientId: "a", messageModel: "CLUSTERING", strategyName: "AVG" };
  const answer = await client.request(400, {}, asked);
  expect(answer.code).toBe(0);
  expect(bodyOf(answer).messageQueueAssignments).toHaveLength(4);
});
