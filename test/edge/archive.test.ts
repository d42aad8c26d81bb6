/** The store of a broker object over HTTP: into an Apache broker, and into a fresh object. */
import { execFile } from "node:child_process";
import { openAsBlob } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ReceivedMessage } from "../../src/client/index.ts";
import { until } from "../client/suite.ts";
import { expectAllConsumed } from "../interop/acked-load.ts";
import { startApache } from "../interop/apache-broker.ts";
import { JavaClients } from "../interop/java-client.ts";
import { missingTool } from "../interop/toolchain.ts";
import { type Edge, EdgeBundle } from "./edge.ts";

const run = promisify(execFile);
const timeoutMs = 120_000;
const javaTimeoutMs = 360_000;
const main = path.join(import.meta.dirname, "../../dist/cli/main.js");
const token = "open sesame";

let bundle: EdgeBundle;
let directory: string;
beforeAll(async () => {
  bundle = await EdgeBundle.make();
}, timeoutMs);
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "wasmq-edge-archive-"));
});
afterEach(async () => {
  await bundle.clean();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});
afterAll(() => bundle?.close());

/** 25 MB in singles and batches, delayed ones among them: they take two CommitLog files. The keys. */
async function fill(edge: Edge): Promise<string[]> {
  const producer = edge
    .client({ token })
    .producer({ compressFromBytes: Number.POSITIVE_INFINITY, sendTimeoutMs: 20_000 });
  const keys = Array.from({ length: 1_000 }, (_, i) => `moved-${i}`);
  const messages = keys.map((key) => ({
    topic: "Moved",
    keys: [key],
    body: new Uint8Array(25_000).fill(97),
    tag: "A",
  }));
  for (let at = 0; at < 500; at += 50) await producer.send(messages.slice(at, at + 50));
  await Promise.all(messages.slice(500).map((message) => producer.send(message)));
  return keys;
}

async function exportFrom(edge: Edge): Promise<string> {
  const archive = path.join(directory, "store.tar");
  const from = `${edge.url}/brokers/broker-a/export`;
  await run(process.execPath, [main, "export", "--from", from, "--token", token, archive]);
  return archive;
}

async function importInto(edge: Edge, body: BodyInit): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${edge.url}/brokers/broker-a/import`, { method: "POST", headers, body });
  const { code, imported } = (await response.json()) as { code?: string; imported?: boolean };
  return `${response.status} ${code ?? imported}`;
}

async function consumed(edge: Edge, group: string, count: number): Promise<ReceivedMessage[]> {
  const had: ReceivedMessage[] = [];
  const consumer = edge.client({ token }).pushConsumer({
    group,
    subscriptions: { Moved: "A" },
    consumeFrom: "FIRST_OFFSET",
    listener: (batch) => void had.push(...batch),
  });
  await consumer.start();
  await until(() => had.length >= count, `${count} messages`, 60_000);
  await consumer.stop();
  return had;
}

test("an exported store is imported by another deployment, and goes on there after SIGKILL", {
  timeout: timeoutMs,
}, async () => {
  const first = await bundle.start({ TOKEN: token });
  const keys = await fill(first);
  const before = await consumed(first, "G", keys.length);
  let archive = "";
  // Offsets are written some seconds after they were committed, and may have been written before the last ones were.
  const hasOffsets = async (): Promise<boolean> => {
    archive = await exportFrom(first);
    const file = "config/consumerOffset.json";
    const { stdout } = await run("tar", ["xOf", archive, file]).catch(() => ({ stdout: "" }));
    if (stdout === "") return false;
    const { offsetTable } = JSON.parse(stdout) as { offsetTable: Record<string, Record<string, number>> };
    const committed = Object.values(offsetTable["Moved@G"] ?? {});
    return committed.reduce((sum, offset) => sum + offset, 0) === keys.length;
  };
  await until(hasOffsets, "the group's offsets in the archive", 60_000);

  const second = await bundle.start({ TOKEN: token });
  expect(await importInto(second, await openAsBlob(archive))).toBe("200 true");
  const offsets = second.client({ token }).pullConsumer({ group: "G" });
  for (const queue of await offsets.queues("Moved")) {
    expect(await offsets.maxOffset(queue)).toBeGreaterThan(0);
    expect(await offsets.committedOffset(queue)).toBe(await offsets.maxOffset(queue));
  }
  const places = (messages: readonly ReceivedMessage[]) =>
    messages
      .map(({ keys, offsetMessageId, queueId, queueOffset }) => `${keys} ${offsetMessageId} ${queueId} ${queueOffset}`)
      .sort();
  expect(places(await consumed(second, "Fresh", keys.length))).toEqual(places(before));
  // What has messages is not replaced.
  expect(await importInto(second, await openAsBlob(archive))).toBe("409 STORE_UNWRITABLE");

  await second
    .client({ token })
    .producer()
    .send({ topic: "Moved", keys: ["later"], tag: "A", body: "later" });
  await second.kill();
  await second.restart();
  expect(await consumed(second, "Again", keys.length + 1)).toHaveLength(keys.length + 1);
});

test("an archive that is none, or ends early, leaves a broker that works; one that was cut by SIGKILL is begun anew", {
  timeout: timeoutMs,
}, async () => {
  const first = await bundle.start({ TOKEN: token });
  const keys = await fill(first);
  const archive = await readFile(await exportFrom(first));

  const second = await bundle.start({ TOKEN: token });
  expect(await importInto(second, "no archive")).toBe("503 STORE_UNREADABLE");
  expect(await importInto(second, archive.subarray(0, archive.length / 2))).toBe("503 STORE_UNREADABLE");

  const half = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(archive.subarray(0, archive.length / 2))),
  });
  const cut = fetch(`${second.url}/brokers/broker-a/import`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${token}` }, body: half, duplex: "half" },
  } as RequestInit);
  const ended = expect(cut).rejects.toThrow();
  await until(async () => (await importInto(second, "no archive")) === "409 STORE_UNWRITABLE", "the import under way");
  await new Promise((resolve) => setTimeout(resolve, 500));
  await second.kill();
  await ended;
  await second.restart();
  // What is there is no store, and says so.
  await expect(second.client({ token }).producer().send({ topic: "T", body: "x" })).rejects.toThrow();
  expect(await importInto(second, archive)).toBe("200 true");
  expect(await consumed(second, "G", keys.length)).toHaveLength(keys.length);
});

describe.skipIf((await missingTool()) !== undefined)("with Apache RocketMQ", () => {
  let java: JavaClients;
  beforeAll(async () => {
    java = await JavaClients.of("5.5.0");
  }, javaTimeoutMs);
  afterAll(() => java?.close(), javaTimeoutMs);

  test("a store exported from workerd opens in an Apache 5.5.0 broker, and Java consumes it", {
    timeout: javaTimeoutMs,
  }, async () => {
    const edge = await bundle.start({ TOKEN: token });
    const keys = await fill(edge);
    const archive = await exportFrom(edge);
    const store = path.join(directory, "store");
    await mkdir(store);
    await run("tar", ["xf", archive, "-C", store]);
    const conf = await readFile(path.join(store, "broker.conf"), "utf8");
    const apache = await startApache({ store, conf });
    try {
      await expectAllConsumed(java, apache.namesrv, "Moved", "AtApache", keys);
    } finally {
      await apache.close();
    }
  });
});
