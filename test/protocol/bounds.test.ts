import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import { frameBytesMax, sendBufferBytesMax, serverBudget } from "../../src/limits.ts";
import type { Connection, ConnectionHandler } from "../../src/ports/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";
import { InProcessClient } from "../lib/in-process-client.ts";

let broker: RunningBroker;
let client: InProcessClient;

beforeEach(async () => {
  broker = await startInMemory({ coreModule: await loadCoreModule() });
  client = new InProcessClient(broker);
});

afterEach(() => broker.stop());

test("frames of peers who never end them do not push out a smaller one", () => {
  const partial = new Uint8Array(frameBytesMax - 1);
  new DataView(partial.buffer).setInt32(0, frameBytesMax - 4);
  const hostile = Array.from(
    { length: serverBudget.partialFrameBytesTotalMax / frameBytesMax },
    () => new Unread(broker),
  );
  for (const peer of hostile) peer.handler.received(partial);
  const honest = new Unread(broker);
  const frame = requestFrame(310, 1, sendFields("T"), new Uint8Array(300_000));
  for (let at = 0; at < frame.length; at += 65_536) honest.handler.received(frame.subarray(at, at + 65_536));
  expect(honest.isClosed).toBe(false);
  expect(hostile.filter(({ isClosed }) => isClosed).length).toBe(1);
});

describe("peers who do not read", () => {
  test("are sent no more messages, and are closed before small answers fill the memory", async () => {
    await client.trySend("T", new Uint8Array(sendBufferBytesMax));
    const peer = new Unread(broker);
    for (let opaque = 1; opaque <= 20; opaque++) peer.handler.received(requestFrame(11, opaque, pullFields(0, 0)));
    for (let opaque = 21; opaque <= 40; opaque++) peer.handler.received(requestFrame(33, opaque, { offset: "0" }));
    await turn();
    expect(peer.unsentBytes).toBeGreaterThan(sendBufferBytesMax);
    expect(peer.unsentBytes).toBeLessThan(2 * sendBufferBytesMax);
    expect(peer.isClosed).toBe(false);
    peer.unsentBytes = serverBudget.unsentBytesMax;
    peer.handler.received(requestFrame(105, 41, { topic: "T" }));
    expect(peer.isClosed).toBe(true);
  });

  test("can't hold more together than there is room for, and give way to those who read", async () => {
    await client.send("T", "m0");
    const peers = Array.from({ length: 100 }, () => new Unread(broker));
    for (const peer of peers) peer.handler.received(requestFrame(11, 1, pullFields(1, 20_000)));
    await client.trySend("T", new Uint8Array(sendBufferBytesMax));
    await turn();
    const unsent = peers.reduce((sum, { unsentBytes }) => sum + unsentBytes, 0);
    expect(unsent).toBeLessThan(serverBudget.unsentBytesTotalMax + 2 * sendBufferBytesMax);
    let answer = await client.pull("G", "T", 0, 1, { subscription: "*" });
    for (let i = 0; i < 10 && answer.code !== 0; i++) answer = await client.pull("G", "T", 0, 1, { subscription: "*" });
    expect(answer.code).toBe(0);
    expect(peers.filter(({ isClosed }) => isClosed).length).toBeLessThan(10);
  });
});

test("a held pull keeps nothing of its request's body and fields", async () => {
  await client.send("T", "m0");
  const peer = new Unread(broker);
  const before = usedBytes();
  for (let opaque = 1; opaque <= 50; opaque++) {
    const fields = { ...pullFields(1, 20_000), subscription: `A||${"b".repeat(100_000)}`, extra: "x".repeat(100_000) };
    peer.handler.received(requestFrame(11, opaque, fields, new Uint8Array(1_000_000)));
  }
  // What the requests themselves took goes when they are through.
  await vi.waitFor(() => expect(usedBytes() - before).toBeLessThan(4_000_000), 10_000);
});

/** A peer that never reads: what it is sent stays. */
class Unread implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 0;
  readonly handler: ConnectionHandler;
  unsentBytes = 0;
  isClosed = false;

  constructor(broker: RunningBroker) {
    this.handler = broker.accept(this);
  }

  send(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.unsentBytes += chunk.length;
  }

  abort(): void {
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.unsentBytes = 0;
    this.handler.closed();
  }
}

function requestFrame(code: number, opaque: number, extFields: object, body = new Uint8Array(0)): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ code, opaque, flag: 0, extFields, version: 513 }));
  const frame = new Uint8Array(8 + header.length + body.length);
  const view = new DataView(frame.buffer);
  view.setInt32(0, frame.length - 4);
  view.setInt32(4, header.length);
  frame.set(header, 8);
  frame.set(body, 8 + header.length);
  return frame;
}

function sendFields(topic: string): object {
  return { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" };
}

function pullFields(offset: number, suspendMs: number): object {
  return {
    consumerGroup: "G",
    topic: "T",
    queueId: "0",
    queueOffset: String(offset),
    maxMsgNums: "32",
    sysFlag: "6",
    commitOffset: "0",
    suspendTimeoutMillis: String(suspendMs),
    subVersion: "0",
    subscription: "*",
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
