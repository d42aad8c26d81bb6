/** A NameServer for brokers elsewhere, as these and administrators see it (RouteInfoManager, KVConfigManager). */

import fc from "fast-check";
import { zlibSync } from "fflate";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { kvEntriesMax, registeredBrokersMax, registrationBytesMax, topicMappingCharsMax } from "../../src/limits.ts";
import { type Registration, RouteTable } from "../../src/namesrv/route-table.ts";
import { javaCompressed, javaCrc32, javaJson } from "../golden/registration.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { bodyOf, MemoryNameServer } from "../lib/memory-name-server.ts";
import { type Answer, connectionClosed, type RemotingClient } from "../lib/remoting-client.ts";

let nameServer: MemoryNameServer;
let client: RemotingClient;

beforeEach(async () => {
  nameServer = await MemoryNameServer.start();
  client = nameServer.connect();
});
afterEach(() => nameServer.stop());

const master = {
  brokerName: "broker-a",
  brokerAddr: "10.0.0.1:10911",
  clusterName: "C",
  haServerAddr: "10.0.0.1:10912",
  brokerId: "0",
  enableActingMaster: "false",
};
const slave = { ...master, brokerAddr: "10.0.0.2:10911", haServerAddr: "10.0.0.2:10912", brokerId: "1" };

function topic(topicName: string, given: object = {}) {
  const usual = { topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 0, order: false };
  return [topicName, { ...usual, topicFilterType: "SINGLE_TAG", attributes: {}, ...given }] as const;
}

function body(topics: readonly (readonly [string, object])[], counter = 1, stateVersion = 0) {
  return {
    filterServerList: [],
    topicConfigSerializeWrapper: {
      dataVersion: { counter, stateVersion, timestamp: 1_700_000_000_000 },
      topicConfigTable: Object.fromEntries(topics),
    },
  };
}

const two = [topic("A"), topic("B")];

function register(
  fields: object = {},
  topics: readonly (readonly [string, object])[] = two,
  counter = 1,
  stateVersion = 0,
  from = client,
): Promise<Answer> {
  return from.request(103, { ...master, ...fields }, body(topics, counter, stateVersion));
}

async function route(topicName: string, fields: object = {}) {
  return bodyOf(await client.request(105, { topic: topicName, ...fields }));
}

async function permOf(topicName: string, brokerName = "broker-a"): Promise<number> {
  const { queueDatas } = await route(topicName);
  return queueDatas.find((queues: { brokerName: string }) => queues.brokerName === brokerName).perm;
}

async function brokers() {
  return Object.keys(bodyOf(await client.request(106)).brokerAddrTable);
}

