/**
 * Messages that are stored once, which Apache has not: official producers send what they have sent before, to wasmq, over its death, and over an
 * Apache broker's turn on the store.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, messagesOf, RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import { JavaClients, type SentLine } from "./java-client.ts";
import { named } from "./judged.ts";
import { OnePlace } from "./one-place.ts";
import { clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 240_000;
const count = 8;
const attributes = { "dedup.window.sec": "3600", "dedup.key": "UNIQ_KEY" };

describe.skipIf((await missingTool()) !== undefined)("messages that are stored once", () => {
  let place: OnePlace;
  const clientsOf = new Map<string, JavaClients>();

  beforeAll(async () => {
    for (const version of clientVersions) clientsOf.set(version, await JavaClients.of(version));
    place = await OnePlace.make({});
  }, setupMs);
  afterAll(async () => {
    for (const clients of clientsOf.values()) await clients.close();
    await place?.close();
  }, setupMs);

  const connect = () => RemotingClient.open((events) => openSocket(place.brokerPort, events));
  const bodiesIn = async (client: RemotingClient, topic: string): Promise<string[]> => {
    const bodies: string[] = [];
    for (let queueId = 0; queueId < 2; queueId++) {
      const answer = await client.pull("G", topic, queueId, 0, { subscription: "*" });
      bodies.push(...messagesOf(answer).map(({ body }) => body));
    }
    return bodies.sort();
  };
  const expected = (...texts: readonly string[]): string[] =>
    texts.flatMap((text) => Array.from({ length: count }, (_, i) => `${text}${i}`)).sort();
  /** What a producer is told, but for which batch it was in. */
  const told = (lines: readonly SentLine[]) =>
    lines.map(({ index, status, msgId, offsetMsgId, queueId, queueOffset }) => ({
      ...{ index, status, msgId, offsetMsgId, queueId, queueOffset },
    }));

  test("producers that send again are told of the first", { timeout: testMs }, async () => {
    await place.open("wasmq");
    let client = await connect();
    for (const version of clientVersions) {
      succeeded(
        await client.request(17, {
          ...{ topic: named("Once", version), defaultTopic: "TBW102", readQueueNums: 2, writeQueueNums: 2, perm: 6 },
          ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: "false" },
          attributes: "+dedup.window.sec=3600,+dedup.key=UNIQ_KEY",
        }),
      );
    }
    /** Sends each message as often as there are texts. */
    const send = async (version: string, key: string, mode: string, ...texts: readonly string[]) => {
      const common = { topic: named("Once", version), count, mode, "unique-key": key, "batch-size": count };
      const batches = texts.map((text) => ({ ...common, text }));
      const sent = await clientsOf.get(version)!.produce(place.namesrv, ...batches);
      return texts.map((_, batch) => sent.filter((line) => line.batch === batch));
    };

    const firsts = new Map<string, SentLine[]>();
    for (const version of clientVersions) {
      const [first, again] = await send(version, "single", "sync", "a", "b");
      firsts.set(version, first!);
      expect(first!.length).toBe(count);
      expect(first!.every(({ status }) => status === "SEND_OK")).toBe(true);
      expect(told(again!)).toEqual(told(first!));
      const [batch, batchAgain] = await send(version, "batch", "batch", "c", "d");
      expect(told(batchAgain!)).toEqual(told(batch!));
      expect(await bodiesIn(client, named("Once", version))).toEqual(expected("a", "c"));
    }

    await place.kill();
    await place.open("wasmq");
    client = await connect();
    for (const version of clientVersions) {
      const [again] = await send(version, "single", "sync", "e");
      expect(told(again!)).toEqual(told(firsts.get(version)!));
      expect(await bodiesIn(client, named("Once", version))).toEqual(expected("a", "c"));
    }

    // An Apache broker keeps the attributes that it does not know, and stores all.
    await place.stop();
    await place.open("Apache");
    client = await connect();
    for (const version of clientVersions) {
      const topic = named("Once", version);
      expect(json(succeeded(await client.request(351, { topic })))).toMatchObject({ attributes });
      await send(version, "apache", "sync", "f", "g");
      await expect.poll(() => bodiesIn(client, topic), { timeout: 60_000 }).toEqual(expected("a", "c", "f", "g"));
    }
    await place.stop();
    await place.open("wasmq");
    client = await connect();
    for (const version of clientVersions) {
      const topic = named("Once", version);
      expect(json(succeeded(await client.request(351, { topic })))).toMatchObject({ attributes });
      const [single, apache] = [await send(version, "single", "sync", "h"), await send(version, "apache", "sync", "i")];
      expect(told(single[0]!)).toEqual(told(firsts.get(version)!));
      expect(apache[0]!.length).toBe(count);
      expect(await bodiesIn(client, topic)).toEqual(expected("a", "c", "f", "g"));
    }
  });
});
