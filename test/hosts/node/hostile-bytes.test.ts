/**
 * What a port open to anybody must bear: every kind of wrong byte gets an error answer or a closed connection, costs a
 * bounded amount of memory, and never keeps an honest client waiting. The server is the built command line in a process
 * of its own, so a crash is a crash and memory is what the operating system says.
 *
 * What any carrier must bear is in test/behaviour too; here it costs memory that is watched.
 *
 * BESIDE_APACHE=1 runs the same against Apache RocketMQ, whose jars come by Maven, to see where the two differ.
 */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  decodeFrame,
  encodeRequest,
  FLAG_ONEWAY,
  FrameReader,
  frameOf,
  type RemotingFrame,
} from "../../../bench/frame.ts";
import { brokerPom, classpathOf } from "../../../bench/java.ts";
import { openFiles, residentBytes } from "../../../bench/proc.ts";
import { connectSocket, RemotingClient } from "../../../bench/remoting-client.ts";
import { type Server, startApache, startWasmq } from "../../../bench/server.ts";
import { frameBytesMax, serverBudget } from "../../../src/limits.ts";
import {
  asksToBeHeld,
  batchesThatLie,
  binaryHeadersThatLie,
  bodiesThatAreNoJson,
  headersThatAreNoJson,
  heartbeatBody,
  heartbeatsThatAreNone,
  inheritedNames,
  inheritedNamesHeader,
  jsonBodyCodes,
  mayGoUnread,
  maySucceedEmpty,
  nestedHeaders,
  noNumbers,
  otherProtocols,
  parseRequired,
  randomFrom,
  requestCodes,
  requiredOf,
  sendHeader,
  strangeBodies,
  strangeHeartbeats,
  strangeNumbers,
  strangeSysFlags,
  unknownSerializeTypes,
  unquotedSend,
  unsupportedCodes,
  validHeader,
  wrongExtFields,
  wrongLengths,
  wrongMembers,
} from "../../behaviour/hostile-cases.ts";

const MIB = 1024 * 1024;
/** Eight of the largest frames: the pieces as they came, the whole, its text, and garbage not collected yet. */
const RESIDENT_GROWTH_BYTES_MAX = 128 * MIB;
/** A third of a client's send timeout of 3 s; other tests may hold the processors meanwhile. */
const WITNESS_LATENCY_MS_MAX = 1000;
/** Long enough for a busy machine, far below any idle timeout: a connection closed later was not closed for its bytes. */
const SETTLE_MS = 3000;
const CONCURRENT = 20;

const apache = process.env["BESIDE_APACHE"] !== undefined;
let server: Server;
let witness: Witness;
let memory: MemoryWatch;
const report: string[] = [];

beforeAll(async () => {
  server = apache ? await startApache(await classpathOf(brokerPom)) : await startWasmq();
  await sendPlain("Hostile");
  witness = await Witness.start(server.brokerPort);
  await sleep(1000);
  memory = new MemoryWatch(server.pid);
}, 90_000);

afterEach(({ task }) => {
  const worstMs = witness.takeWorstMs();
  const growthMib = memory.takeGrowthBytes() / MIB;
  report.push(`${worstMs.toFixed(0).padStart(5)} ms ${growthMib.toFixed(0).padStart(5)} MiB  ${task.name}`);
  expect(server.running(), `the server has ended:\n${server.output()}`).toBe(true);
  expect(witness.takeFailures(), "an honest client was refused").toEqual([]);
  expect(worstMs, "an honest client waited").toBeLessThan(WITNESS_LATENCY_MS_MAX);
  // A Java heap takes what it was allowed to take; that says nothing about the bytes.
  if (apache) return;
  // The pieces themselves, and as much again of those that were closed and wait for the collector.
  const boundBytes = task.name === PARTIAL_FLOOD ? 2 * serverBudget.partialFrameBytesTotalMax : 0;
  expect(growthMib, "resident memory grew").toBeLessThan((RESIDENT_GROWTH_BYTES_MAX + boundBytes) / MIB);
});

