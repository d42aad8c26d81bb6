/** What NodeLogStorage keeps of its promises when the operating system is slow or has run out of something. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NodeLogStorage } from "../../../src/hosts/node/log-storage.ts";

const system = vi.hoisted(() => ({
  /** What the sync of a folder waits for. */
  folderGate: Promise.resolve(),
  foldersSynced: [] as string[],
  /** ext4. */
  fileSystem: 0xef53,
  paths: new Map<number, string>(),
  /** Files that may be open at once. */
  descriptorsMax: Number.POSITIVE_INFINITY,
}));

vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    openSync(path: string, flags: string) {
      if (system.paths.size >= system.descriptorsMax) {
        throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
      }
      const descriptor = real.openSync(path, flags);
      system.paths.set(descriptor, path);
      return descriptor;
    },
    closeSync(descriptor: number) {
      system.paths.delete(descriptor);
      real.closeSync(descriptor);
    },
    statfsSync: () => ({ type: system.fileSystem }),
    fsync(descriptor: number, done: fs.NoParamCallback) {
      const path = system.paths.get(descriptor)!;
      system.folderGate.then(() => {
        real.fsync(descriptor, (error) => {
          system.foldersSynced.push(path);
          done(error);
        });
      });
    },
  };
});

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "wasmq-trouble-"));
  system.folderGate = Promise.resolve();
  system.foldersSynced = [];
  system.paths.clear();
  system.descriptorsMax = Number.POSITIVE_INFINITY;
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

test("a sync waits for the folders that another one is still about", async () => {
  const storage = new NodeLogStorage(folder);
  storage.lock();
  storage.create("commitlog/a", 0);
  let open = (): void => {};
  system.folderGate = new Promise((resolve) => {
    open = resolve;
  });
  const first = storage.sync(["commitlog/a"]);
  let ended = false;
  const second = storage.sync(["commitlog/a"]).then(() => {
    ended = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(ended).toBe(false);
  open();
  await Promise.all([first, second]);
  expect(system.foldersSynced).toContain(join(folder, "commitlog"));
  expect(system.foldersSynced).toContain(folder);

  system.foldersSynced = [];
  await storage.sync(["commitlog/a"]);
  expect(system.foldersSynced, "nothing has changed since").toEqual([]);
  storage.close();
});

test("the folders made for a new store last as well", async () => {
  const storage = new NodeLogStorage(join(folder, "a/b"));
  storage.lock();
  storage.create("c", 0);
  await storage.sync(["c"]);
  expect(system.foldersSynced.sort()).toEqual([folder, join(folder, "a"), join(folder, "a/b")]);
  storage.close();
});

test("a process that has run out of descriptors goes on with those that idle files give back", async () => {
  const storage = new NodeLogStorage(folder);
  storage.lock();
  storage.create("commitlog/a", 0);
  storage.create("b", 0);
  system.descriptorsMax = 2;
  storage.create("c", 0);
  await storage.sync(["commitlog/a", "b", "c"]);
  storage.write([{ file: "commitlog/a", at: 0, bytes: Uint8Array.of(1) }]);
  expect(storage.readNow("commitlog/a", 0, new Uint8Array(2))).toBe(1);
  storage.close();
});

test("blocks say how much data there is only where they hold it as it is", () => {
  const dataBytesMax = (): number => {
    const storage = new NodeLogStorage(folder);
    return storage.list("sparse")[0]!.dataBytesMax;
  };
  const storage = new NodeLogStorage(folder);
  storage.lock();
  storage.create("sparse/file", 10_000_000);
  if (process.platform === "linux") expect(dataBytesMax()).toBeLessThan(10_000_000);
  // Btrfs, which may compress.
  system.fileSystem = 0x9123683e;
  expect(dataBytesMax()).toBe(10_000_000);
  storage.close();
});
