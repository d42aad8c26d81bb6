import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreLock } from "../../../src/hosts/node/store-lock.ts";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wasmq-lock-"));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("a store in use can't be taken again, and can once it is given back", () => {
  const first = new StoreLock(folder);
  first.take();
  expect(() => new StoreLock(folder).take()).toThrow(/is in use by wasmq \(process \d+\)/);
  first.release();
  const second = new StoreLock(folder);
  second.take();
  second.release();
});

test("the lock of a process that is gone stands in nobody's way", async () => {
  writeFileSync(join(folder, "lock"), `${await goneProcess()} 12345\n`);
  new StoreLock(folder).take();
  expect(readFileSync(join(folder, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
});

test("a process id in use again is not its former owner", () => {
  writeFileSync(join(folder, "lock"), `${sleeper().pid} 1\n`);
  new StoreLock(folder).take();
});

test("what Apache leaves behind is no lock, unless its broker lives", async () => {
  writeFileSync(join(folder, "lock"), "lock");
  writeFileSync(join(folder, "abort"), String(await goneProcess()));
  const lock = new StoreLock(folder);
  lock.take();
  lock.release();

  // A live process whose command is called java, as Apache's broker is.
  const java = sleeper("java");
  writeFileSync(join(folder, "lock"), "lock");
  writeFileSync(join(folder, "abort"), String(java.pid));
  expect(() => new StoreLock(folder).take()).toThrow(`in use by an Apache RocketMQ broker (process ${java.pid})`);
});

function sleeper(name?: string): ChildProcess {
  const child = spawn("sleep", ["60"], name === undefined ? {} : { argv0: name });
  children.push(child);
  return child;
}

async function goneProcess(): Promise<number> {
  const child = spawn("true");
  await new Promise((resolve) => child.once("exit", resolve));
  return child.pid!;
}