afterAll(async () => {
  if (server === undefined) return;
  memory?.stop();
  await witness?.stop();
  const alive = server.running();
  const ended = await server.stop();
  console.info(`worst wait of an honest client, growth of resident memory:\n${report.join("\n")}`);
  if (alive && !apache) expect(ended, `SIGTERM ends it cleanly:\n${server.output()}`).toBe(0);
}, 30_000);

describe("bytes that are no frame", () => {
  test("random bytes", async () => {
    const random = randomFrom(1);
    await inTurns(200, async (index) => {
      const bytes = random.bytes(1 + random.below(4096));
      expect(await settled(bytes), `random blob ${index}`).toBe(true);
    });
  });

  test("the first bytes of other protocols, then nonsense", async () => {
    for (const bytes of otherProtocols) {
      expect(await settled(bytes), JSON.stringify(String.fromCharCode(...bytes.subarray(0, 40)))).toBe(true);
    }
  });

  test.each(wrongLengths)("a length of %s", async (_name, length) => {
    const bytes = Buffer.alloc(64);
    bytes.writeInt32BE(length, 0);
    expectRefused(await feed(bytes));
  });

  test("a header longer than its frame", async () => {
    const good = encodeRequest(34, 1, 0, undefined, undefined);
    for (const headerLength of [good.length - 7, good.length, 0xffff, 0xffffff]) {
      const bytes = Buffer.from(good);
      bytes.writeUIntBE(headerLength, 5, 3);
      expectRefused(await feed(bytes), `header length ${headerLength}`);
    }
  });

  test("an unknown serialize type", async () => {
    for (const type of unknownSerializeTypes) {
      expectRefused(await feed(frameOf(type, Buffer.from('{"code":34,"opaque":1}'), NOTHING)), `type ${type}`);
    }
  });

  test("a frame cut anywhere, then the end", async () => {
    const frame = encodeRequest(310, 1, 0, sendHeader("Hostile"), Buffer.from("never stored"));
    await inTurns(frame.length, async (length) => {
      expect(await settled(frame.subarray(0, length)), `${length} bytes`).toBe(true);
    });
  });
});

describe("headers that lie", () => {
  test.each(headersThatAreNoJson)("JSON: %s", async (_name, text) => {
    expectRefused(await feed(frameOf(0, Buffer.from(text, "latin1"), NOTHING)));
  });

  test("JSON nested deeply and closed", async () => {
    for (const [depth, header] of nestedHeaders) {
      expectRefused(await feed(frameOf(0, Buffer.from(header), NOTHING)), `depth ${depth}`);
    }
  });

  test("members of wrong types", async () => {
    for (const header of wrongExtFields) {
      expectRefused(await feed(frameOf(0, Buffer.from(header), NOTHING), server.namesrvPort), header);
    }
    for (const header of wrongMembers)
      expect(await settled(frameOf(0, Buffer.from(header), NOTHING)), header).toBe(true);
  });

  test("numbers and booleans in extFields are read as their text", async () => {
    const { frames } = await feed(frameOf(0, Buffer.from(unquotedSend), Buffer.from("from C++")));
    expect(frames[0]).toMatchObject({ code: 0, opaque: 1 });
  });

  test("names every JavaScript object has", async () => {
    expectRefused(await feed(frameOf(0, Buffer.from(inheritedNamesHeader), NOTHING), server.namesrvPort));
    const broker = await RemotingClient.connect({ port: server.brokerPort });
    const namesrv = await RemotingClient.connect({ port: server.namesrvPort });
    for (const topic of inheritedNames) {
      expect(await namesrv.request(105, { topic, acceptStandardJsonOnly: "true" }), topic).toMatchObject({ code: 17 });
      const sent = await broker.request(310, sendHeader(topic), Buffer.from("x"));
      expect(sent, topic).toMatchObject({ code: 0, extFields: { queueOffset: "0" } });
    }
    await broker.close();
    await namesrv.close();
  });

  test("binary headers whose lengths lie", async () => {
    for (const [name, header] of binaryHeadersThatLie) {
      expectRefused(await feed(frameOf(1, header, NOTHING)), name, expect.soft);
    }
  });

  test("good frames with flipped bytes", async () => {
    const random = randomFrom(2);
    const good = [
      encodeRequest(310, 1, 0, sendHeader("Hostile"), Buffer.from("x")),
      encodeRequest(11, 1, 0, validHeader(requiredOf(11)), undefined),
      encodeRequest(34, 1, 0, undefined, heartbeatBody),
      encodeRequest(105, 1, 0, { topic: "Hostile" }, undefined),
    ];
    await inTurns(400, async (index) => {
      const bytes = Buffer.from(good[index % good.length]!);
      for (let flips = 1 + random.below(8); flips > 0; flips--) {
        // The length stays, or the rest is never read.
        bytes[4 + random.below(bytes.length - 4)]! ^= 1 << random.below(8);
      }
      expect(await settled(bytes), `mutation ${index}: ${bytes.toString("base64")}`).toBe(true);
    });
  });
});

