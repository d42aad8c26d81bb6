/** What one owner of a store leaves unsynced, and the next builds on: on the simulator's disk, where such bytes are lost in all ways. */
import { describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { WasmqError } from "../../src/ports/error.ts";
import { encodeUtf8 } from "../../src/ports/text.ts";
import { DueQueue } from "../../src/store/due-queue.ts";
import { defaultStoreOptions, type StoreOptions } from "../../src/store/options.ts";
import { Segments } from "../../src/store/segments.ts";
import { Store } from "../../src/store/store.ts";
import { append } from "../simulator/crashes.ts";
import { type Disk, PagedDisk } from "../simulator/disk.ts";
import { Ledger } from "../simulator/ledger.ts";
import { entropyOf, IdleScheduler } from "../simulator/ports.ts";
import { Random } from "../simulator/random.ts";
import { SimulatedStorage, type StorageHooks } from "../simulator/storage.ts";
import { Tally } from "../simulator/tally.ts";

const coreModule = await loadCoreModule();
const options: StoreOptions = {
  ...defaultStoreOptions,
  mappedFileSizeCommitLog: 4_096,
  mappedFileSizeConsumeQueue: 200,
  flushConsumeQueueThoroughBytes: 1,
};
const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };

/** The same files after a death of their owner, who had synced all but some, and had yet to write a checkpoint, unless `kept` names it. */
function afterDeath<D extends Disk = Disk>(
  disk: Disk,
  unsynced: RegExp,
  kept = /^(?!checkpoint$)/,
  left: D = new PagedDisk() as Disk as D,
): D {
  left.create("abort", 4, 0);
  left.write([{ file: "abort", at: 0, bytes: encodeUtf8("4711") }], 0);
  for (const { name, sizeBytes } of disk.list("")) {
    if (!kept.test(name)) continue;
    const bytes = new Uint8Array(sizeBytes);
    disk.read(name, 0, bytes);
    left.create(name, sizeBytes, 0);
    left.write([{ file: name, at: 0, bytes }], 0);
    if (!unsynced.test(name)) left.endSync(left.beginSync([name]));
  }
  return left;
}

/** Of the index files from number `first` on, one is left, without a header. */
function loseIndexFrom(disk: Disk, first: number): void {
  const lost = disk.list("index").slice(first);
  for (const { name } of lost) disk.delete(name);
  disk.create(lost[0]!.name, lost[0]!.sizeBytes, 0);
}

async function open(disk: Disk, changed: Partial<StoreOptions> = {}, hooks: StorageHooks = {}): Promise<Store> {
  const scheduler = new IdleScheduler();
  const random = new Random(1);
  const storage = new SimulatedStorage({ disk, pace: "at once", now: clock.now, random, hooks, tally: new Tally() });
  const telemetry = { log: () => {} };
  const ports = { storage, clock, scheduler, entropy: entropyOf(random), telemetry, coreModule };
  const store = new Store(ports, { ...options, ...changed }, new DueQueue(clock, scheduler));
  await store.open();
  return store;
}

/** Ends when the message is acknowledged. */
function send(store: Store, topic: string, bodyBytes: number, key = ""): Promise<void> {
  const body = new Uint8Array(bodyBytes).fill(1);
  const message = new Ledger(true).send(topic, 0, body, encodeUtf8(key === "" ? "" : `KEYS\u0001${key}\u0002`));
  return new Promise((stored, failed) => append(store, clock, message, { stored: () => stored(), failed }));
}

const countOf = (topic: string) => async (store: Store) =>
  (await store.get(topic, 0, 0, { messagesMax: 99, bytesMax: 256 * 1024, unitsMax: 800, tagHashes: undefined }))
    .messages;

/** What a store has after each of many losses of power. */
async function eachLeft(
  disk: Disk,
  what: (store: Store) => Promise<number>,
  changed?: Partial<StoreOptions>,
): Promise<Set<number>> {
  const random = new Random(3);
  const found = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const left = disk.clone();
    left.losePower(random);
    found.add(await what(await open(left, changed)));
  }
  return found;
}

