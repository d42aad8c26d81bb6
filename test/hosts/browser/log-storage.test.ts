import { openDB } from "idb";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Durability, IndexedDbLogStorage } from "../../../src/hosts/browser/indexeddb-log-storage.ts";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";
import { type OpfsProxy, OpfsWorker } from "./opfs-proxy.ts";

const names = new Map<LogStorage, string>();

function open(name: string, durability: Durability = "relaxed"): IndexedDbLogStorage {
  const storage = new IndexedDbLogStorage(name, durability);
  names.set(storage, name);
  return storage;
}

const freshName = () => `storage-${crypto.randomUUID()}`;

for (const durability of ["strict", "relaxed"] as const) {
  describeLogStorage({
    name: `IndexedDB, ${durability}`,
    fresh: async () => open(freshName(), durability),
    again: async (before) => open(names.get(before)!, durability),
  });
}

let opfs = new OpfsWorker();

describeLogStorage({
  name: "OPFS",
  fresh: () => opfs.open(freshName()),
  again: (before) => opfs.open((before as OpfsProxy).name),
});

/** Each way to keep files, for what all of them promise beyond the port's suite. */
const kinds: readonly { name: string; fresh(name: string): Promise<LogStorage> }[] = [
  { name: "IndexedDB", fresh: async (name) => open(name) },
  { name: "OPFS", fresh: (name) => opfs.open(name) },
];

