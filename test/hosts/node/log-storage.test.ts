import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { NodeLogStorage } from "../../../src/hosts/node/log-storage.ts";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";

const folders = new Map<LogStorage, string>();

describeLogStorage({
  name: "node",
  async fresh() {
    return open(mkdtempSync(join(tmpdir(), "wasmq-storage-")));
  },
  async again(before) {
    return open(folders.get(before)!);
  },
});

test.skipIf(process.platform === "win32")("usage is what df says", () => {
  const folder = mkdtempSync(join(tmpdir(), "wasmq-storage-"));
  const storage = open(folder);
  folders.set(storage, folder);
  storage.lock();
  storage.create("commitlog/0", 10);
  const usage = storage.usage()!;
  storage.close();
  expect(usage.path).toBe(join(folder, "commitlog"));
  const [used, free] = execFileSync("df", ["-kP", folder], { encoding: "utf8" })
    .split("\n")[1]!
    .split(/\s+/)
    .slice(2, 4);
  // Others write meanwhile.
  expect(usage.usedBytes / 1024 / Number(used)).toBeCloseTo(1, 1);
  expect((usage.totalBytes - usage.usedBytes) / 1024 / Number(free)).toBeCloseTo(1, 1);
});

test("list follows links to files and folders, and goes round in no circle", () => {
  const folder = mkdtempSync(join(tmpdir(), "wasmq-storage-"));
  const elsewhere = mkdtempSync(join(tmpdir(), "wasmq-storage-"));
  const storage = open(folder);
  folders.set(open(elsewhere), elsewhere);
  mkdirSync(join(elsewhere, "deep"));
  writeFileSync(join(elsewhere, "0"), "four");
  writeFileSync(join(elsewhere, "deep/1"), "");
  symlinkSync(elsewhere, join(folder, "commitlog"));
  symlinkSync(join(elsewhere, "0"), join(folder, "file"));
  symlinkSync(folder, join(folder, "circle"));
  symlinkSync(elsewhere, join(elsewhere, "deep/up"));
  expect(storage.list("").map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["commitlog/0", 4],
    ["commitlog/deep/1", 0],
    ["file", 4],
  ]);
  expect(storage.list("commitlog").map(({ name }) => name)).toEqual(["commitlog/0", "commitlog/deep/1"]);

  symlinkSync(join(folder, "gone"), join(folder, "dangling"));
  expect(() => storage.list("")).toThrow(/ENOENT.*dangling/);
  storage.close();
});

afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
});

function open(folder: string): NodeLogStorage {
  const storage = new NodeLogStorage(folder);
  folders.set(storage, folder);
  return storage;
}