describe("a broker registers", () => {
  test("and clients are told where its topics are", async () => {
    expect(await client.request(105, { topic: "A" })).toMatchObject({ code: 17 });
    expect(await register()).toMatchObject({ code: 0, fields: {}, body: new Uint8Array(0) });
    expect(await route("A")).toEqual({
      brokerDatas: [
        { brokerAddrs: { 0: "10.0.0.1:10911" }, brokerName: "broker-a", cluster: "C", enableActingMaster: false },
      ],
      filterServerTable: {},
      queueDatas: [{ brokerName: "broker-a", perm: 6, readQueueNums: 4, topicSysFlag: 0, writeQueueNums: 4 }],
    });
    expect(await brokers()).toEqual(["broker-a"]);
    expect(bodyOf(await client.request(206))).toEqual({ topicList: ["A", "B"] });
    expect(bodyOf(await client.request(224, { cluster: "C" }))).toEqual({ topicList: ["A", "B"] });
    expect(bodyOf(await client.request(224, { cluster: "D" }))).toEqual({ topicList: [] });
    expect(bodyOf(await client.request(304))).toEqual({ brokerAddr: "10.0.0.1:10911", topicList: ["C", "broker-a"] });
  });

  test.each([
    ["as JSON", new TextEncoder().encode(javaJson), { bodyCrc32: "407609717" }, 2],
    [
      "compressed, where topicSysFlag has no place",
      Uint8Array.from(atob(javaCompressed), (char) => char.charCodeAt(0)),
      { compressed: "true", bodyCrc32: String(javaCrc32) },
      0,
    ],
  ] as const)("with what Java writes, %s", async (_, bytes, fields, topicSysFlag) => {
    expect(await client.request(103, { ...master, brokerName: "broker-x", ...fields }, bytes)).toMatchObject({
      code: 0,
    });
    expect((await route("Orders")).queueDatas).toEqual([
      { brokerName: "broker-x", perm: 6, readQueueNums: 4, topicSysFlag, writeQueueNums: 2 },
    ]);
    expect((await route("Static")).topicQueueMappingByBroker).toEqual({
      "broker-x": {
        bname: "broker-x",
        currIdMap: { 0: 0, 2: 1 },
        dirty: false,
        epoch: 1_700_000_000_001,
        scope: "__global__",
        topic: "Static",
        totalQueues: 4,
      },
    });
    const version = { counter: 7, stateVersion: 3, timestamp: 1_700_000_000_000 };
    expect(await client.request(322, master, version)).toMatchObject({ code: 0, fields: { changed: "false" } });
    const older = await client.request(322, master, { ...version, counter: 6 });
    expect(older.fields).toEqual({ changed: "true" });
    expect(bodyOf(older)).toEqual(version);
  });

  test("its slave is told where to replicate from, and does not say which topics there are", async () => {
    expect(await register(slave)).toMatchObject({ code: 0, fields: {} });
    await register();
    expect(await register(slave, [topic("A", { perm: 2 }), topic("OfSlave")], 9)).toMatchObject({
      code: 0,
      fields: { haServerAddr: master.haServerAddr, masterAddr: master.brokerAddr },
    });
    expect(await permOf("A")).toBe(6);
    expect(await client.request(105, { topic: "OfSlave" })).toMatchObject({ code: 17 });
    const group = bodyOf(await client.request(901, { clusterName: "C", brokerName: "broker-a" }));
    expect(group.brokerMemberGroup.brokerAddrs).toEqual({ 0: master.brokerAddr, 1: slave.brokerAddr });
  });

  test("a slave that has become the master is one broker, not two", async () => {
    await register();
    await register(slave);
    await client.request(104, master);
    expect(await register({ ...slave, brokerId: "0" })).toMatchObject({ code: 0 });
    expect((await route("A")).brokerDatas[0].brokerAddrs).toEqual({ 0: slave.brokerAddr });
  });

  test("the one with the older stateVersion does not take the other's place; another one does", async () => {
    await register({}, two, 1, 5);
    expect(await register({ brokerAddr: "10.0.0.9:1" }, two, 1, 4)).toMatchObject({ code: 0 });
    expect((await route("A")).brokerDatas[0].brokerAddrs).toEqual({ 0: master.brokerAddr });
    await register({ brokerAddr: "10.0.0.9:1" }, two, 1, 5);
    expect((await route("A")).brokerDatas[0].brokerAddrs).toEqual({ 0: "10.0.0.9:1" });
    expect(nameServer.logged.at(-1)).toMatch(/^warn: a broker took the place of another .*"other":"10.0.0.1:10911"/);
  });

  test("one topic is taken from who is known only", async () => {
    expect(await register({}, [topic("New")])).toMatchObject({
      code: 1,
      remark: expect.stringContaining("all topics"),
    });
    expect(await brokers()).toEqual([]);
    await register();
    expect(await register({}, [topic("New")], 2)).toMatchObject({ code: 0 });
    expect(bodyOf(await client.request(206))).toEqual({ topicList: ["A", "B", "New"] });
  });

  test("topics it names no more stay, unless the NameServer is set otherwise", async () => {
    await register();
    await register({}, [topic("B"), topic("D")], 2);
    expect(bodyOf(await client.request(206))).toEqual({ topicList: ["A", "B", "D"] });
    await nameServer.stop();
    await nameServer.start({ settings: { deleteTopicWithBrokerRegistration: true } });
    client = nameServer.connect();
    await register();
    await register({}, [topic("B"), topic("D")], 2);
    await register({}, [topic("E")], 3);
    expect(bodyOf(await client.request(206))).toEqual({ topicList: ["B", "D", "E"] });
  });

  test("a body that its checksum does not fit, that is cut off, or is none", async () => {
    const json = new TextEncoder().encode(javaJson);
    const compressed = Uint8Array.from(atob(javaCompressed), (char) => char.charCodeAt(0));
    const trouble: [object, Uint8Array][] = [
      [{ bodyCrc32: "1" }, json],
      [{}, json.subarray(0, 100)],
      [{ compressed: "true" }, compressed.subarray(0, 100)],
      [{ compressed: "true" }, json],
      [{ compressed: "true" }, zlibSync(Uint8Array.of(0, 0, 0, 2, 123, 125, 127, 255, 255, 255))],
      [{ compressed: "true" }, zlibSync(Uint8Array.of(255, 255, 255, 255))],
      [{ compressed: "true" }, zlibSync(new Uint8Array(registrationBytesMax + 100_000))],
      [{}, new TextEncoder().encode('{"topicConfigSerializeWrapper":{"topicConfigTable":{"T":{"perm":1.5},"U":{}}}}')],
      [{ brokerAddr: "no address" }, json],
      [{ brokerAddr: 'x","y:1' }, json],
      [{ brokerName: "" }, json],
      [{ clusterName: "x".repeat(256) }, json],
    ];
    for (const [fields, bytes] of trouble) {
      const answer = await client.request(103, { ...master, ...fields }, bytes);
      expect(answer.code, `${JSON.stringify(fields)} ${answer.remark}`).toBeGreaterThan(0);
      expect(await brokers()).toEqual([]);
    }
  });
});