/** END_TRANSACTION is always one-way; sent otherwise, Apache leaves some of it unanswered, which costs a client its timeout. */
const TWO_WAY = requestCodes.filter(([code]) => !apache || code !== 37);

describe("requests with fields missing or wrong", () => {
  test.each(requestCodes)("code %i with nothing at all", async (code) => {
    const client = await RemotingClient.connect({ port: portOf(code) });
    const answer = await client.request(code);
    if (!maySucceedEmpty.has(code)) expect(answer.code).not.toBe(0);
    const withoutExtFields = await client.exchange(
      77,
      frameOf(0, Buffer.from(`{"code":${code},"opaque":77}`), NOTHING),
    );
    if (!maySucceedEmpty.has(code)) expect(withoutExtFields.code).not.toBe(0);
    await client.close();
  });

  test.each(TWO_WAY.filter(([, required]) => required !== ""))(
    "code %i without one of its fields",
    async (code, text) => {
      const client = await RemotingClient.connect({ port: portOf(code) });
      for (const { name } of parseRequired(text)) {
        const { [name]: _dropped, ...header } = validHeader(parseRequired(text));
        // Which of these are refused differs with what Apache happens to look at; all of them are answered.
        expect.soft(await answered(client, code, header), `${code} without ${name}`).toBe(true);
      }
      await client.close();
    },
  );

  test.each(TWO_WAY.filter(([, required]) => required.includes(":")))(
    "code %i with wrong numbers",
    async (code, text) => {
      const client = await RemotingClient.connect({ port: portOf(code) });
      for (const { name, numeric } of parseRequired(text)) {
        if (!numeric) continue;
        for (const value of noNumbers) {
          const header = { ...validHeader(parseRequired(text)), [name]: value };
          const answer = await client.request(code, header, Buffer.from("x"));
          if (!mayGoUnread.has(name)) expect.soft(answer.code, `${code} with ${name}=${value}`).not.toBe(0);
        }
        for (const value of strangeNumbers) {
          if (asksToBeHeld(name, value)) continue;
          const header = { ...validHeader(parseRequired(text)), [name]: value };
          expect.soft(await answered(client, code, header), `${code} with ${name}=${value}`).toBe(true);
        }
      }
      await client.close();
    },
  );

  test("an unknown code is answered with 3 and its number", async () => {
    const client = await RemotingClient.connect({ port: server.brokerPort });
    for (const code of unsupportedCodes) {
      const answer = await client.request(code, { topic: "Hostile" });
      expect(answer).toMatchObject({ code: 3, remark: ` request type ${code} not supported` });
    }
    await client.close();
  });

  test("a one-way request gets no answer, whatever is wrong with it", async () => {
    for (const port of [server.brokerPort, server.namesrvPort]) {
      const codes = [9999, -1, ...requestCodes.map(([code]) => code).filter((code) => portOf(code) === port)];
      const oneway = codes.flatMap((code) => [
        encodeRequest(code, 1, FLAG_ONEWAY, undefined, undefined),
        encodeRequest(code, 2, FLAG_ONEWAY, { topic: "", queueId: "abc" }, Buffer.from("not a body")),
      ]);
      const last = encodeRequest(9999, 3, 0, undefined, undefined);
      const { frames } = await feed(Buffer.concat([...oneway, last]), port, 500);
      expect(frames.map((frame) => frame.opaque)).toEqual([3]);
    }
  });

  test("an answer to a question never asked is dropped", async () => {
    const unasked = frameOf(0, Buffer.from('{"code":0,"flag":1,"opaque":41,"version":513}'), Buffer.from("x"));
    const real = encodeRequest(9999, 42, 0, undefined, undefined);
    const { frames } = await feed(Buffer.concat([unasked, unasked, real]), server.brokerPort, 500);
    expect(frames.map((frame) => frame.opaque)).toEqual([42]);
  });
});

