import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
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

afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
});

function open(folder: string): LogStorage {
  const storage = new NodeLogStorage(folder);
  folders.set(storage, folder);
  return storage;
}
