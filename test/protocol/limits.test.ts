/** What a client is told when it meets a limit: the table of the README. Limits of a port and of a process are in test/hosts/node. */
import { afterEach, describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { TimerScheduler } from "../../src/hosts/memory/scheduler.ts";
import { frameMsMax, groupsPerClientMax, type MemoryBudget, serverBudget } from "../../src/limits.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../src/wasmq.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { openInProcess } from "../lib/in-process-client.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { type Answer, type RemotingClient, requestFrame, succeeded } from "../lib/remoting-client.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop();
});

async function start<S extends LogStorage>(
  budget: Partial<MemoryBudget>,
  storage: S,
  options: Partial<BrokerOptions> = {},
) {
  const broker = await MemoryBroker.start({ budget: { ...serverBudget, ...budget }, ...options }, storage);
  running.push(broker);
  return broker;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 30));
const subscription = "*";

describe("requests that wait for their answers", () => {
  /** A broker whose syncs wait: `open` lets them end. */
  async function withClosedDisk(budget: Partial<MemoryBudget>) {
    const storage = new WaitingStorage();
    const broker = await start(budget, storage, { store: { flushDiskType: "SYNC_FLUSH" } });
    await broker.connect().send("T", "first");
    let open = (): void => {};
    storage.syncGate = new Promise((resolve) => {
      open = resolve;
    });
    return { broker, open };
  }

  /** Sends without waiting for answers, and tells those that came while the disk was closed. */
  async function flood(client: RemotingClient, count: number, bytes: number) {
    const early: Answer[] = [];
    const all = Array.from({ length: count }, () => client.trySend("T", new Uint8Array(bytes)));
    for (const one of all) void one.then((answer) => early.push(answer));
    await settled();
    return { early: [...early], all };
  }

  test("of one connection: SYSTEM_BUSY names the rule, others go on, and so does it once the disk does", async () => {
    const { broker, open } = await withClosedDisk({ requestBytesMax: 64 * 1024 });
    const client = broker.connect();
    const { early, all } = await flood(client, 100, 10);
    expect(new Set(early.map(({ code }) => code))).toEqual(new Set([2]));
    expect(early.length).toBe(100 - 64);
    expect(early[0]!.remark).toMatch(/^\[OVERLOAD\]system busy, .* of this connection .*requestBytesMax: 65536/);
    // Its own pulls and heartbeats as well: consumers share the connection.
    expect((await client.pull("G", "T", 0, 0, { subscription })).code).toBe(0);
    const other = broker.connect().trySend("T", "other");
    open();
    expect((await other).code).toBe(0);
    const codes = (await Promise.all(all)).map(({ code }) => code);
    expect(codes.filter((code) => code === 0).length).toBe(64);
    expect((await client.trySend("T", "again")).code).toBe(0);
  });

  test("count by what they bring, once that is more than they cost in any case", async () => {
    const { broker, open } = await withClosedDisk({ requestBytesMax: 64 * 1024 });
    const { early } = await flood(broker.connect(), 100, 8_000);
    expect(early.length).toBe(100 - 8);
    open();
  });

  test("of all connections", async () => {
    const { broker, open } = await withClosedDisk({ requestBytesMax: 32 * 1024, requestBytesTotalMax: 64 * 1024 });
    for (let i = 0; i < 2; i++) expect((await flood(broker.connect(), 32, 10)).early).toEqual([]);
    const { early } = await flood(broker.connect(), 1, 10);
    expect(early[0]).toMatchObject({ code: 2, remark: expect.stringMatching(/^\[OVERLOAD\].*requestBytesTotalMax/) });
    expect(broker.logged.filter((line) => line.includes("requests are refused")).length).toBe(1);
    open();
  });

  test("of a connection that is gone are counted until their work is done, and no longer", async () => {
    const { broker, open } = await withClosedDisk({ requestBytesMax: 32 * 1024, requestBytesTotalMax: 32 * 1024 });
    const gone = broker.connect();
    for (let i = 0; i < 16; i++) gone.oneway(310, sendFields("T"), new Uint8Array(10));
    await flood(gone, 16, 10);
    gone.close();
    await settled();
    expect((await broker.connect().trySend("T", "m")).code).toBe(2);
    open();
    await settled();
    expect((await broker.connect().trySend("T", "m")).code).toBe(0);
  });
});