test("what an owner wrote who died is on the medium before the next one shows it", async () => {
  const disk = new PagedDisk();
  const unsynced: Partial<StoreOptions> = { flushConsumeQueueThoroughBytes: Number.POSITIVE_INFINITY };
  const first = await open(disk, unsynced);
  // More than a file holds: names are to last too.
  for (let i = 0; i < 10; i++) await send(first, "T", 1_000);
  const second = await open(disk, { ...unsynced, flushDiskType: "SYNC_FLUSH" });
  expect(second.range("T", 0).maxOffset).toBe(10);
  expect(await eachLeft(disk, countOf("T"))).toEqual(new Set([10]));
});

test("files that were made and have no size yet are taken away, however many end the log or a queue", async () => {
  const disk = new PagedDisk();
  const first = await open(disk);
  for (let i = 0; i < 12; i++) await send(first, "T", 1_000);
  await first.settle();
  const left = afterDeath(disk, /^$/);
  const empty = ["commitlog", "consumequeue/T/0"].flatMap((folder) => {
    const files = left.list(folder);
    const [{ sizeBytes }, last] = [files[0]!, Number(files.at(-1)!.name.slice(folder.length + 1))];
    return [1, 2].map((i) => `${folder}/${String(last + i * sizeBytes).padStart(20, "0")}`);
  });
  for (const name of empty) left.create(name, 0, 0);
  const second = await open(left);
  expect(second.range("T", 0).maxOffset).toBe(12);
  // What recovery writes it makes anew.
  expect(left.list("").filter(({ name, sizeBytes }) => empty.includes(name) && sizeBytes === 0)).toEqual([]);
});

test("a record whose write failed, and that is there all the same, is on the medium before it is shown", async () => {
  class LateDisk extends PagedDisk {
    isFull = false;
    override write(...[batch, nowMs]: Parameters<PagedDisk["write"]>): void {
      super.write(batch, nowMs);
      if (this.isFull && batch[0]!.file.startsWith("commitlog/")) throw new WasmqError("STORE_FULL", "no room");
    }
  }
  const disk = new LateDisk();
  const first = await open(disk, { flushDiskType: "SYNC_FLUSH" });
  await send(first, "T", 100);
  disk.isFull = true;
  await expect(send(first, "T", 100)).rejects.toThrow("no room");
  await first.close();
  expect(disk.has("abort")).toBe(false);
  const second = await open(disk, { flushDiskType: "SYNC_FLUSH" });
  const shown = second.range("T", 0).maxOffset;
  expect(shown).toBe(2);
  expect(await eachLeft(disk, countOf("T"))).toEqual(new Set([shown]));
});

test("units that an owner wrote who died are on the medium before a checkpoint says so", async () => {
  const disk = new PagedDisk();
  const first = await open(disk);
  for (let i = 0; i < 3; i++) await send(first, "T", 1_000);
  await first.close();
  const left = afterDeath(disk, /^consumequeue/);
  const second = await open(left);
  for (let i = 0; i < 8; i++) await send(second, "U", 1_000);
  await second.close();
  expect(await eachLeft(left, countOf("T"))).toEqual(new Set([3]));
});

test("of messages that are as old as the last one whose unit is flushed, none counts as flushed with it", async () => {
  const disk = new PagedDisk();
  const first = await open(disk);
  // The first record: what a checkpoint says of its place is what one says that knows none.
  await send(first, "T", 100);
  await first.close();
  const unflushed: Partial<StoreOptions> = {
    flushDiskType: "SYNC_FLUSH",
    flushConsumeQueueThoroughBytes: Number.POSITIVE_INFINITY,
    // Recovery begins earlier for an index that lags.
    messageIndexEnable: false,
  };
  const second = await open(disk, unflushed);
  await send(second, "U", 3_000);
  // Of a second file.
  await send(second, "V", 1_000);
  expect(await eachLeft(disk, countOf("U"), unflushed)).toEqual(new Set([1]));
});

