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
  paths: new Map<number, string>(),
}));

vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    openSync(path: string, flags: string) {
      const descriptor = real.openSync(path, flags);
      system.paths.set(descriptor, path);
      return descriptor;
    },
    closeSync(descriptor: number) {
      system.paths.delete(descriptor);
      real.closeSync(descriptor);
    },
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
