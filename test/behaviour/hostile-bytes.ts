import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { frameBytesMax } from "../../src/limits.ts";
import { type Answer, FrameCutter, frameOf, RemotingClient, requestFrame, type Wire } from "../lib/remoting-client.ts";
import type { BrokerHost, HostedBroker } from "./host.ts";
import {
  binaryHeadersThatLie,
  headersThatAreNoJson,
  heartbeatBody,
  inheritedNames,
  inheritedNamesHeader,
  latin1,
  nestedHeaders,
  otherProtocols,
  randomFrom,
  requiredOf,
  sendHeader,
  unknownSerializeTypes,
  unquotedSend,
  validHeader,
  wrongExtFields,
  wrongLengths,
  wrongMembers,
} from "./hostile-cases.ts";
import { connect, type Start } from "./start.ts";

/** Far above what an answer takes on a busy machine: whoever waits longer is not answered. */
const settleMs = 3_000;

/** Bytes that are no frames, on any carrier: each gets an error answer or a closed connection, and others are served on. */
export function describeHostileBytes(host: BrokerHost, start: Start): void {
  let broker: HostedBroker;
  let honest: RemotingClient;

  beforeEach(async () => {
    ({ broker, client: honest } = await start());
    await honest.send("Hostile", "plain");
  });

  afterEach(async () => {
    const [message] = await Promise.all([honest.trySend("Hostile", "still there")]);
    expect(message, "an honest client is served").toMatchObject({ code: 0 });
    expect(
      broker.logged.filter((line) => line.startsWith("error")),
      "a bug has shown",
    ).toEqual([]);
  });

  describe("bytes that are no frame", () => {
    test("random bytes", async () => {
      const random = randomFrom(1);
      for (let i = 0; i < 100; i++) await settled(random.bytes(1 + random.below(4096)));
    });

    test("the first bytes of other protocols, then nonsense", async () => {
      for (const bytes of otherProtocols) await settled(bytes);
    });

    test.each(wrongLengths)("a length of %s", async (_, length) => {
      const bytes = new Uint8Array(64);
      new DataView(bytes.buffer).setInt32(0, length);
      await expectRefused(bytes);
    });

    test("a header longer than its frame", async () => {
      const good = requestFrame(34, 1);
      for (const headerLength of [good.length - 7, good.length, 0xffff, 0xffffff]) {
        const bytes = good.slice();
        new DataView(bytes.buffer).setUint32(4, headerLength);
        await expectRefused(bytes, `header length ${headerLength}`);
      }
    });

    test("an unknown serialize type", async () => {
      for (const type of unknownSerializeTypes) {
        await expectRefused(frameOf(type, latin1('{"code":34,"opaque":1}')), `type ${type}`);
      }
    });

    test("a frame cut anywhere, then the end", async () => {
      const frame = requestFrame(310, 1, 0, sendHeader("HostileCut"), latin1("never stored"));
      for (let length = 0; length < frame.length; length++) await settled(frame.subarray(0, length));
      expect((await honest.request(105, { topic: "HostileCut" })).code).toBe(17);
    });

    test("frames cut into two anywhere are answered, and so are many in one piece", async () => {
      const client = await connect(broker);
      const frame = requestFrame(34, 7, 0, {}, heartbeatBody);
      for (let length = 1; length < frame.length; length++) {
        const answer = client.exchange(7, frame.slice(0, length));
        client.push(frame.slice(length));
        expect(await answer, `cut after ${length}`).toMatchObject({ code: 0, opaque: 7 });
      }
      const many = Array.from({ length: 50 }, (_, i) => requestFrame(34, 1_000 + i, 0, {}, heartbeatBody));
      const joined = new Uint8Array(many.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const each of many) {
        joined.set(each, at);
        at += each.length;
      }
      const last = client.exchange(1_049, joined);
      expect(await last).toMatchObject({ code: 0 });
      expect(client.unasked.map(({ opaque }) => opaque)).toEqual(Array.from({ length: 49 }, (_, i) => 1_000 + i));
    });

    test("a frame sent byte by byte is answered, and one without end disturbs nobody", async () => {
      const endless = await connect(broker);
      const claim = new Uint8Array(8);
      new DataView(claim.buffer).setInt32(0, 1024 * 1024);
      endless.push(claim);
      const client = await connect(broker);
      const frame = requestFrame(34, 9, 0, {}, heartbeatBody);
      const answer = client.exchange(9, frame.slice(0, 1));
      for (let at = 1; at < frame.length; at++) {
        client.push(frame.slice(at, at + 1));
        endless.push(latin1("x"));
      }
      expect(await answer).toMatchObject({ code: 0 });
      endless.close();
    });

    test("frames of 16 MiB announced and not sent take no room", async () => {
      const announced = new Uint8Array(100).fill(0x20);
      new DataView(announced.buffer).setInt32(0, frameBytesMax - 4);
      new DataView(announced.buffer).setUint32(4, 0x00ffff00);
      const peers = await Promise.all(Array.from({ length: 50 }, () => connect(broker)));
      for (const peer of peers) peer.push(announced.slice());
      expect((await honest.trySend("Hostile", "meanwhile")).code).toBe(0);
      for (const peer of peers) peer.close();
    });

    test("a frame of exactly the limit is read, one byte more closes", async (context) => {
      if (host.supports.largestFrames !== true) context.skip(`the reason: ${host.supports.largestFrames}`);
      const client = await connect(broker);
      const empty = requestFrame(310, 500, 0, sendHeader("Hostile"));
      const body = new Uint8Array(frameBytesMax - empty.length).fill(0x61);
      const atLimit = requestFrame(310, 500, 0, sendHeader("Hostile"), body);
      expect(atLimit.length).toBe(frameBytesMax);
      // Read whole, and refused for its meaning: a body may have 4 MiB.
      expect(await client.exchange(500, atLimit)).toMatchObject({ code: 13 });
      expect(await client.trySend("Hostile", "x")).toMatchObject({ code: 0 });

      const above = frameOf(0, new Uint8Array(0), new Uint8Array(frameBytesMax - 7));
      const outcome = await feed(above);
      expect(outcome).toEqual({ closed: true, frames: [] });
    });
  });

  describe("headers that lie", () => {
    test.each(headersThatAreNoJson)("JSON: %s", async (_, text) => {
      await expectRefused(frameOf(0, latin1(text)));
    });

    test("JSON nested deeply and closed", async () => {
      for (const [depth, header] of nestedHeaders) await expectRefused(frameOf(0, latin1(header)), `depth ${depth}`);
    });

    test("members of wrong types", async () => {
      for (const header of wrongExtFields) await expectRefused(frameOf(0, latin1(header)), header);
      for (const header of wrongMembers) await settled(frameOf(0, latin1(header)));
    });

    test("numbers and booleans in extFields are read as their text", async () => {
      const { frames } = await feed(frameOf(0, latin1(unquotedSend), latin1("from C++")));
      expect(frames[0]).toMatchObject({ code: 0, opaque: 1 });
    });

    test("names every JavaScript object has", async () => {
      await expectRefused(frameOf(0, latin1(inheritedNamesHeader)));
      for (const topic of inheritedNames) {
        const route = await honest.request(105, { topic, acceptStandardJsonOnly: "true" });
        expect(route, topic).toMatchObject({ code: 17 });
        const sent = await honest.request(310, sendHeader(topic), latin1("x"));
        expect(sent, topic).toMatchObject({ code: 0, fields: { queueOffset: "0" } });
      }
    });

    test("binary headers whose lengths lie", async () => {
      for (const [name, header] of binaryHeadersThatLie) await expectRefused(frameOf(1, header), name);
    });

    test("good frames with flipped bytes", async () => {
      const random = randomFrom(2);
      const good = [
        requestFrame(310, 1, 0, sendHeader("Hostile"), latin1("x")),
        requestFrame(11, 1, 0, validHeader(requiredOf(11))),
        requestFrame(34, 1, 0, {}, heartbeatBody),
        requestFrame(105, 1, 0, { topic: "Hostile" }),
      ];
      for (let i = 0; i < 200; i++) {
        const bytes = good[i % good.length]!.slice();
        for (let flips = 1 + random.below(8); flips > 0; flips--) {
          // The length stays, or the rest is never read.
          bytes[4 + random.below(bytes.length - 4)]! ^= 1 << random.below(8);
        }
        await settled(bytes);
      }
    });
  });

  interface Outcome {
    readonly frames: readonly Answer[];
    readonly closed: boolean;
  }

  /** Sends bytes on a connection of their own and waits for its end or an answer. */
  async function feed(bytes: Uint8Array): Promise<Outcome> {
    const frames: Answer[] = [];
    let closed = false;
    let settle = (): void => {};
    const happened = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const cutter = new FrameCutter((frame) => {
      frames.push(frame);
      settle();
    });
    const wire: Wire = await broker.open({
      received: (received) => cutter.push(received),
      closed() {
        closed = true;
        settle();
      },
    });
    wire.send([bytes.slice()]);
    const timer = setTimeout(settle, settleMs);
    await happened;
    clearTimeout(timer);
    if (!closed) wire.close();
    return { frames, closed: frames.length === 0 && closed };
  }

  async function expectRefused(bytes: Uint8Array, name = "these bytes"): Promise<void> {
    const { frames, closed } = await feed(bytes);
    expect.soft(closed || frames.length > 0, `${name}: neither answered nor closed`).toBe(true);
    for (const frame of frames) expect.soft(frame.code, `${name}: accepted`).not.toBe(0);
  }

  /** Sends bytes on a connection of their own, then ends it: nothing is asked but that nobody else suffers. */
  async function settled(bytes: Uint8Array): Promise<void> {
    const peer = await RemotingClient.open((events) => broker.open({ received() {}, closed: () => events.closed() }));
    peer.push(bytes.slice());
    // One turn for the bytes to arrive, then the end.
    await new Promise((resolve) => setTimeout(resolve, 0));
    peer.close();
  }
}