describe.each(kinds)("$name", ({ fresh }) => {
  async function opened(name = freshName()): Promise<LogStorage> {
    const storage = await fresh(name);
    await storage.lock();
    onTestFinished(async () => storage.close());
    return storage;
  }

  test("only one has the store", async () => {
    const name = freshName();
    const first = await opened(name);
    const second = await fresh(name);
    await expect((async () => second.lock())()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await first.close();
    await second.lock();
    await second.close();
  });

  test("appends, overwrites and gaps read as in a plain array of bytes, also by the next one", async () => {
    const name = freshName();
    let storage = await opened(name);
    const model = new Uint8Array(300_000);
    await storage.create("a", model.length);
    let seed = 7;
    const below = (bound: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % bound;
    };
    let end = 0;
    for (let round = 0; round < 300; round++) {
      const kind = below(8);
      const length = 1 + below(kind === 0 ? 100_000 : kind < 3 ? 20_000 : 1_500);
      const at = Math.min(kind === 1 ? below(end + 1) : kind === 2 ? end + below(3_000) : end, model.length - 1);
      const bytes = Uint8Array.from({ length: Math.min(length, model.length - at) }, () =>
        below(5) === 0 ? 0 : 1 + below(255),
      );
      if (below(10) === 0) bytes.fill(0);
      model.set(bytes, at);
      end = Math.max(end, at + bytes.length) % model.length;
      await storage.write([{ file: "a", at, bytes }]);
      if (round % 60 === 59) {
        await storage.close();
        storage = await fresh(name);
        await storage.lock();
      }
      if (round % 10 === 0) {
        const from = below(model.length);
        const into = new Uint8Array(below(model.length));
        const read = await storage.read("a", from, into);
        expect(into.subarray(0, read)).toEqual(model.subarray(from, from + into.length));
      }
    }
    const whole = new Uint8Array(model.length);
    expect(await storage.read("a", 0, whole)).toBe(model.length);
    expect(whole).toEqual(model);
    await storage.close();
  });

  test("a file's time follows its writes", async () => {
    const storage = await opened();
    await storage.create("a", 10);
    await storage.setModified("a", 1_000_000);
    const before = Date.now();
    await storage.write([{ file: "a", at: 0, bytes: Uint8Array.of(1) }]);
    const [stat] = await storage.list("");
    expect(stat!.modifiedAtMs).toBeGreaterThanOrEqual(before);
  });

  test("dataBytesMax tells a file of zeros from a full one", async () => {
    const name = freshName();
    const storage = await opened(name);
    await storage.create("a", 16 * 1024 * 1024);
    await storage.write([{ file: "a", at: 0, bytes: new Uint8Array(100_000).fill(1) }]);
    await storage.close();
    const again = await opened(name);
    const [stat] = await again.list("");
    expect(stat!.sizeBytes).toBe(16 * 1024 * 1024);
    expect(stat!.dataBytesMax).toBeLessThan(200_000);
  });
});

test("IndexedDB: who opens the database of one that is writing finds whole batches, the first ones", async () => {
  const name = freshName();
  const writer = open(name);
  await writer.lock();
  await writer.create("a", 0);
  await writer.create("b", 0);
  const batchBytes = 3_000;
  const markOf = (batch: number) => (batch % 255) + 1;
  let written = 0;
  const write = () => {
    const bytes = new Uint8Array(batchBytes).fill(markOf(written));
    const at = batchBytes * written++;
    return writer.write([
      { file: "a", at, bytes },
      { file: "b", at, bytes },
    ]);
  };
  for (let i = 0; i < 20; i++) await write();
  let copy: string | undefined;
  const copying = copyOfDatabase(name).then((made) => {
    copy = made;
  });
  while (copy === undefined) await write();
  await Promise.all([copying, write()]);
  await writer.close();

  const storage = open(copy);
  await storage.lock();
  const contents = await Promise.all(
    ["a", "b"].map(async (file) => {
      const bytes = new Uint8Array(batchBytes * written);
      await storage.read(file, 0, bytes);
      return bytes;
    }),
  );
  await storage.close();
  const batches = contents[0]!.indexOf(0) / batchBytes;
  expect(batches).toBeGreaterThanOrEqual(20);
  expect(batches).toBeLessThan(written);
  for (const bytes of contents) {
    const expected = (at: number) => (at < batches * batchBytes ? markOf(Math.floor(at / batchBytes)) : 0);
    expect(bytes).toEqual(Uint8Array.from(bytes, (_, at) => expected(at)));
  }
});

test("IndexedDB: the tail is there at once, older bytes after a wait", async () => {
  const storage = open(freshName());
  await storage.lock();
  const fileBytes = 16 * 1024 * 1024;
  await storage.create("a", fileBytes);
  const bytes = new Uint8Array(256 * 1024);
  for (let at = 0; at < fileBytes; at += bytes.length) {
    await storage.write([{ file: "a", at, bytes: bytes.fill(1 + at / bytes.length) }]);
  }
  const into = new Uint8Array(1_000);
  expect(storage.readNow("a", fileBytes - 1_000, into)).toBe(1_000);
  expect(into).toEqual(new Uint8Array(1_000).fill(64));
  expect(storage.readNow("a", 0, into)).toBeUndefined();
  expect(await storage.read("a", 0, into)).toBe(1_000);
  expect(into).toEqual(new Uint8Array(1_000).fill(1));
  await storage.close();
});

test("OPFS: what was written and named stays when its Worker is ended at once", async () => {
  const name = freshName();
  const storage = await opfs.open(name);
  await storage.lock();
  await storage.create("a", 100);
  await storage.create("b", 100);
  await storage.write([{ file: "a", at: 0, bytes: new Uint8Array(50).fill(1) }]);
  await storage.write([{ file: "b", at: 0, bytes: new Uint8Array(50).fill(2) }]);
  await storage.rename("a", "b");
  await storage.create("c", 5);
  await storage.delete("c");
  opfs.terminate();
  opfs = new OpfsWorker();

  const again = await opfs.open(name);
  await expect
    .poll(() =>
      again.lock().then(
        () => "taken",
        ({ code }) => code,
      ),
    )
    .toBe("taken");
  expect((await again.list("")).map((stat) => [stat.name, stat.sizeBytes])).toEqual([["b", 100]]);
  const into = new Uint8Array(100);
  expect(await again.readNowThere("b", 0, into)).toBeUndefined();
  expect(await again.read("b", 0, into)).toBe(100);
  expect(into).toEqual(Uint8Array.from({ length: 100 }, (_, i) => (i < 50 ? 1 : 0)));
  expect(await again.readNowThere("b", 0, into)).toBe(100);
  await again.close();
});

test("OPFS: thousands of renames later the journal is small and right", async () => {
  const name = freshName();
  const storage = await opfs.open(name);
  await storage.lock();
  for (const i of [0, 1]) {
    await storage.create(String(i), 1);
    await storage.write([{ file: String(i), at: 0, bytes: Uint8Array.of(i) }]);
  }
  await storage.rename("0", "config/topics.json");
  for (let i = 0; i < 3_000; i++) {
    await storage.rename("config/topics.json", "config/topics.json.bak");
    await storage.rename("config/topics.json.bak", "config/topics.json");
  }
  await storage.rename("1", "config/topics.json");
  await storage.close();
  const root = await navigator.storage.getDirectory();
  const folder = await (await root.getDirectoryHandle("wasmq")).getDirectoryHandle(name);
  let bytes = 0;
  let files = 0;
  for await (const entry of folder.values()) {
    files++;
    bytes += (await (entry as FileSystemFileHandle).getFile()).size;
  }
  expect(files).toBe(3);
  expect(bytes).toBeLessThan(600_000);
  const again = await opfs.open(name);
  await again.lock();
  const into = new Uint8Array(1);
  await again.read("config/topics.json", 0, into);
  expect([...into]).toEqual([1]);
  await again.close();
});

/** What the database holds at this moment, as a crash would leave it. */
async function copyOfDatabase(name: string): Promise<string> {
  const from = await opened(indexedDB.open(name));
  const copy = freshName();
  const to = indexedDB.open(copy, 1);
  to.onupgradeneeded = () => {
    for (const store of from.objectStoreNames) to.result.createObjectStore(store);
  };
  const into = await opened(to);
  const stores = [...from.objectStoreNames];
  const reading = from.transaction(stores);
  const contents = await Promise.all(
    stores.map(async (store) => ({
      store,
      keys: await opened(reading.objectStore(store).getAllKeys()),
      values: await opened(reading.objectStore(store).getAll()),
    })),
  );
  const writing = into.transaction(stores, "readwrite");
  for (const { store, keys, values } of contents) {
    keys.forEach((key, i) => void writing.objectStore(store).put(values[i], key));
  }
  await new Promise((resolve) => {
    writing.oncomplete = resolve;
  });
  from.close();
  into.close();
  return copy;
}

function opened<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

test("IndexedDB: no value is as large as those that Chromium keeps in files, which a later flush leaves out", async () => {
  const name = freshName();
  const storage = open(name);
  await storage.lock();
  await storage.create("a", 0);
  const bytes = new Uint8Array(1_000_000).fill(1);
  await storage.write([{ file: "a", at: 7, bytes }]);
  await storage.write([{ file: "a", at: 500_000, bytes: new Uint8Array(200_000).fill(2) }]);
  await storage.close();
  const database = await openDB(name);
  const chunks: Uint8Array[] = await database.getAll("chunks");
  database.close();
  expect(chunks.length).toBeGreaterThan(10);
  // Serialized they are a little larger; the line is at 65,536.
  expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(65_000);
  expect(Math.max(...chunks.map((chunk) => chunk.buffer.byteLength))).toBeLessThan(65_000);
});