test("an index that an owner wrote who died is on the medium before it counts as kept", async () => {
  const disk = new PagedDisk();
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
  const first = await open(disk, small);
  for (let i = 0; i < 4; i++) await send(first, "T", 100, `k${i}`);
  await first.close();
  const left = afterDeath(disk, /^index/);
  const second = await open(left, small);
  for (let i = 4; i < 12; i++) await send(second, "T", 1_000, `k${i}`);
  await second.close();
  const found = async (store: Store) => (await store.query("T", "k0", 1, 0, Number.MAX_SAFE_INTEGER)).messages;
  expect(await eachLeft(left, found, small)).toEqual(new Set([1]));
});

test.each(["is there", "was deleted"])(
  "index files that end in the millisecond of one that is kept, which %s, are on the medium before another follows them",
  async (what) => {
    const disk = new PagedDisk();
    const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
    const first = await open(disk, small);
    for (let i = 0; i < 7; i++) await send(first, "T", 100, `k${i}`);
    await first.close();
    loseIndexFrom(disk, 2);
    const [kept, unsynced] = disk.list("index").map(({ name }) => name);
    if (what === "was deleted") disk.delete(kept!);
    const left = afterDeath(disk, new RegExp(unsynced!), /./);
    const second = await open(left, small);
    for (let i = 7; i < 12; i++) await send(second, "T", 1_000, `k${i}`);
    await second.close();
    const found = async (store: Store) => (await store.query("T", "k4", 1, 0, Number.MAX_SAFE_INTEGER)).messages;
    expect(await eachLeft(left, found, small)).toEqual(new Set([1]));
  },
);

test("a start that fails takes nothing off the index that a clean stop has left", async () => {
  const disk = new PagedDisk();
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 150 };
  const first = await open(disk, small);
  for (let i = 0; i < 12; i++) await send(first, "T", 1_000, `k${i}`);
  await first.close();
  for (let failing = 0; ; failing++) {
    const left = disk.clone();
    let operations = 0;
    const fault = () => (operations++ === failing ? "EIO" : undefined);
    const second = await open(left, small, { fault }).catch(() => undefined);
    if (second !== undefined) {
      // A single failure keeps it from opening wherever it comes.
      expect(failing).toBeGreaterThan(10);
      break;
    }
    const third = await open(left, small);
    for (let i = 0; i < 12; i++) {
      const { messages } = await third.query("T", `k${i}`, 9, 0, Number.MAX_SAFE_INTEGER);
      expect(messages, `k${i}, operation ${failing}`).toBe(1);
    }
  }
});

test("recovery marks a store as open before it writes the index that a clean stop has left", async () => {
  const disk = new PagedDisk();
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
  const first = await open(disk, small);
  for (let i = 0; i < 12; i++) await send(first, "T", 100, `k${i}`);
  await first.close();
  for (const { name } of disk.list("index")) disk.delete(name);
  let begun = 0;
  const boundary = (): void => {
    if (disk.list("index").length === 0) return;
    begun++;
    expect(disk.has("abort")).toBe(true);
  };
  await open(disk, small, { boundary });
  expect(begun).toBeGreaterThan(0);
});

/** What a full disk has no room for: a file, or the pages that an index file had holes at. */
class FullDisk extends PagedDisk {
  lacksRoomFor: "nothing" | "files" | "the index" = "nothing";
  override create(...[file, ...rest]: Parameters<PagedDisk["create"]>): void {
    if (this.lacksRoomFor === "files") throw new WasmqError("STORE_FULL", `no room for ${file}`);
    super.create(file, ...rest);
  }
  override write(...[batch, nowMs]: Parameters<PagedDisk["write"]>): void {
    const isOfIndex = batch.some(({ file }) => file.startsWith("index/"));
    if (this.lacksRoomFor === "the index" && isOfIndex) throw new WasmqError("STORE_FULL", "no room for the index");
    super.write(batch, nowMs);
  }
}

