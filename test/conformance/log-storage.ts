import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogStorage } from "../../src/ports/log-storage.ts";

export interface LogStorageFactory {
  readonly name: string;
  /** A storage on nothing. */
  fresh(): Promise<LogStorage>;
  /** Nobody else fills the same place, and it tells at once what is written. */
  readonly isAlone?: true;
  /** Another one on what `before`, which is closed, has left. */
  again(before: LogStorage): Promise<LogStorage>;
}

/** What every host's LogStorage promises (src/ports/log-storage.ts). */
export function describeLogStorage(factory: LogStorageFactory): void {
  describe(`LogStorage: ${factory.name}`, () => {
    let storage: LogStorage;

    beforeEach(async () => {
      storage = await factory.fresh();
      await storage.lock();
    });

    afterEach(async () => {
      await storage.close();
    });

    test("a new file is zeros of its size, and stays when the storage is opened again", async () => {
      await storage.create("commitlog/00000000000000000000", 1_000_000);
      expect(await bytesOf(storage, "commitlog/00000000000000000000", 999_990, 20)).toEqual(new Uint8Array(10));
      await reopen();
      expect(await storage.list("commitlog")).toMatchObject([
        { name: "commitlog/00000000000000000000", sizeBytes: 1_000_000 },
      ]);
    });

    test("creating a file that is there is an error and changes nothing", async () => {
      await storage.create("a", 0);
      await storage.write([{ file: "a", at: 0, bytes: Uint8Array.of(1) }]);
      await expect((async () => storage.create("a", 5))()).rejects.toThrow();
      expect(await bytesOf(storage, "a", 0, 10)).toEqual(Uint8Array.of(1));
    });

    test("a batch is written in its order, to several files, at any place", async () => {
      await storage.create("a", 200_000);
      await storage.create("b/c/d", 0);
      const long = Uint8Array.from({ length: 150_000 }, (_, i) => i % 251);
      await storage.write([
        { file: "a", at: 10, bytes: long },
        { file: "b/c/d", at: 0, bytes: Uint8Array.of(1, 2, 3) },
        { file: "a", at: 12, bytes: Uint8Array.of(7) },
        { file: "b/c/d", at: 5, bytes: Uint8Array.of(9) },
      ]);
      await storage.sync(["a", "b/c/d"]);
      await reopen();
      const expected = long.slice();
      expected[2] = 7;
      expect(await bytesOf(storage, "a", 10, 150_000)).toEqual(expected);
      expect(await bytesOf(storage, "a", 0, 10)).toEqual(new Uint8Array(10));
      expect(await bytesOf(storage, "b/c/d", 0, 100)).toEqual(Uint8Array.of(1, 2, 3, 0, 0, 9));
    });

    test("the bytes of a batch may be reused once the write has ended", async () => {
      await storage.create("a", 0);
      const bytes = Uint8Array.of(1, 2, 3);
      await storage.write([{ file: "a", at: 0, bytes }]);
      bytes.fill(0);
      expect(await bytesOf(storage, "a", 0, 3)).toEqual(Uint8Array.of(1, 2, 3));
    });

    test("reading beyond the end or of a missing file brings what there is", async () => {
      await storage.create("a", 3);
      expect((await bytesOf(storage, "a", 1, 10)).length).toBe(2);
      expect((await bytesOf(storage, "a", 3, 10)).length).toBe(0);
      expect((await bytesOf(storage, "nowhere/b", 0, 10)).length).toBe(0);
    });

    test("readNow brings the same bytes, or asks to wait", async () => {
      await storage.create("a", 0);
      await storage.write([{ file: "a", at: 0, bytes: Uint8Array.of(1, 2, 3) }]);
      const into = new Uint8Array(2);
      const read = storage.readNow("a", 1, into);
      if (read !== undefined) expect([read, ...into]).toEqual([2, 2, 3]);
    });

    test("renaming replaces, deleting a missing file is no error", async () => {
      await storage.create("a", 0);
      await storage.write([{ file: "a", at: 0, bytes: Uint8Array.of(1) }]);
      await storage.create("b", 0);
      await storage.write([{ file: "b", at: 0, bytes: Uint8Array.of(2, 2) }]);
      await storage.rename("a", "b");
      await storage.delete("a");
      await storage.delete("never/was");
      expect(await bytesOf(storage, "b", 0, 10)).toEqual(Uint8Array.of(1));
      await expect((async () => storage.rename("a", "b"))()).rejects.toThrow();
      await reopen();
      expect((await storage.list("")).map(({ name }) => name).filter((name) => name !== "lock")).toEqual(["b"]);
    });

    test("list shows files at any depth below a folder, sorted, and none of a missing one", async () => {
      for (const name of ["q/t/1/b", "q/t/1/a", "q/s/0/a", "qq/x"]) await storage.create(name, 0);
      expect((await storage.list("q")).map(({ name }) => name)).toEqual(["q/s/0/a", "q/t/1/a", "q/t/1/b"]);
      expect(await storage.list("nowhere")).toEqual([]);
    });

    test("dataBytesMax is never less than what is written", async () => {
      await storage.create("a", 10_000_000);
      await storage.write([{ file: "a", at: 0, bytes: new Uint8Array(5_000).fill(1) }]);
      await storage.sync(["a"]);
      await reopen();
      const [stat] = (await storage.list("")).filter(({ name }) => name === "a");
      expect(stat!.dataBytesMax).toBeGreaterThanOrEqual(5_000);
    });

    test("a file's time can be set, and stays", async () => {
      await storage.create("a", 10);
      await storage.setModified("a", 1_600_000_000_000);
      const time = async () => (await storage.list("")).find(({ name }) => name === "a")!.modifiedAtMs;
      expect(await time()).toBe(1_600_000_000_000);
      await reopen();
      expect(await time()).toBe(1_600_000_000_000);
    });

    test("usage names the place and how full it is, and grows with what is written", async () => {
      const before = await storage.usage();
      await storage.create("a", 0);
      await storage.write([{ file: "a", at: 0, bytes: new Uint8Array(4_000_000).fill(1) }]);
      await storage.sync(["a"]);
      const after = await storage.usage();
      // Without a limit there is nothing to tell.
      expect(after === undefined).toBe(before === undefined);
      if (before === undefined || after === undefined) return;
      for (const usage of [before, after]) {
        expect(usage.path.length).toBeGreaterThan(3);
        expect(usage.usedBytes).toBeGreaterThanOrEqual(0);
        expect(usage.totalBytes).toBeGreaterThan(usage.usedBytes);
      }
      if (factory.isAlone) expect(after.usedBytes - before.usedBytes).toBeGreaterThan(3_000_000);
    });

    async function reopen(): Promise<void> {
      await storage.close();
      storage = await factory.again(storage);
      await storage.lock();
    }
  });
}

async function bytesOf(storage: LogStorage, file: string, at: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  return into.subarray(0, await storage.read(file, at, into));
}