describe("bodies that lie", () => {
  test("a batch whose items do not add up", async () => {
    const client = await RemotingClient.connect({ port: server.brokerPort });
    for (const [name, body] of batchesThatLie) {
      const answer = await client.request(320, { ...sendHeader("HostileBatch"), m: "true" }, body);
      expect.soft(answer.code, name).not.toBe(0);
    }
    await client.close();
  });

  test("a heartbeat that is not one", async () => {
    const client = await RemotingClient.connect({ port: server.brokerPort });
    for (const text of heartbeatsThatAreNone) {
      const answer = await client.request(34, undefined, Buffer.from(text));
      expect(answer.code, text.slice(0, 20)).not.toBe(0);
    }
    for (const text of strangeHeartbeats) {
      expect(await settledRequest(client, 34, Buffer.from(text)), text.slice(0, 100)).toBe(true);
    }
    await client.close();
  });

  test.each(jsonBodyCodes)("a body of code %i that is not JSON", async (code) => {
    const client = await RemotingClient.connect({ port: server.brokerPort });
    for (const text of bodiesThatAreNoJson) {
      expect((await client.request(code, undefined, Buffer.from(text))).code, text.slice(0, 20)).not.toBe(0);
    }
    for (const text of strangeBodies) {
      expect(await settledRequest(client, code, Buffer.from(text)), text).toBe(true);
    }
    await client.close();
  });

  test("a sysFlag that claims longer addresses leaves the queue readable", async () => {
    const topic = "HostileSysFlag";
    const client = await RemotingClient.connect({ port: server.brokerPort });
    for (const sysFlag of strangeSysFlags) {
      expect(await answered(client, 310, { ...sendHeader(topic), f: sysFlag }), `sysFlag ${sysFlag}`).toBe(true);
    }
    expect(await client.request(310, sendHeader(topic), Buffer.from("the last"))).toMatchObject({ code: 0 });
    // The index of a queue may lag behind the answer to a send.
    await expect.poll(() => pullBodies(client, topic), { timeout: SETTLE_MS }).toContain("the last");
    await client.close();
  });
});

const PARTIAL_FLOOD = "more half-sent frames than there is room for";