describe.each(["nothing", "files", "the index"] as const)(
  "the log's end is lost, and at the start the disk has room for all but %s",
  (what) => {
    test.each([4, 150])(
      "what is left is served, and records in the place of lost ones are indexed, in files of %i",
      async (maxIndexNum) => {
        const disk = new PagedDisk();
        const small: Partial<StoreOptions> = {
          maxHashSlotNum: 7,
          maxIndexNum,
          flushConsumeQueueThoroughBytes: Number.POSITIVE_INFINITY,
        };
        const first = await open(disk, small);
        for (let i = 0; i < 10; i++) await send(first, "T", 1_000, `k${i}`);
        await first.close();
        disk.delete(disk.list("commitlog").at(-1)!.name);
        disk.delete(disk.list("commitlog").at(-1)!.name);
        const left = afterDeath(disk, /^$/, /^(?!checkpoint$)/, new FullDisk());
        // A store has one.
        left.create("checkpoint", 4_096, 0);
        left.lacksRoomFor = what;
        const second = await open(left, small);
        const kept = second.range("T", 0).maxOffset;
        expect(await countOf("T")(second)).toBe(kept);
        const found = async (store: Store, key: string): Promise<number> =>
          (await store.query("T", key, 9, 0, Number.MAX_SAFE_INTEGER)).messages;
        expect(await found(second, "k0")).toBe(1);
        // Index files that have nothing but lost records go without any room.
        if (what === "files" || (what === "the index" && maxIndexNum === 150)) {
          const refused = {
            code: "SERVICE_NOT_AVAILABLE",
            message: expect.stringContaining("the disk is full: no room"),
          };
          for (let i = 0; i < 3; i++) await expect(send(second, "T", 1_000)).rejects.toMatchObject(refused);
        }
        left.lacksRoomFor = "nothing";
        for (let i = second.range("T", 0).maxOffset; i < 12; i++) await send(second, "T", 1_000, `j${i}`);
        await second.settle();
        const missing = async (store: Store): Promise<number> => {
          let count = 0;
          for (let i = 0; i < 12; i++) {
            // Any page of what was not synced may be lost.
            if ((await store.messageAt("T", 0, i)) !== undefined) count++;
            count -= await found(store, i < kept ? `k${i}` : `j${i}`);
          }
          return count;
        };
        expect(await missing(await open(left.clone(), small))).toBe(0);
        expect(await eachLeft(left, missing, small)).toEqual(new Set([0]));
      },
    );
  },
);

test("while recovery indexes records, what it found in the index is on the medium before files that follow count", async () => {
  const disk = new PagedDisk();
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
  const first = await open(disk, small);
  for (let i = 0; i < 12; i++) await send(first, "T", 1_000, `k${i}`);
  await first.close();
  loseIndexFrom(disk, 2);
  const left = afterDeath(disk, /^index/);
  left.endSync(left.beginSync(["abort"]));
  const moments: Disk[] = [];
  await open(left, small, { boundary: (what) => void (what === "synced" && moments.push(left.clone())) });
  expect(moments.length).toBeGreaterThan(3);
  const found = async (store: Store) => (await store.query("T", "k4", 1, 0, Number.MAX_SAFE_INTEGER)).messages;
  for (const moment of moments.slice(0, 3)) expect(await eachLeft(moment, found, small)).toEqual(new Set([1]));
});

/** What a failed sync was about is on no medium, and read all the same. */
class ForgetfulDisk extends PagedDisk {
  override failSync(mark: Parameters<PagedDisk["failSync"]>[0]): void {
    super.failSync(mark, { chance: () => false } as never);
  }
}