test("bytes of chance in a registration are answered, and are no bug of ours", async () => {
  const json = new TextEncoder().encode(javaJson);
  const text = '\0\0\0\x0f{"counter":123}\0\0\0\x01\0\0\0\x12T 4 4 6 SINGLE_TAG \0\0\0\x02[]\0\0\0\0';
  const inflated = new TextEncoder().encode(text);
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.boolean(), changes, fc.boolean(), async (isCompressed, changed, isCut) => {
      const bytes = (isCompressed ? inflated : json).slice();
      for (const [at, byte] of changed) bytes[at % bytes.length] = byte;
      const body = isCompressed ? zlibSync(bytes) : bytes;
      const sent = isCut ? body.subarray(0, changed[0]![0] % body.length) : body;
      const answer = await client.request(103, { ...master, compressed: String(isCompressed) }, sent);
      expect([0, 1, 29]).toContain(answer.code);
      await client.request(206);
      expect(nameServer.logged.filter((line) => line.startsWith("error"))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

describe("a broker is gone", () => {
  test("when it takes its leave, with its topics", async () => {
    await register();
    await register({ brokerName: "broker-b", brokerAddr: "10.0.0.3:10911" }, [topic("B"), topic("C")]);
    expect(await client.request(104, master)).toMatchObject({ code: 0 });
    expect(await client.request(105, { topic: "A" })).toMatchObject({ code: 17 });
    expect((await route("B")).queueDatas).toMatchObject([{ brokerName: "broker-b" }]);
    expect(await brokers()).toEqual(["broker-b"]);
  });

  test("when its connection ends, with all that came over it, but not one that has another connection by then", async () => {
    const other = nameServer.connect();
    const third = nameServer.connect();
    await register({}, two, 1, 0, other);
    await register({ brokerName: "broker-b", brokerAddr: "10.0.0.3:10911" }, two, 1, 0, other);
    await register({ brokerName: "broker-c", brokerAddr: "10.0.0.4:10911" }, two, 1, 0, other);
    await register({ brokerName: "broker-c", brokerAddr: "10.0.0.4:10911" }, two, 1, 0, third);
    other.close();
    await expect.poll(brokers).toEqual(["broker-c"]);
    expect(nameServer.logged.filter((line) => line.includes("its connection ended"))).toHaveLength(2);
  });

  test("when it is silent for longer than it said it would be; a heartbeat or a question is a sign of life", async () => {
    await nameServer.stop();
    await nameServer.start({ settings: { scanNotActiveBrokerIntervalMs: 10 } });
    client = nameServer.connect();
    const quiet = nameServer.connect();
    await register({ heartbeatTimeoutMillis: "300" }, two, 1, 0, quiet);
    await register({ brokerName: "broker-b", brokerAddr: "10.0.0.3:10911" });
    for (let beats = 0; beats < 8; beats++) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (beats % 2 === 0) await client.request(904, master);
      else await client.request(322, master, { counter: 1 });
    }
    expect(await brokers()).toEqual(["broker-a", "broker-b"]);
    await expect.poll(brokers, { timeout: 5_000 }).toEqual(["broker-b"]);
    expect(await quiet.request(106)).toMatchObject({ code: connectionClosed });
    expect(nameServer.logged.at(-1)).toContain("silent");
  });
});

describe("write permission", () => {
  test("is taken from all topics of a broker, and given back as they were registered", async () => {
    await register({}, [...two, topic("ReadOnly", { perm: 4 })]);
    expect((await client.request(205, { brokerName: "broker-a" })).fields).toEqual({ wipeTopicCount: "3" });
    expect(await permOf("A")).toBe(4);
    // An unchanged registration leaves it so.
    await register({}, [...two, topic("ReadOnly", { perm: 4 })]);
    expect(await permOf("A")).toBe(4);
    expect((await client.request(327, { brokerName: "broker-a" })).fields).toEqual({ addTopicCount: "3" });
    expect([await permOf("A"), await permOf("ReadOnly")]).toEqual([6, 4]);
    await client.request(205, { brokerName: "broker-a" });
    await register({}, two, 2);
    expect(await permOf("A")).toBe(6);
    expect((await client.request(205, { brokerName: "nobody" })).fields).toEqual({ wipeTopicCount: "0" });
  });

  test("is not that of a slave that stands in for its master", async () => {
    await nameServer.stop();
    await nameServer.start({ settings: { supportActingMaster: true } });
    client = nameServer.connect();
    const acting = { enableActingMaster: "true" };
    await register(acting);
    await register({ ...slave, ...acting });
    await client.request(104, master);
    const { brokerDatas, queueDatas } = await route("A");
    expect(brokerDatas).toMatchObject([{ brokerAddrs: { 0: slave.brokerAddr }, enableActingMaster: true }]);
    expect(queueDatas).toMatchObject([{ perm: 4 }]);
    await register({ ...slave, ...acting }, [topic("A"), topic("Later")], 2);
    expect(await permOf("Later")).toBe(4);
    await register(acting, two, 3);
    expect((await route("A")).brokerDatas[0].brokerAddrs).toEqual({ 0: master.brokerAddr, 1: slave.brokerAddr });
    expect(await permOf("A")).toBe(6);
  });
});

describe("administrators", () => {
  test("add a topic to brokers that are there, and take it away", async () => {
    await register();
    const queueDatas = [{ brokerName: "broker-a", readQueueNums: 1, writeQueueNums: 2, perm: 6, topicSysFlag: 0 }];
    expect(await client.request(217, { topic: "Added" }, { queueDatas })).toMatchObject({ code: 0 });
    expect((await route("Added")).queueDatas).toEqual(queueDatas);
    const elsewhere = [{ ...queueDatas[0], brokerName: "nobody" }];
    await client.request(217, { topic: "Nowhere" }, { queueDatas: elsewhere });
    expect(await client.request(105, { topic: "Nowhere" })).toMatchObject({ code: 17 });
    await client.request(216, { topic: "Added", clusterName: "other" });
    expect(await client.request(105, { topic: "Added" })).toMatchObject({ code: 0 });
    await client.request(216, { topic: "Added", clusterName: "C" });
    expect(await client.request(105, { topic: "Added" })).toMatchObject({ code: 17 });
    await client.request(216, { topic: "A" });
    await register();
    expect(await permOf("A"), "who still has it brings it back").toBe(6);
  });

  test("list topics by unit", async () => {
    await register({}, [
      topic("Unit", { topicSysFlag: 1 }),
      topic("UnitSub", { topicSysFlag: 3 }),
      topic("Sub", { topicSysFlag: 2 }),
    ]);
    expect(bodyOf(await client.request(311)).topicList).toEqual(["Unit", "UnitSub"]);
    expect(bodyOf(await client.request(312)).topicList).toEqual(["UnitSub", "Sub"]);
    expect(bodyOf(await client.request(313)).topicList).toEqual(["Sub"]);
  });

  test("leave settings, which outlive the NameServer", async () => {
    const entry = { namespace: "ORDER_TOPIC_CONFIG", key: "A" };
    expect(await client.request(101, entry)).toMatchObject({ code: 22 });
    expect(await client.request(219, entry)).toMatchObject({ code: 22 });
    expect(await client.request(100, { ...entry, value: "broker-a:4" })).toMatchObject({ code: 0 });
    expect(await client.request(100, { namespace: "NS", key: "größe", value: "" })).toMatchObject({ code: 0 });
    await nameServer.stop();
    await nameServer.start({ settings: { orderMessageEnable: true } });
    client = nameServer.connect();
    expect((await client.request(101, entry)).fields).toEqual({ value: "broker-a:4" });
    expect(bodyOf(await client.request(219, { namespace: "NS" }))).toEqual({ table: { größe: "" } });
    expect(bodyOf(await register())).toEqual({ table: { A: "broker-a:4" } });
    expect((await route("A")).orderTopicConf).toBe("broker-a:4");
    expect((await route("B")).orderTopicConf).toBeUndefined();
    expect(await client.request(102, entry)).toMatchObject({ code: 0 });
    expect(bodyOf(await client.request(219, entry))).toEqual({ table: {} });
    expect((await route("A")).orderTopicConf).toBeUndefined();
  });

  test("see its own settings, and change them where it is started", async () => {
    await nameServer.stop();
    await nameServer.start({ configuration: new Map([["listenPort", "9876"]]) });
    client = nameServer.connect();
    expect(new TextDecoder().decode((await client.request(319)).body)).toBe("listenPort=9876\n");
    expect(await client.request(318, {}, new TextEncoder().encode("orderMessageEnable=true"))).toMatchObject({
      code: 16,
    });
  });

  test("may be kept from listing topics", async () => {
    await nameServer.stop();
    await nameServer.start({ settings: { enableAllTopicList: false, enableTopicList: false } });
    client = nameServer.connect();
    for (const code of [206, 224, 311, 312, 313]) {
      expect(await client.request(code, { cluster: "C" })).toMatchObject({ code: 1, remark: "disable" });
    }
  });
});

test("clients that stay in their zone are told of brokers there, and of those whose master is away", async () => {
  await register({ __ZONE_NAME: "east" });
  await register({ brokerName: "broker-b", brokerAddr: "10.0.0.3:10911", __ZONE_NAME: "west" });
  await register({ ...slave, brokerName: "broker-c", __ZONE_NAME: "west" });
  const names = async (fields: object) =>
    (await route("A", fields)).queueDatas.map((queues: { brokerName: string }) => queues.brokerName);
  const all = ["broker-a", "broker-b", "broker-c"];
  expect(await names({})).toEqual(all);
  expect(await names({ __ZONE_NAME: "east" })).toEqual(all);
  expect(await names({ __ZONE_NAME: "East", __ZONE_MODE: "true" })).toEqual(["broker-a", "broker-c"]);
});

test("no route is told before brokers had the time to register, if it is set so", async () => {
  await nameServer.stop();
  await nameServer.start({ settings: { needWaitForService: true, waitForServiceMs: 60_000 } });
  client = nameServer.connect();
  expect(await client.request(105, { topic: "A" })).toMatchObject({ code: 1, remark: "name server not ready" });
  await register();
  expect(await client.request(105, { topic: "A" })).toMatchObject({ code: 0 });
  expect(await client.request(105, { topic: "Nowhere" })).toMatchObject({ code: 17 });
});

const channel = { connection: { close() {} } };

function registration(index: number, given: Partial<Registration> = {}): Registration {
  return {
    cluster: "C",
    brokerName: `broker-${index}`,
    brokerId: 0,
    address: `10.0.0.1:${index}`,
    haServerAddress: "",
    zoneName: undefined,
    enableActingMaster: undefined,
    heartbeatTimeoutMs: undefined,
    version: { counter: 1, stateVersion: 0, timestamp: 0 },
    topics: [],
    mappings: new Map(),
    channel,
    ...given,
  };
}

test("what registers has bounds", async () => {
  const routes = new RouteTable();
  for (let index = 0; index < registeredBrokersMax; index++) routes.registerRemote(registration(index), 0);
  expect(() => routes.registerRemote(registration(registeredBrokersMax), 0)).toThrow(/has its 4096 brokers/);
  expect(routes.registerRemote(registration(7), 0)).toEqual({});
  expect(routes.disconnected(channel)).toHaveLength(registeredBrokersMax);
  expect(routes.brokers()).toEqual([]);

  const put = (index: number) => client.request(100, { namespace: "NS", key: `k${index}`, value: "v" });
  await Promise.all(Array.from({ length: kvEntriesMax }, (_, index) => put(index)));
  expect(await put(kvEntriesMax)).toMatchObject({ code: 1, remark: expect.stringContaining("10000 settings") });
  expect(await put(1), "what is there can be changed").toMatchObject({ code: 0 });
  expect(await client.request(102, { namespace: "NS", key: "k0" })).toMatchObject({ code: 0 });
  expect(await put(kvEntriesMax)).toMatchObject({ code: 0 });
});

test.each([
  ["address", (index: number) => ({ address: `10.0.0.1:${index}` })],
  ["cluster", (index: number) => ({ cluster: `C${index}` })],
])("a broker with another %s each time has bounds too", (_, given) => {
  const routes = new RouteTable();
  for (let index = 0; index < registeredBrokersMax; index++) routes.registerRemote(registration(7, given(index)), 0);
  expect(() => routes.registerRemote(registration(7, given(registeredBrokersMax)), 0)).toThrow(/has its 4096 brokers/);
  expect(routes.disconnected(channel)).toHaveLength(registeredBrokersMax);
  expect(routes.brokers()).toEqual([]);
});

test("an address that registers under another name leaves the first one, taken or not", () => {
  const routes = new RouteTable();
  const address = "10.0.0.9:1";
  routes.registerRemote(registration(0, { version: { counter: 1, stateVersion: 5, timestamp: 0 } }), 0);
  for (let index = 1; index < 10; index++) routes.registerRemote(registration(index, { address }), 0);
  expect(routes.brokers().map(({ brokerName }) => brokerName)).toEqual(["broker-0", "broker-9"]);
  routes.registerRemote(registration(0, { address }), 0);
  expect(routes.brokers()).toMatchObject([{ brokerName: "broker-0", addresses: new Map([[0, "10.0.0.1:0"]]) }]);
});

test("namespaces of settings have a bound, though nothing is in them any more", async () => {
  const put = (index: number) => client.request(100, { namespace: `n${index}`, key: "k", value: "v" });
  const drop = (index: number) => client.request(102, { namespace: `n${index}`, key: "k" });
  await Promise.all(Array.from({ length: kvEntriesMax }, (_, index) => [put(index), drop(index)]).flat());
  expect(await put(kvEntriesMax)).toMatchObject({ code: 1, remark: expect.stringContaining("10000 settings") });
  expect(await put(0)).toMatchObject({ code: 0 });
});

test("mappings of static topics have a bound in all, and room again when their broker is gone", () => {
  const routes = new RouteTable();
  const info = { filler: "x".repeat(topicMappingCharsMax / 2) };
  const mappings = new Map(Array.from({ length: 1_000 }, (_, index) => [`T${index}`, info]));
  const topics = [...mappings.keys()].map((topic) => ({
    ...{ topic, readQueueNums: 1, writeQueueNums: 1, perm: 6, topicSysFlag: 0 },
  }));
  const all = registration(1, { topics, mappings });
  for (let again = 0; again < 2; again++) {
    expect(() => routes.registerRemote(all, 0)).toThrow(/room for: 489 of broker-1 are left out/);
    expect(routes.route("T510")?.mappings?.get("broker-1")).toEqual(info);
    expect(routes.route("T999")?.mappings).toBeUndefined();
    routes.disconnected(channel);
  }
});

test("a connection over which all brokers registered ends quickly, whatever their topics", () => {
  const routes = new RouteTable();
  for (let index = 0; index < registeredBrokersMax; index++) {
    const topics = Array.from({ length: 25 }, (_, topic) => ({
      ...{ topic: `T${index}-${topic}`, readQueueNums: 1, writeQueueNums: 1, perm: 6, topicSysFlag: 0 },
    }));
    routes.registerRemote(registration(index, { topics }), 0);
  }
  const startedAt = performance.now();
  expect(routes.disconnected(channel)).toHaveLength(registeredBrokersMax);
  // Going over the topics once for each broker takes more than 10 s.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(routes.topics()).toEqual([]);
});

describe("beside a broker in one process", () => {
  test("other brokers register, and leave that one alone", async () => {
    const broker = await MemoryBroker.start({ nameServer: {} });
    client = broker.connect();
    expect(await register({}, two)).toMatchObject({ code: 16 });
    expect(await register({ brokerName: "broker-b" }, [topic("TBW102"), topic("B")])).toMatchObject({ code: 0 });
    expect(await brokers()).toEqual(["broker-a", "broker-b"]);
    expect((await route("TBW102")).queueDatas).toHaveLength(2);
    await client.request(104, { ...master, brokerAddr: "127.0.0.1:10911" });
    await client.request(216, { topic: "TBW102" });
    expect((await route("TBW102")).queueDatas).toMatchObject([{ brokerName: "broker-a" }]);
    await client.request(100, { namespace: "NS", key: "k", value: "v" });
    await broker.stop();
    await broker.start();
    client = broker.connect();
    expect((await client.request(101, { namespace: "NS", key: "k" })).fields).toEqual({ value: "v" });
    await broker.stop();
  });

  test("of a broker that is not open to others they are refused; one without a NameServer has no routes", async () => {
    const own = await MemoryBroker.start();
    for (const code of [100, 103, 104, 205, 216, 319]) {
      expect(await own.connect().request(code, master)).toMatchObject({ code: 3 });
    }
    expect(await own.connect().request(105, { topic: "TBW102" })).toMatchObject({ code: 0 });
    await own.stop();
    const none = await MemoryBroker.start({ nameServer: "none" });
    expect(await none.connect().request(105, { topic: "TBW102" })).toMatchObject({ code: 3 });
    await none.stop();
  });
});