describe("sizes and numbers", () => {
  test("a frame of exactly the limit is read, one byte more closes", async () => {
    const client = await RemotingClient.connect({ port: server.brokerPort, requestTimeoutMs: 10_000 });
    const empty = encodeRequest(310, 500, 0, sendHeader("Hostile"), undefined);
    const atLimit = encodeRequest(310, 500, 0, sendHeader("Hostile"), Buffer.alloc(frameBytesMax - empty.length, 0x61));
    expect(atLimit.length).toBe(frameBytesMax);
    // Read whole, and refused for its meaning: a body may have 4 MiB.
    expect(await client.exchange(500, atLimit)).toMatchObject({ code: 13 });
    expect(await client.request(310, sendHeader("Hostile"), Buffer.from("x"))).toMatchObject({ code: 0 });
    await client.close();

    const above = Buffer.concat([atLimit, Buffer.from("a")]);
    above.writeInt32BE(above.length - 4, 0);
    const outcome = await feed(above);
    expect(outcome.closed).toBe(true);
    expect(outcome.frames).toEqual([]);
  });

  test("a frame sent byte by byte is answered, and one without end disturbs nobody", async () => {
    const endless = await connectSocket({ port: server.brokerPort });
    endless.on("error", () => {});
    const claim = Buffer.alloc(8);
    claim.writeInt32BE(MIB, 0);
    endless.write(claim);
    const client = await RemotingClient.connect({ port: server.brokerPort, requestTimeoutMs: 10_000 });
    const frame = encodeRequest(34, 9, 0, undefined, heartbeatBody);
    const answer = client.exchange(9, frame.subarray(0, 1));
    for (let at = 1; at < frame.length; at++) {
      await sleep(1);
      client.socket.write(frame.subarray(at, at + 1));
      endless.write("x");
    }
    expect(await answer).toMatchObject({ code: 0 });
    for (let i = 0; i < 1000; i++) {
      await sleep(1);
      endless.write("x");
    }
    endless.destroy();
    await client.close();
  });

  test("200 frames of 16 MiB announced and not sent take no room", async () => {
    const sockets: Socket[] = [];
    const announced = Buffer.alloc(100, 0x20);
    announced.writeInt32BE(frameBytesMax - 4, 0);
    announced.writeUInt32BE(0x00ffff00, 4);
    for (let i = 0; i < 200; i++) {
      const socket = await connectSocket({ port: server.brokerPort });
      socket.on("error", () => {});
      socket.write(announced);
      sockets.push(socket);
    }
    await sleep(500);
    for (const socket of sockets) socket.destroy();
  });

  test("2,000 quick connections leave nothing open", async () => {
    const openBefore = openFiles(server.pid);
    await inTurns(2000, async (index) => {
      const socket = await connectSocket({ port: server.brokerPort, connectDeadlineMs: SETTLE_MS });
      socket.on("error", () => {});
      if (index % 3 === 0) socket.write(Buffer.from([0, 0]));
      if (index % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    });
    const deadlineMs = performance.now() + SETTLE_MS;
    while (openFiles(server.pid) > openBefore && performance.now() < deadlineMs) await sleep(20);
    expect(openFiles(server.pid)).toBeLessThanOrEqual(openBefore);
  });

  // A Java heap takes what it was allowed to take, which says nothing about the bytes: skipped for Apache.
  test.skipIf(apache)("all of the above together left the memory within its bound", () => {
    expect(memory.growthSinceStartBytes() / MIB).toBeLessThan(RESIDENT_GROWTH_BYTES_MAX / MIB);
  });

  // Apache has no such bound and would only run out of heap.
  test.skipIf(apache)(PARTIAL_FLOOD, { timeout: 20_000 }, async () => {
    const partialBytes = frameBytesMax - MIB;
    const connections = Math.ceil((2 * serverBudget.partialFrameBytesTotalMax) / partialBytes);
    const partial = Buffer.alloc(partialBytes, 0x20);
    partial.writeInt32BE(frameBytesMax - 4, 0);
    partial.writeUInt32BE(0x00000100, 4);
    let closed = 0;
    const sockets: Socket[] = [];
    for (let i = 0; i < connections; i++) {
      const socket = await connectSocket({ port: server.brokerPort });
      socket.on("error", () => {});
      socket.once("close", () => closed++);
      const written = new Promise<void>((resolve) => {
        socket.once("close", () => resolve());
        socket.write(partial, () => resolve());
      });
      sockets.push(socket);
      await written;
    }
    await sleep(500);
    const closedByServer = closed;
    for (const socket of sockets) socket.destroy();
    expect(closedByServer).toBeGreaterThan(0);
    // Room is given back with the connections: a large frame gets through again.
    await sleep(100);
    const client = await RemotingClient.connect({ port: server.brokerPort, requestTimeoutMs: 10_000 });
    const large = await client.request(310, sendHeader("Hostile"), Buffer.alloc(3 * MIB, 0x61));
    expect(large).toMatchObject({ code: 0 });
    await client.close();
  });
});

// --- what the tests above say in one word each ---

const NOTHING = Buffer.alloc(0);

interface Outcome {
  frames: RemotingFrame[];
  closed: boolean;
}

/** Sends bytes on a connection of their own and waits for its end, or for an answer and `restMs` more. */
async function feed(bytes: Uint8Array, port = server.brokerPort, restMs = 0): Promise<Outcome> {
  const socket = await connectSocket({ port, connectDeadlineMs: SETTLE_MS });
  const outcome: Outcome = { frames: [], closed: false };
  await new Promise<void>((resolve) => {
    const reader = new FrameReader((buffer, start, end) => {
      const frame = decodeFrame(buffer, start, end);
      outcome.frames.push({ ...frame, body: Buffer.from(frame.body) });
      setTimeout(resolve, restMs);
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        // An answer of another protocol, as to bytes that looked like HTTP.
      }
    });
    socket.on("error", () => {});
    socket.once("close", () => {
      outcome.closed = true;
      resolve();
    });
    setTimeout(resolve, SETTLE_MS).unref();
    socket.write(bytes);
  });
  socket.destroy();
  return outcome;
}

