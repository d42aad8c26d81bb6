import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startWasmq } from "../../../src/hosts/node/index.ts";

const freePorts = { namesrvPort: 0, brokerPort: 0 };
let store: string;

beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "wasmq-host-"));
});

afterEach(() => {
  rmSync(store, { recursive: true, force: true });
});

test("a second stop leaves the store to its next owner", async () => {
  const first = await startWasmq({ ...freePorts, store });
  await Promise.all([first.stop(), first.stop()]);
  const second = await startWasmq({ ...freePorts, store });
  await first.stop();
  expect(existsSync(join(store, "abort"))).toBe(true);
  expect(existsSync(join(store, "lock"))).toBe(true);
  await second.stop();
});