describe("held pulls", () => {
  test("beyond those of one connection are answered at once, and others are held", async () => {
    const broker = await start({ heldPullsMax: 100, heldPullsPerConnectionMax: 10 }, new MemoryLogStorage());
    const client = broker.connect();
    await client.send("T", "m");
    const hold = (from: RemotingClient) => from.pull("G", "T", 0, 1, { subscription, suspendMs: 20_000 });
    const held = Array.from({ length: 10 }, () => hold(client));
    expect((await hold(client)).code).toBe(19);
    const other = hold(broker.connect());
    await client.send("T", "next");
    expect((await Promise.all([...held, other])).map(({ code }) => code)).toEqual(Array(11).fill(0));
  });

  test("beyond those of all connections are answered at once; those of a closed one are room again", async () => {
    const broker = await start({ heldPullsMax: 10 }, new MemoryLogStorage());
    const client = broker.connect();
    await client.send("T", "m");
    for (let i = 0; i < 10; i++) void client.pull("G", "T", 0, 1, { subscription, suspendMs: 20_000 });
    const other = broker.connect();
    expect((await other.pull("G", "T", 0, 1, { subscription, suspendMs: 20_000 })).code).toBe(19);
    client.close();
    await settled();
    const held = other.pull("G", "T", 0, 1, { subscription, suspendMs: 20_000 });
    expect(await Promise.race([held, settled()])).toBeUndefined();
  });
});

test("pulls that have to be fetched wait for their turn, and all get it", async () => {
  const storage = new WaitingStorage();
  // No record fits into a window: every one has to be fetched.
  const store = { flushIntervalConsumeQueueMs: 1, logWindowBytes: 64 };
  const broker = await start({ readsAtOnceMax: 3 }, storage, { store });
  const client = broker.connect();
  for (let i = 0; i < 5; i++) await client.send("T", `m${i}`);
  let reading = 0;
  let most = 0;
  const read = storage.read.bind(storage);
  storage.read = async (file, at, into) => {
    most = Math.max(most, ++reading);
    await new Promise((resolve) => setTimeout(resolve, 2));
    reading--;
    return read(file, at, into);
  };
  const gone = broker.connect();
  const pulls = Array.from({ length: 30 }, () => client.pull("G", "T", 0, 0, { subscription, maxMessages: 1 }));
  for (let i = 0; i < 10; i++) void gone.pull("G", "T", 0, 0, { subscription, maxMessages: 1 });
  gone.close();
  pulls.push(
    ...Array.from({ length: 10 }, () => broker.connect().pull("G", "T", 0, 0, { subscription, maxMessages: 1 })),
  );
  const answers = await Promise.all(pulls);
  expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([0]));
  expect(most).toBe(3);
});