function expectRefused(outcome: Outcome, name = "these bytes", how: typeof expect.soft = expect): void {
  how(outcome.closed || outcome.frames.length > 0, `${name}: neither answered nor closed`).toBe(true);
  for (const frame of outcome.frames) how(frame.code, `${name}: accepted`).not.toBe(0);
}

/** Whether the server lets go of a connection whose client sent `bytes` and has no more to say. */
async function settled(bytes: Uint8Array): Promise<boolean> {
  const socket = await connectSocket({ port: server.brokerPort, connectDeadlineMs: SETTLE_MS });
  const closed = new Promise<boolean>((resolve) => {
    socket.on("error", () => {});
    socket.once("close", () => resolve(true));
    setTimeout(() => resolve(false), SETTLE_MS).unref();
  });
  socket.resume();
  socket.end(bytes);
  const result = await closed;
  socket.destroy();
  return result;
}

async function answered(client: RemotingClient, code: number, header: Record<string, string>): Promise<boolean> {
  try {
    await client.request(code, header, Buffer.from("x"));
    return true;
  } catch {
    return false;
  }
}

async function settledRequest(client: RemotingClient, code: number, body: Uint8Array): Promise<boolean> {
  try {
    await client.request(code, undefined, body);
    return true;
  } catch {
    return client.socket.destroyed;
  }
}

async function inTurns(count: number, each: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const turn = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await each(index);
  };
  await Promise.all(Array.from({ length: CONCURRENT }, turn));
}

async function sendPlain(topic: string): Promise<void> {
  const client = await RemotingClient.connect({ port: server.brokerPort, connectDeadlineMs: SETTLE_MS });
  const answer = await client.request(310, sendHeader(topic), Buffer.from("plain"));
  expect(answer).toMatchObject({ code: 0 });
  await client.close();
}

