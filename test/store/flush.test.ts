import { afterEach, describe, expect, test } from "vitest";
import { WasmqError } from "../../src/ports/error.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { messagesOf, type RemotingClient } from "../lib/remoting-client.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  // A broker whose storage has failed says so when it is stopped; what it promised is checked above.
  for (const broker of running.splice(0)) await broker.stop().catch(() => {});
});

async function start(flushDiskType: "ASYNC_FLUSH" | "SYNC_FLUSH") {
  const broker = await MemoryBroker.start(
    {
      store: {
        flushDiskType,
        mappedFileSizeCommitLog: 8192,
        mappedFileSizeConsumeQueue: 1000,
        flushIntervalConsumeQueueMs: 50,
        flushConsumeQueueThoroughIntervalMs: 100,
      },
    },
    new WaitingStorage(),
  );
  running.push(broker);
  return { broker, storage: broker.storage, client: broker.connect() };
}

/** True once nothing more happens by itself. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

describe("SYNC_FLUSH", () => {
  test("a send is answered, and its message seen, only after the sync", async () => {
    const { storage, client } = await start("SYNC_FLUSH");
    await client.send("T", "m0");
    let open = (): void => {};
    storage.syncGate = new Promise((resolve) => {
      open = resolve;
    });
    const answered: string[] = [];
    const sends = ["m1", "m2"].map((body) => client.send("T", body).then(() => answered.push(body)));
    await settled();
    expect(answered).toEqual([]);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body)).toEqual([
      "m0",
    ]);
    open();
    await Promise.all(sends);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(3);
  });

  test("all that comes during a sync shares the next one", async () => {
    const { storage, client } = await start("SYNC_FLUSH");
    await client.send("T", "m0");
    const before = storage.syncs;
    let open = (): void => {};
    storage.syncGate = new Promise((resolve) => {
      open = resolve;
    });
    const first = client.send("T", "m1");
    await settled();
    const more = Array.from({ length: 50 }, (_, i) => client.send("T", `m${i + 2}`));
    await settled();
    open();
    await Promise.all([first, ...more]);
    // Two of the senders', and those of the timers meanwhile.
    expect(storage.syncs - before).toBeLessThanOrEqual(8);
  });

  test("a sync that began before a write is not relied upon", async () => {
    const { storage, client } = await start("SYNC_FLUSH");
    await client.send("T", "m0");
    // The timer's thorough flush and senders' groups overlap all the time: no answer may come before a sync of its own.
    const syncMs = 40;
    storage.syncMs = syncMs;
    const waits: number[] = [];
    const until = performance.now() + 2_500;
    while (performance.now() < until) {
      const startedAt = performance.now();
      await client.send("T", "m");
      waits.push(performance.now() - startedAt);
    }
    expect(waits.length).toBeGreaterThan(10);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(syncMs - 2);
  });

  test("what a full disk has left is wiped, and that synced, while no other sync of the log is under way", async () => {
    const { storage, client } = await start("SYNC_FLUSH");
    await client.send("T", "m0");
    let open = (): void => {};
    storage.syncGate = new Promise((resolve) => {
      open = resolve;
    });
    const first = client.send("T", "m1");
    await settled();
    storage.failure = new WasmqError("STORE_FULL", "no room");
    expect((await client.trySend("T", "refused")).code).toBe(14);
    storage.failure = undefined;
    const second = client.send("T", "m2");
    await settled();
    open();
    await Promise.all([first, second]);
    expect(storage.logSyncsAtOnce).toBe(1);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body)).toEqual([
      "m0",
      "m1",
      "m2",
    ]);
  });

  test("after a failed sync nothing is acked, nothing taken, and what was kept is still served", async () => {
    const { storage, client, broker } = await start("SYNC_FLUSH");
    await client.send("T", "m0");
    storage.failure = new Error("EIO: the disk is gone");
    const refused = await client.trySend("T", "m1");
    expect(refused).toMatchObject({ code: 14, remark: expect.stringMatching(/the disk is gone/) });
    storage.failure = undefined;
    expect((await client.trySend("T", "m2")).code).toBe(14);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body)).toEqual([
      "m0",
    ]);
    await expect(broker.stop()).rejects.toThrow(/the disk is gone/);
    expect(storage.inner.files.has("abort")).toBe(true);
  });
});

describe.each(["SYNC_FLUSH", "ASYNC_FLUSH"] as const)("a full disk, %s", (mode) => {
  const full = new WasmqError("STORE_FULL", "no room");

  test("refuses messages, keeps those that are there, and takes messages again when there is room", async () => {
    const { storage, client, broker } = await start(mode);
    const kept: string[] = [];
    const send = async (body: string) => {
      const answer = await client.trySend("T", body.padEnd(500, "."));
      if (answer.code === 0) kept.push(body);
      else expect(answer).toMatchObject({ code: 14, remark: expect.stringContaining("the disk is full") });
      return answer.code;
    };
    await send("first");
    // Files of 8 KB: the disk is full in the middle of one, at its end, and while the next one is made.
    for (let round = 0; round < 20; round++) {
      storage.failure = full;
      expect(await Promise.all([send(`refused ${round} a`), send(`refused ${round} b`)])).toEqual([14, 14]);
      storage.failure = undefined;
      if (round % 3 === 0) storage.createFailure = full;
      expect([0, 14]).toContain(await send(`near ${round}`));
      storage.createFailure = undefined;
      const codes = await Promise.all(Array.from({ length: 1 + (round % 5) }, (_, i) => send(`kept ${round} ${i}`)));
      expect(new Set(codes)).toEqual(new Set([0]));
    }
    const read = async (from: RemotingClient) => {
      const bodies: string[] = [];
      for (let offset = 0; offset < kept.length; ) {
        const answer = await from.pull("G", "T", 0, offset, { subscription: "*" });
        bodies.push(...messagesOf(answer).map(({ body }) => body.replace(/\.+$/, "")));
        offset = Number(answer.fields["nextBeginOffset"]);
      }
      return bodies;
    };
    expect(await read(client)).toEqual(kept);
    const afterCrash = await MemoryBroker.start(
      { store: { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 1000 } },
      copyOf(storage.inner),
    );
    expect(await read(afterCrash.connect())).toEqual(kept);
    await afterCrash.stop();
    await broker.stop();
    expect(storage.inner.files.has("abort")).toBe(false);
  });
});

describe("ASYNC_FLUSH", () => {
  test("a stop whose sync fails ends when the next owner is left word of it", async () => {
    const { storage, client, broker } = await start("ASYNC_FLUSH");
    await client.send("T", "m0");
    storage.syncFailsFor = /^commitlog/;
    await client.send("T", "m1");
    await expect(broker.stop()).rejects.toThrow(/could not be flushed/);
    const files = new Set(storage.inner.files.keys());
    expect([files.has("unsynced"), files.has("abort")]).toEqual([true, true]);
  });

  test("a send is answered after the write, whatever the syncs do", async () => {
    const { storage, client } = await start("ASYNC_FLUSH");
    // A topic's first message waits for topics.json to be kept.
    await client.send("T", "m0");
    let open = (): void => {};
    storage.syncGate = new Promise((resolve) => {
      open = resolve;
    });
    for (let i = 1; i < 5; i++) await client.send("T", `m${i}`);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(5);
    open();
  });

  test("after a failed write nothing is acked and nothing taken", async () => {
    const { storage, client } = await start("ASYNC_FLUSH");
    await client.send("T", "m0");
    storage.failure = new Error("ENOSPC: no space left");
    const all = await Promise.all(["m1", "m2", "m3"].map((body) => client.trySend("T", body)));
    expect(all.map(({ code }) => code)).toEqual([14, 14, 14]);
    storage.failure = undefined;
    expect((await client.trySend("T", "m4")).code).toBe(14);
    expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body)).toEqual([
      "m0",
    ]);
  });

  test("ConsumeQueues that could not be written are written later, and a clean stop leaves them whole", async () => {
    const { storage, client, broker } = await start("ASYNC_FLUSH");
    await client.send("T", "m0");
    storage.failsFor = /^consumequeue/;
    for (let i = 1; i < 300; i++) await client.send("T", `m${i}`);
    await settled();
    await settled();
    expect(messagesOf(await client.pull("G", "T", 0, 250, { subscription: "*" })).length).toBe(32);
    storage.failsFor = undefined;
    await broker.stop();
    expect(storage.inner.files.has("abort")).toBe(false);
    const unit = new Uint8Array(20);
    const last = storage.inner.readNow("consumequeue/T/0/00000000000000005000", 49 * 20, unit);
    expect([last, unit.some((byte) => byte !== 0)]).toEqual([20, true]);
  });

  test("a stop during a flush still leaves every ConsumeQueue whole", async () => {
    for (let round = 0; round < 5; round++) {
      const { storage, client, broker } = await start("ASYNC_FLUSH");
      for (let i = 0; i < 60 + round * 7; i++) await client.send("T", `m${i}`);
      await new Promise((resolve) => setTimeout(resolve, 20 * round));
      await client.send("T", "last");
      await broker.stop();
      const units = 61 + round * 7;
      const unit = new Uint8Array(20);
      const file = `consumequeue/T/0/${String(Math.floor((units - 1) / 50) * 1000).padStart(20, "0")}`;
      storage.inner.readNow(file, ((units - 1) % 50) * 20, unit);
      expect(
        unit.some((byte) => byte !== 0),
        `round ${round}`,
      ).toBe(true);
      expect(storage.inner.files.has("abort")).toBe(false);
    }
  });

  test("after a failed sync of a ConsumeQueue the store is not marked as cleanly stopped", async () => {
    const { storage, client, broker } = await start("ASYNC_FLUSH");
    storage.syncFailsFor = /^consumequeue/;
    await client.send("T", "m0");
    await expect.poll(() => storage.failedSyncs, { timeout: 10_000 }).toBeGreaterThan(0);
    storage.syncFailsFor = undefined;
    await client.send("T", "m1");
    await broker.stop();
    expect(storage.inner.files.has("abort")).toBe(true);
  });

  test("many messages over many files on a storage that is never ready at once", async () => {
    const { client } = await start("ASYNC_FLUSH");
    const sends = Array.from({ length: 300 }, (_, i) => client.send("T", `m${i}`.padEnd(200, "x"), { queueId: i % 2 }));
    const answers = await Promise.all(sends);
    expect(new Set(answers.map(({ fields }) => `${fields["queueId"]}/${fields["queueOffset"]}`)).size).toBe(300);
    let found = 0;
    for (const queueId of [0, 1]) {
      for (let offset = 0; offset < 150; ) {
        const answer = await client.pull("G", "T", queueId, offset, { subscription: "*" });
        expect(answer.code).toBe(0);
        found += messagesOf(answer).length;
        offset = Number(answer.fields["nextBeginOffset"]);
      }
    }
    expect(found).toBe(300);
  });

  test("more than memory may hold waits for no storage: SYSTEM_BUSY, and nothing is lost", async () => {
    const { client } = await start("ASYNC_FLUSH");
    await client.send("U", "first");
    const body = new Uint8Array(7_000);
    const answers = await Promise.all(Array.from({ length: 4_000 }, () => client.trySend("U", body)));
    const codes = new Set(answers.map(({ code }) => code));
    expect([...codes].sort()).toEqual([0, 2]);
    const kept = answers.filter(({ code }) => code === 0).length;
    const max = await client.request(30, { topic: "U", queueId: "0" });
    expect(Number(max.fields["offset"])).toBe(kept + 1);
  });
});