describe("what clients bring into being", () => {
  test("queues with messages: SYSTEM_ERROR, and those that are there go on", async () => {
    const broker = await start({ queuesMax: 3 }, new MemoryLogStorage());
    const client = broker.connect();
    for (let queueId = 0; queueId < 3; queueId++) await client.send("T", "m", { queueId });
    const refused = await client.trySend("T", "m", { queueId: 3 });
    expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("has its 3 queues") });
    await client.send("T", "m", { queueId: 2 });
  });

  test("topics: SYSTEM_ERROR", async () => {
    const broker = await start({ topicsMax: 20 }, new MemoryLogStorage());
    const client = broker.connect();
    const answers: Answer[] = [];
    for (let i = 0; i < 20; i++) answers.push(await client.trySend(`T${i}`, "m"));
    expect(answers[0]!.code).toBe(0);
    expect(answers.at(-1)).toMatchObject({ code: 1, remark: expect.stringContaining("has its 20 topics") });
  });

  test("groups: SYSTEM_ERROR", async () => {
    const broker = await start({ subscriptionGroupsMax: 12 }, new MemoryLogStorage());
    const client = broker.connect();
    await client.send("T", "m");
    const codes: number[] = [];
    for (let i = 0; i < 12; i++) codes.push((await client.pull(`G${i}`, "T", 0, 0, { subscription })).code);
    expect(codes[0]).toBe(0);
    const refused = await client.pull("One-more", "T", 0, 0, { subscription });
    expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("has its 12 groups") });
  });

  test("offsets: SYSTEM_ERROR", async () => {
    const broker = await start({ consumerOffsetsMax: 2 }, new MemoryLogStorage());
    const client = broker.connect();
    await client.send("T", "m");
    const commit = (group: string) =>
      client.pull(group, "T", 0, 0, { subscription, commit: 0 }).then(({ code, remark }) => ({ code, remark }));
    expect([(await commit("A")).code, (await commit("B")).code, (await commit("A")).code]).toEqual([0, 0, 0]);
    expect(await commit("C")).toMatchObject({ code: 1, remark: expect.stringContaining("keeps its 2 offsets") });
  });

  test("groups of one client: INVALID_PARAMETER, as producer and as consumer", async () => {
    const broker = await start({}, new MemoryLogStorage());
    const client = broker.connect();
    const names = Array.from({ length: groupsPerClientMax + 1 }, (_, i) => `G${i}`);
    for (const kind of ["producerDataSet", "consumerDataSet"] as const) {
      const groups = names.map((groupName) => ({ groupName, subscriptionDataSet: [] }));
      const answer = await client.request(34, {}, { clientID: "c", [kind]: groups });
      expect(answer).toMatchObject({ code: 29, remark: expect.stringContaining(`${groupsPerClientMax} `) });
    }
  });

  test("members of groups, over all clients: SYSTEM_ERROR; who leaves makes room", async () => {
    const broker = await start({ groupMembersMax: 4 }, new MemoryLogStorage());
    const clients = [broker.connect(1), broker.connect(2)];
    const join = (client: RemotingClient, ...groups: string[]) =>
      client.request(
        34,
        {},
        {
          clientID: "c",
          producerDataSet: [{ groupName: groups[0]! }],
          consumerDataSet: groups.map((groupName) => ({ groupName, subscriptionDataSet: [] })),
        },
      );
    succeeded(await join(clients[0]!, "A", "B"));
    const refused = await join(clients[1]!, "A", "B");
    expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("its 4 members of groups") });
    // Again and again, a member is one.
    for (let i = 0; i < 5; i++) succeeded(await join(clients[0]!, "A", "B"));
    clients[1]!.close();
    clients[0]!.close();
    await settled();
    succeeded(await join(broker.connect(3), "A", "B"));
  });

  test("subscriptions: SYSTEM_ERROR, and the group keeps those it has", async () => {
    const broker = await start({ subscriptionBytesMax: 20_000 }, new MemoryLogStorage());
    const client = broker.connect();
    await client.send("T", "m");
    await client.consume("G", { T: "*" });
    const long = "tag".repeat(5_000);
    await expect(client.consume("G", { T: "*", U: long }, { version: 2 })).rejects.toThrow(/answered 1: .*20000 bytes/);
    expect((await client.pull("G", "T", 0, 0)).code).toBe(0);
    // What is replaced, and what goes with its last member, is room again.
    for (let version = 3; version < 20; version++) {
      await client.consume("G", { T: "*", U: `${version}`.repeat(2_000) }, { version });
    }
    client.close();
    await settled();
    await broker.connect().consume("H", { U: "t".repeat(9_000) });
  });
});

test("a frame that does not end for too long closes its connection, byte by byte or not", async () => {
  const time = { ms: 0 };
  const scheduler = new TimerScheduler();
  const broker: RunningBroker = await startBroker(
    {
      storage: new MemoryLogStorage(),
      clock: { now: () => Date.now(), monotonic: () => time.ms },
      scheduler,
      entropy: { random: () => 0.5 },
      telemetry: silentTelemetry,
      coreModule: await loadCoreModule(),
    },
    {
      brokerName: "broker-a",
      clusterName: "DefaultCluster",
      storeHost: { address: "127.0.0.1", port: 10911 },
      brokerAddress: () => "127.0.0.1:10911",
    },
  );
  running.push({
    async stop() {
      await broker.stop();
      scheduler.stop();
    },
  });
  const frame = requestFrame(105, 1, 0, { topic: "TBW102" });
  const open = () => {
    const peer = { isClosed: false, frames: 0 };
    const wire = openInProcess(broker, {
      received: () => {
        peer.frames++;
      },
      closed: () => {
        peer.isClosed = true;
      },
    });
    return { peer, wire };
  };
  const slow = open();
  const busy = open();
  for (let at = 0; at < 20; at++) {
    slow.wire.send([frame.subarray(at, at + 1)]);
    // Always in the middle of one, but never long of the same.
    busy.wire.send([frame.subarray(frame.length / 2)].slice(at === 0 ? 1 : 0));
    busy.wire.send([frame.subarray(0, frame.length / 2)]);
    await settled();
    time.ms += frameMsMax / 15;
  }
  expect(slow.peer.isClosed).toBe(true);
  expect(busy.peer).toEqual({ isClosed: false, frames: 19 });
});

function sendFields(topic: string): object {
  return { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" };
}