/** All bodies of queue 0, each record checked to be a whole one. */
async function pullBodies(client: RemotingClient, topic: string): Promise<string[]> {
  const bodies: string[] = [];
  const header = { ...validHeader(requiredOf(11)), topic, sysFlag: "4", subscription: "*", expressionType: "TAG" };
  for (let offset = 0; ; ) {
    const answer = await client.request(11, { ...header, queueOffset: String(offset) });
    const nextOffset = Number(answer.extFields["nextBeginOffset"]);
    if (answer.code === 19 || nextOffset <= offset) return bodies;
    if (answer.code !== 21) expect(answer).toMatchObject({ code: 0 });
    for (let at = 0; at < answer.body.length; at += answer.body.readInt32BE(at)) {
      expect(at + answer.body.readInt32BE(at)).toBeLessThanOrEqual(answer.body.length);
      const sysFlag = answer.body.readInt32BE(at + 36);
      const bodyAt = at + 84 + ((sysFlag & 16) === 0 ? 0 : 12) + ((sysFlag & 32) === 0 ? 0 : 12);
      const bodyLength = answer.body.readInt32BE(bodyAt);
      bodies.push(answer.body.toString("latin1", bodyAt + 4, bodyAt + 4 + bodyLength));
    }
    offset = nextOffset;
  }
}

function portOf(code: number): number {
  return code === 105 ? server.namesrvPort : server.brokerPort;
}

/** A client that behaves: sends one message after the other all the while, and remembers the longest wait. */
class Witness {
  #failures: string[] = [];
  readonly #client: RemotingClient;
  readonly #ended: Promise<void>;
  #worstMs = 0;
  #sentAtMs = 0;
  #stopping = false;

  static async start(port: number): Promise<Witness> {
    // Patient, so that a long wait is measured instead of ending in a closed connection.
    return new Witness(await RemotingClient.connect({ port, requestTimeoutMs: 30_000 }));
  }

  constructor(client: RemotingClient) {
    this.#client = client;
    this.#ended = this.#run();
  }

  /** The longest wait since the last call, one that is not over included. */
  takeWorstMs(): number {
    const waitingMs = this.#sentAtMs === 0 ? 0 : performance.now() - this.#sentAtMs;
    const worstMs = Math.max(this.#worstMs, waitingMs);
    this.#worstMs = 0;
    return worstMs;
  }

  takeFailures(): string[] {
    const failures = this.#failures;
    // Without its connection it can't say any more; then every test after this one has failed too.
    if (!this.#client.socket.destroyed) this.#failures = [];
    return failures;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
    await this.#client.close();
  }

  async #run(): Promise<void> {
    const body = Buffer.alloc(1024, 0x77);
    while (!this.#stopping && !this.#client.socket.destroyed) {
      this.#sentAtMs = performance.now();
      try {
        const answer = await this.#client.request(310, sendHeader("Witness"), body);
        if (answer.code !== 0) this.#failures.push(`${answer.code}: ${answer.remark}`);
      } catch (error) {
        this.#failures.push(String(error));
      }
      this.#worstMs = Math.max(this.#worstMs, performance.now() - this.#sentAtMs);
      this.#sentAtMs = 0;
      await sleep(2);
    }
  }
}

/** Samples a process's resident memory, to know its peaks. */
class MemoryWatch {
  readonly #pid: number;
  readonly #atStartBytes: number;
  readonly #timer: NodeJS.Timeout;
  #beforeBytes: number;
  #peakBytes = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#atStartBytes = residentBytes(pid);
    this.#beforeBytes = this.#atStartBytes;
    this.#timer = setInterval(() => this.#sample(), 20);
  }

  /** From one call to the next, so that a test is not blamed for what an earlier one took. */
  takeGrowthBytes(): number {
    const nowBytes = this.#sample();
    const growth = this.#peakBytes - this.#beforeBytes;
    this.#beforeBytes = nowBytes;
    this.#peakBytes = 0;
    return growth;
  }

  growthSinceStartBytes(): number {
    return this.#sample() - this.#atStartBytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): number {
    try {
      const bytes = residentBytes(this.#pid);
      this.#peakBytes = Math.max(this.#peakBytes, bytes);
      return bytes;
    } catch {
      // The process has ended; the test that asks whether it runs says so.
      return this.#beforeBytes;
    }
  }
}
