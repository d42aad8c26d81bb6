import { beforeEach, describe, expect, test } from "vitest";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { messagesOf, type RemotingClient } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { all, bodies, fill, upTo } from "./queues.ts";
import { connect, killed, restarted, type Start } from "./start.ts";
import { deleteAll, exists, flip, namesIn, readFile } from "./store-files.ts";

const segmentBytes = 8192;

/** Small files, so that every boundary is met early: some 20 records a CommitLog file, 50 units a ConsumeQueue file. */
const small = { store: { mappedFileSizeCommitLog: segmentBytes, mappedFileSizeConsumeQueue: 1000 } };

const segments = (storage: LogStorage): Promise<string[]> => namesIn(storage, "commitlog");

/** Spoils a record in the middle of its body. */
async function damage(storage: LogStorage, physicalOffset: number): Promise<void> {
  const file = (await segments(storage))[Math.floor(physicalOffset / segmentBytes)]!;
  await flip(storage, file, (physicalOffset % segmentBytes) + 90);
}

export function describeRecovery(start: Start): void {
  let broker: HostedBroker;
  let client: RemotingClient;

  beforeEach(async () => {
    ({ broker, client } = await start(small));
  });

  describe("a clean stop", () => {
    test("leaves everything, and the queues go on where they were", async () => {
      await fill(client, 150);
      await client.consume("G", { T: "*" });
      await client.request(15, { consumerGroup: "G", topic: "T", queueId: "1", commitOffset: "7" });
      const again = await restarted(broker, async (storage) => {
        expect(await exists(storage, "abort")).toBe(false);
        expect((await segments(storage)).length).toBeGreaterThan(3);
      });
      expect(await bodies(again)).toEqual(upTo(150));
      const committed = await again.request(14, { consumerGroup: "G", topic: "T", queueId: "1" });
      expect(committed.fields["offset"]).toBe("7");
      expect((await again.send("T", "m150")).fields["queueOffset"]).toBe("50");
      expect(await bodies(again)).toEqual(upTo(151));
    });

    test("ends the connections of those who are connected, and answers what was asked before", async () => {
      const asked = client.send("T", "last");
      await client.send("T", "m0");
      const held = client.pull("G", "T", 0, 9, { suspendMs: 20_000, subscription: "*" });
      await asked;
      await broker.stop();
      // An answer or the end of the connection: never nothing.
      expect((await held).code).not.toBe(0);
      await broker.start();
      expect((await all(await connect(broker), "T")).map(({ body }) => body)).toEqual(["last", "m0"]);
    });

    test("of Apache's that left a unit out (store-format.md, trap 2) loses nothing", async () => {
      await fill(client, 10);
      const again = await restarted(broker, async (storage) => {
        const queue = "consumequeue/T/0/00000000000000000000";
        await storage.write([{ file: queue, at: 3 * 20, bytes: new Uint8Array(20) }]);
      });
      expect(await bodies(again)).toEqual(upTo(10));
    });

    test("again and again loses nothing and adds nothing", async () => {
      let sender = client;
      for (let count = 0; count < 30; count += 5) {
        for (let i = count; i < count + 5; i++) await sender.send("T", `m${i}`, { queueId: i % 3 });
        sender = await restarted(broker);
        expect(await bodies(sender)).toEqual(upTo(count + 5));
      }
    });
  });

  describe("a crash", () => {
    test.each([0, 1, 19, 60, 200])("after %i messages loses none", async (count) => {
      await fill(client, count);
      const again = await killed(broker, async (storage) => {
        expect(await exists(storage, "abort")).toBe(true);
      });
      if (count > 0) expect(await bodies(again)).toEqual(upTo(count));
      await again.send("T", `m${count}`, { queueId: count % 3 });
      expect(await bodies(again)).toEqual(upTo(count + 1));
    });

    test("in the middle of sends loses none that was answered", async () => {
      await client.send("T", "first");
      const answered: string[] = [];
      for (let round = 0; round < 4; round++) {
        const sender = await connect(broker);
        for (let i = 0; i < 100; i++) {
          const body = `${round}/${i}`.padEnd(60, "x");
          void sender.trySend("T", body).then(({ code }) => code === 0 && answered.push(body));
        }
        await expect.poll(() => answered.length, { interval: 1 }).toBeGreaterThan(round * 10);
        await broker.kill();
        const kept = [...answered];
        await broker.start();
        const found = new Set((await all(await connect(broker), "T")).map(({ body }) => body));
        expect(kept.filter((body) => !found.has(body))).toEqual([]);
      }
    });

    test("after an answer under SYNC_FLUSH loses nothing", async () => {
      const flushed = await start({ store: { ...small.store, flushDiskType: "SYNC_FLUSH" } });
      await fill(flushed.client, 45);
      expect(await bodies(await killed(flushed.broker))).toEqual(upTo(45));
    });

    test("again and again, with and without the ConsumeQueues and the checkpoint", async () => {
      let sender = client;
      let count = 0;
      for (let round = 0; round < 12; round++) {
        for (let i = 0; i < 17; i++) {
          await sender.send("T", `m${count}`, { queueId: count % 3 });
          count++;
        }
        expect(await bodies(sender)).toEqual(upTo(count));
        sender = await killed(broker, async (storage) => {
          if (round % 3 === 1) await deleteAll(storage, "consumequeue/");
          if (round % 4 === 1) await storage.delete("checkpoint");
        });
      }
      expect(await bodies(sender)).toEqual(upTo(count));
    });

    test("loses none of messages that are larger than what is read at a time", async () => {
      const { broker, client } = await start({ store: { mappedFileSizeCommitLog: 8 * 1024 * 1024 } });
      const sent = [100, 1_000_000, 1_048_576, 2_500_000, 5, 4 * 1024 * 1024].map((length, i) =>
        `${i}`.padEnd(length, "x"),
      );
      for (const body of sent) await client.send("T", body);
      const again = await killed(broker, (storage) => deleteAll(storage, "consumequeue/"));
      expect((await all(again, "T")).map(({ body }) => body.length)).toEqual(sent.map(({ length }) => length));
    });

    test("torn in the last record takes that one, and its bytes do not come back", async () => {
      await fill(client, 30);
      const sent = await client.send("T", "torn".padEnd(500, "x"), { queueId: 0 });
      const at = Number.parseInt(sent.fields["msgId"]!.slice(16), 16) % segmentBytes;
      let segment = "";
      await killed(broker, async (storage) => {
        segment = (await segments(storage)).at(-1)!;
        await storage.write([{ file: segment, at: at + 300, bytes: new Uint8Array(200) }]);
      });
      expect(await bodies(await connect(broker))).toEqual(upTo(30));
      expect(broker.logged.join()).toMatch(/torn tail/);
      const again = await killed(broker, async (storage) => {
        const rest = await readFile(storage, segment, at);
        expect(rest.length).toBe(segmentBytes - at);
        expect(rest.every((byte) => byte === 0)).toBe(true);
      });
      expect((await again.send("T", "m30", { queueId: 0 })).fields["msgId"]).toBe(sent.fields["msgId"]);
      expect(await bodies(again)).toEqual(upTo(31));
    });

    test("damage in the middle takes what is damaged, says so, and keeps the rest at its offsets", async () => {
      await fill(client, 90);
      const [, , victim] = await all(client, "T", 1);
      const again = await killed(broker, async (storage) => {
        await deleteAll(storage, "consumequeue/");
        await damage(storage, victim!.physicalOffset);
      });
      expect(broker.logged.join()).toMatch(/error: damaged bytes in the CommitLog are skipped/);
      const kept = await all(again, "T", 1);
      const rest = Array.from({ length: 27 }, (_, i) => i + 3);
      expect(kept.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, ...rest]);
      expect((await all(again, "T", 0)).length + (await all(again, "T", 2)).length).toBe(60);
      expect((await again.send("T", "next", { queueId: 1 })).fields["queueOffset"]).toBe("30");
    });

    test.each([3, 5, 9, 17, 33].flatMap((count) => [[count, "with"] as const, [count, "without"] as const]))(
      "damage in the middle of %i messages hides none before it, %s their ConsumeQueues",
      async (count, queues) => {
        for (let i = 0; i < count; i++) await client.send("T", `m${i}`);
        const victim = (await all(client, "T"))[Math.floor(count / 2)]!;
        const again = await killed(broker, async (storage) => {
          if (queues === "without") await deleteAll(storage, "consumequeue/");
          await damage(storage, victim.physicalOffset);
        });
        const kept = (await all(again, "T")).map(({ queueOffset }) => queueOffset);
        expect(kept).toEqual([...Array(count).keys()].filter((offset) => offset !== victim.queueOffset));
        for (const boundary of ["LOWER", "UPPER"]) {
          const fields = { topic: "T", queueId: "0", timestamp: "0", boundaryType: boundary };
          expect((await again.request(29, fields)).fields["offset"]).toBe("0");
        }
      },
    );

    test("of a log from which everything was damaged goes on where it was", async () => {
      await fill(client, 90);
      const cut = await killed(broker, async (storage) => {
        for (const name of (await segments(storage)).slice(0, 2)) await storage.delete(name);
        await deleteAll(storage, "consumequeue/");
      });
      const kept = await all(cut, "T", 1);
      expect(kept.length).toBeGreaterThan(0);
      const min = kept[0]!.queueOffset;
      expect(min).toBeGreaterThan(0);
      expect(kept.map(({ queueOffset }) => queueOffset)).toEqual(Array.from({ length: 30 - min }, (_, i) => i + min));
      const first = await cut.request(31, { topic: "T", queueId: "1" });
      expect(first.fields["offset"]).toBe(String(min));
      const again = await restarted(broker);
      expect((await all(again, "T", 1)).map(({ queueOffset }) => queueOffset)[0]).toBe(min);
    });

    test("damage met while reading is not served, and reported", async () => {
      await fill(client, 90);
      const [, victim] = await all(client, "T", 0);
      // After a clean stop only the end of the log is looked at: the damage is met by the pull.
      const again = await restarted(broker, (storage) => damage(storage, victim!.physicalOffset));
      const kept = (await all(again, "T", 0)).map(({ queueOffset }) => queueOffset);
      expect(kept).toEqual([0, ...Array.from({ length: 28 }, (_, i) => i + 2)]);
      expect(broker.logged.join()).toMatch(/a damaged record is not served/);
      expect((await again.request(33, { offset: String(victim!.physicalOffset) })).code).toBe(1);
    });

    test("leaves an empty file made in advance, as Apache does: it is taken away", async () => {
      await fill(client, 5);
      const again = await killed(broker, async (storage) => {
        await storage.create("commitlog/00000000000000008192", 8192);
        await storage.create("commitlog/00000000000000016384", 0);
      });
      expect(await bodies(again)).toEqual(upTo(5));
      await broker.stop();
      expect(await broker.files(segments)).toEqual(["commitlog/00000000000000000000"]);
    });

    test("delayed messages are delivered after it", async () => {
      const delayed = await start({ ...small, messageDelayLevel: "1s" });
      await delayed.client.send("T", "now");
      await delayed.client.send("T", "later", { queueId: 2, properties: { DELAY: "1" } });
      const again = await killed(delayed.broker, (storage) => deleteAll(storage, "consumequeue/"));
      const answer = await again.pull("G", "T", 2, 0, { subscription: "*", suspendMs: 5_000 });
      expect(messagesOf(answer).map(({ body }) => body)).toEqual(["later"]);
    });
  });
}
