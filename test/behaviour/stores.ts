import { beforeEach, describe, expect, test } from "vitest";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { type GoldenStore, goldenFile, goldenPaths, goldenSettings } from "../golden/golden.ts";
import type { RemotingClient } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { queried } from "./queries.ts";
import { all, bodies, fill, upTo } from "./queues.ts";
import { connect, killed, restarted, type Start } from "./start.ts";
import { deleteAll, exists, namesIn, putFile, readFile } from "./store-files.ts";

const small = { store: { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 1000 } };
const log = "commitlog/00000000000000000000";

/** Stores that Apache or an accident has left: read, or refused with the reason. */
export function describeStores(start: Start): void {
  let broker: HostedBroker;
  let client: RemotingClient;

  beforeEach(async () => {
    ({ broker, client } = await start(small));
  });

  describe("what Apache leaves behind", () => {
    test.each([["a clean stop"], ["a crash"]])(
      "bytes of records that it had cut off stay cut off after %s",
      async (end) => {
        for (let i = 0; i < 10; i++) await client.send("T", `old${i}`.padEnd(100, "x"));
        const old = await all(client, "T");
        // Apache finds m4 damaged, ends the log there, stores one shorter message, and stops cleanly: all later bytes are stale.
        const cut = old[4]!.physicalOffset;
        const stale = old[6]!.physicalOffset;
        let rest = new Uint8Array(0);
        const apache = await killed(broker, async (storage) => {
          rest = (await readFile(storage, log, stale)).slice();
          await storage.write([{ file: log, at: cut, bytes: new Uint8Array(8192 - cut) }]);
        });
        await apache.send("T", "new");
        expect(stale).toBeGreaterThan(cut + 160);
        const after = await restarted(broker, async (storage) => {
          await storage.write([{ file: log, at: stale, bytes: rest }]);
          if (end === "a crash") await storage.create("abort", 1);
        });
        const kept = (await all(after, "T")).map(({ body }) => body.replaceAll("x", ""));
        expect(kept).toEqual(["old0", "old1", "old2", "old3", "new"]);
      },
    );

    test("folders beside its files are left alone", async () => {
      const again = await restarted(broker, async (storage) => {
        await storage.create("commitlog/lost+found/x", 5);
        await storage.create("index/20261122172523614", 8440);
        await storage.create("timerwheel", 100);
      });
      await fill(again, 3);
      await broker.stop();
      const sizes = await broker.files(async (storage) =>
        (await storage.list("index")).map(({ sizeBytes }) => sizeBytes),
      );
      // One of another geometry, and the broker's own.
      expect(sizes).toContain(8440);
      expect(sizes).toHaveLength(2);
    });

    test("its unquoted keys are read", async () => {
      const again = await restarted(broker, (storage) =>
        putFile(storage, "config/consumerOffset.json", '{"offsetTable":{"T@G":{0:10,1:11},"%RETRY%G@G":{0:1}}}'),
      );
      const query = { consumerGroup: "G", topic: "T", queueId: "1" };
      expect((await again.request(14, query)).fields["offset"]).toBe("11");
    });

    test("a null among the saved offsets is none", async () => {
      await restarted(broker, (storage) =>
        putFile(storage, "config/consumerOffset.json", '{"offsetTable":{"a@b":null}}'),
      );
      expect(broker.logged.filter((line) => line.startsWith("error"))).toEqual([]);
    });
  });

  describe("a store that is none", () => {
    test.each([
      [
        "a file of another size",
        (s: LogStorage) => s.create(log, 8191),
        /8191 bytes.*opened with mappedFileSizeCommitLog in a broker\.conf/,
      ],
      ["a stray file", (s: LogStorage) => s.create("commitlog/notes.txt", 5), /notes\.txt is no file of a CommitLog/],
      ["a gap", (s: LogStorage) => s.create("commitlog/00000000000000024576", 8192), /does not follow/],
      [
        "a queue file of another size",
        (s: LogStorage) => s.create("consumequeue/T/0/00000000000000000000", 20),
        /20 bytes.*opened with mappedFileSizeConsumeQueue in a broker\.conf/,
      ],
      ["no log to its queues", (s: LogStorage) => s.delete(log), /no CommitLog/],
      ["a log of something else", overwrite, /it is no CommitLog/],
      ["torn topics", (s: LogStorage) => s.create("config/topics.json", 40), /topics\.json/],
    ])("is refused with its reason: %s", async (what, spoil, reason) => {
      if (/gap|queues|else/.test(what)) await fill(client, 1);
      await broker.stop();
      await broker.files(async (storage) => {
        if (what === "torn topics") await deleteAll(storage, "config/topics");
        await spoil(storage);
      });
      await expect(broker.start()).rejects.toThrow(reason);
    });

    test("a torn first write behind all that was flushed, which retention took, is cut off", async () => {
      await fill(client, 4);
      const after = await restarted(broker, async (storage) => {
        const torn = (await readFile(storage, log)).slice(0, 60);
        await storage.delete(log);
        await storage.create("commitlog/00000000000000008192", 8192);
        await storage.write([{ file: "commitlog/00000000000000008192", at: 0, bytes: torn }]);
        await storage.create("abort", 1);
      });
      expect(broker.logged.join()).toMatch(/a torn tail of the CommitLog was cut off/);
      const sent = await after.send("T", "next");
      expect(Number.parseInt(sent.fields["msgId"]!.slice(-16), 16)).toBe(8192);
      const offset = Number(sent.fields["queueOffset"]);
      // The queue goes on behind m0 and m3.
      expect(offset).toBe(2);
      expect((await after.pull("G", "T", 0, offset, { subscription: "*" })).code).toBe(0);
    });

    test("once refused, opens when it is put right", async () => {
      await fill(client, 4);
      await broker.stop();
      await broker.files((storage) => storage.create("commitlog/notes.txt", 5));
      await expect(broker.start()).rejects.toMatchObject({ message: expect.stringContaining("notes.txt") });
      await broker.files((storage) => storage.delete("commitlog/notes.txt"));
      await broker.start();
      expect(await bodies(await connect(broker))).toEqual(upTo(4));
    });

    test("a torn config file is replaced by the version before it", async () => {
      await client.send("T", "m0");
      await client.send("U", "m0");
      const after = await restarted(broker, async (storage) => {
        expect(await exists(storage, "config/topics.json.bak")).toBe(true);
        await storage.delete("config/topics.json");
        await storage.create("config/topics.json", 300);
      });
      expect(await all(after, "T")).toMatchObject([{ body: "m0" }]);
      expect(broker.logged.join()).toMatch(/the version before it is used/);
    });
  });

  describe("Apache's own store (test/golden)", () => {
    /** Topics whose ConsumeQueues have other units than ours: queues beside the main one. */
    const others = /^%LMQ%/;

    /** A broker that was started on these folders of Apache's store. */
    async function withFiles(store: GoldenStore, folders: readonly string[]) {
      const settings = goldenSettings(store);
      const sizes = {
        mappedFileSizeCommitLog: settings["mappedFileSizeCommitLog"]!,
        mappedFileSizeConsumeQueue: settings["mappedFileSizeConsumeQueue"]!,
        mapperFileSizeBatchConsumeQueue: settings["mapperFileSizeBatchConsumeQueue"]!,
        maxHashSlotNum: settings["maxHashSlotNum"]!,
        maxIndexNum: settings["maxIndexNum"]!,
      };
      // Its timer messages, long due, would be delivered.
      const golden = (await start({ store: sizes, rules: { timerWheelEnable: false } })).broker;
      const client = await restarted(golden, async (storage) => {
        await deleteAll(
          storage,
          "commitlog/",
          "consumequeue/",
          "batchconsumequeue/",
          "config/",
          "index/",
          "checkpoint",
        );
        for (const path of folders.flatMap((folder) => goldenPaths(store, folder))) {
          await putFile(storage, path.slice(store.length + 1), goldenFile(path));
        }
        // Its one delayed message, long due, counts as delivered: the log is to stay as it is.
        await putFile(storage, "config/delayOffset.json", '{"offsetTable":{3:1}}');
      });
      return { golden, client };
    }

    /** What is in its files after a stop. */
    async function opened(store: GoldenStore, folders: readonly string[], names: readonly string[]) {
      const { golden } = await withFiles(store, folders);
      await golden.stop();
      return golden.files((storage) => Promise.all(names.map((name) => readFile(storage, name))));
    }

    /** The same of all files of a folder, in the order of their names. */
    async function openedFolder(store: GoldenStore, folders: readonly string[], folder: string) {
      const { golden } = await withFiles(store, folders);
      await golden.stop();
      return golden.files(async (storage) =>
        Promise.all((await namesIn(storage, folder)).map((name) => readFile(storage, name))),
      );
    }

    test.each(["store", "store_crc", "store_lmq", "store_timer", "store_index"] as const)(
      "%s: the queues made of its CommitLog are Apache's, byte for byte",
      async (store) => {
        const folders = ["consumequeue", "batchconsumequeue"];
        const queues = folders
          .flatMap((folder) => goldenPaths(store, folder))
          .filter((path) => !others.test(path.split("/")[2]!));
        expect(queues.length).toBeGreaterThan(0);
        const names = queues.map((path) => path.slice(store.length + 1));
        const ours = await opened(store, ["commitlog"], names);
        for (const [index, path] of queues.entries()) expect(ours[index], path).toEqual(goldenFile(path));
      },
    );

    test.each(["store", "store_crc", "store_lmq", "store_timer", "store_index"] as const)(
      "%s: the IndexFiles made of its CommitLog are Apache's, byte for byte",
      async (store) => {
        const paths = goldenPaths(store, "index");
        expect(paths.length).toBeGreaterThan(store === "store_index" ? 2 : 0);
        const folder = await openedFolder(store, ["commitlog"], "index");
        expect(folder).toEqual(paths.map(goldenFile));
      },
    );

    test("messages that Apache stored are found by key and by tag", async () => {
      const { golden, client } = await withFiles("store", ["commitlog"]);
      expect(await queried(client, "TopicA", "k2")).toEqual(["with-tags"]);
      expect(await queried(client, "TopicA", "TagB", { indexType: "T" })).toEqual(["batch0", "batch1", "batch2"]);
      await golden.stop();
    });

    test.each(["store", "store_ext", "store_lmq", "store_index"] as const)(
      "%s opens as it is, and its log, queues and index stay as they are",
      async (store) => {
        // With the extension that units of the second have addresses in.
        const folders = ["commitlog", "consumequeue", "batchconsumequeue", "consumequeue_ext", "index"];
        const paths = folders.flatMap((folder) => goldenPaths(store, folder));
        const names = paths.map((path) => path.slice(store.length + 1));
        const ours = await opened(store, folders, names);
        for (const [index, path] of paths.entries()) expect(ours[index], path).toEqual(goldenFile(path));
      },
    );
  });
}

async function overwrite(storage: LogStorage): Promise<void> {
  await storage.write([{ file: log, at: 0, bytes: new Uint8Array(8192).fill(7) }]);
  await deleteAll(storage, "consumequeue/");
}