test("an index is made again where a sync of it failed, though a file without a header follows", async () => {
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
  const keys = ["k0", "k1", "k2", "k3"];
  let hasFailed = true;
  for (let failing = 1; hasFailed; failing++) {
    const disk = new ForgetfulDisk();
    const first = await open(disk, small);
    await send(first, "T", 100, keys[0]);
    await first.close();
    let syncs = 0;
    const second = await open(disk, small, {
      fault: (operation) => (operation === "sync" && syncs++ === failing ? "EIO" : undefined),
    });
    for (const key of keys.slice(1)) await send(second, "T", 100, key).catch(() => {});
    await second.close().catch(() => {});
    hasFailed = syncs > failing;
    // What is still on its way of the second is none of the third's.
    const left = disk.clone();
    const third = await open(left, small);
    // A clean stop has the last file of the log looked at: what is to be found stands before it.
    for (let i = 0; i < 8; i++) await send(third, "U", 1_000);
    await third.close();
    left.losePower(new Random(3));
    const fourth = await open(left, small);
    let found = 0;
    for (const key of keys) found += (await fourth.query("T", key, 9, 0, Number.MAX_SAFE_INTEGER)).messages;
    expect(found, `sync ${failing}`).toBe(await countOf("T")(fourth));
  }
});

test("a sync of the index that fails while recovery indexes has the next start make it again", async () => {
  const small: Partial<StoreOptions> = { maxHashSlotNum: 7, maxIndexNum: 4 };
  let refused = 0;
  for (let failing = 0; ; failing++) {
    const disk = new PagedDisk();
    const first = await open(disk, small);
    for (let i = 0; i < 12; i++) await send(first, "T", 1_000, `k${i}`);
    await first.close();
    loseIndexFrom(disk, 1);
    const left = afterDeath(disk, /^$/, /^(?!checkpoint$)/, new ForgetfulDisk());
    let syncs = 0;
    const fault = (operation: string) => (operation === "sync" && syncs++ === failing ? "EIO" : undefined);
    const second = await open(left, small, { fault }).catch(() => undefined);
    if (second !== undefined) break;
    refused++;
    const third = await open(left, small);
    await third.close();
    left.losePower(new Random(3));
    const fourth = await open(left, small);
    for (let i = 0; i < 12; i++) {
      const { messages } = await fourth.query("T", `k${i}`, 9, 0, Number.MAX_SAFE_INTEGER);
      expect(messages, `k${i}, sync ${failing}`).toBe(1);
    }
  }
  expect(refused).toBeGreaterThan(3);
});

test("the mark of a store that is open lasts, whoever wrote it", async () => {
  const disk = new PagedDisk();
  await (await open(disk)).close();
  const left = afterDeath(disk, /^abort$/);
  await open(left);
  const random = new Random(3);
  for (let i = 0; i < 20; i++) {
    const later = left.clone();
    later.losePower(random);
    expect(later.has("abort")).toBe(true);
  }
});

test("a store whose first write is torn is opened, with nothing in it", async () => {
  const disk = new PagedDisk();
  await open(disk);
  disk.create("commitlog/00000000000000000000", 4_096, 0);
  disk.write([{ file: "commitlog/00000000000000000000", at: 100, bytes: new Uint8Array(50).fill(7) }], 0);
  const store = await open(disk);
  await send(store, "T", 10);
  expect(store.range("T", 0).maxOffset).toBe(1);
});

test("files of the log are made one after the other, and one that can't be takes none but those behind it along", async () => {
  const creating: { file: string; end: (error?: Error) => void }[] = [];
  const storage = {
    create: (file: string) =>
      new Promise<void>((resolve, reject) => {
        creating.push({ file, end: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
  };
  const segments = new Segments(storage as never, 1_000);
  const [first, second, third] = [segments.add(), segments.add(), segments.add()];
  expect(creating.map(({ file }) => file)).toEqual([first.file]);
  creating[0]!.end();
  await first.creating;
  expect(creating.map(({ file }) => file)).toEqual([first.file, second.file]);
  creating[1]!.end(new Error("no room"));
  await expect(second.creating).rejects.toThrow("no room");
  await expect(third.creating).rejects.toThrow("no room");
  expect(segments.list.map(({ file }) => file)).toEqual([first.file]);
});
