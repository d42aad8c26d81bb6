/** One store that Apache RocketMQ 5.5.0 and wasmq have in turns, some of which end by SIGKILL under load. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseJavaJson } from "../../src/store/java-json.ts";
import { RemotingClient } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import { type Deliveries, ExchangeClient } from "./exchange-client.ts";
import { type AcceptedLine, JavaClients } from "./java-client.ts";
import { OnePlace, type Owner } from "./one-place.ts";
import { clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 600_000;

type End = "stopped" | "killed";
type Turn = readonly [owner: Owner, end: End];

/** The first two are the control: what Apache makes of its own store after SIGKILL. */
const tenTurns: readonly Turn[] = [
  ["Apache", "killed"],
  ["Apache", "stopped"],
  ["wasmq", "killed"],
  ["Apache", "killed"],
  ["wasmq", "stopped"],
  ["Apache", "killed"],
  ["wasmq", "killed"],
  ["Apache", "stopped"],
  ["wasmq", "killed"],
  ["Apache", "stopped"],
  ["wasmq", "stopped"],
];
/** The ConsumeQueues go on from file to file. The CommitLog has one file, so that Apache indexes all of it anew after a crash. */
const smallQueueFiles = { mappedFileSizeConsumeQueue: 100 * 20 };

const fourTurns: readonly Turn[] = [
  ["wasmq", "killed"],
  ["Apache", "killed"],
  ["wasmq", "killed"],
  ["Apache", "stopped"],
];
/** The CommitLog goes on from file to file, too: recovery begins somewhere in the middle. */
const smallFiles = { ...smallQueueFiles, mappedFileSizeCommitLog: 1024 * 1024 };

const ackedUnderLoadMin = 1_500;
const loadThreads = 4;
/** Which of a turn's messages are in their queue when they are acknowledged. */
const direct = new Set(["plain", "compressed", "tagged", "keyed", "batch"]);

describe.skipIf((await missingTool()) !== undefined)("one store, two brokers", () => {
  const clients: JavaClients[] = [];

  beforeAll(async () => {
    // The queues of a retry topic are a client's only from its next rebalance on.
    for (const version of clientVersions) {
      clients.push(await JavaClients.of(version, "-Drocketmq.client.rebalance.waitInterval=1000"));
    }
  }, setupMs);
  afterAll(async () => {
    for (const one of clients) await one.close();
  }, setupMs);

  test("ten turns, small ConsumeQueue files", { timeout: testMs }, () => takeTurns(tenTurns, smallQueueFiles));
  test("four turns, small CommitLog files too", { timeout: testMs }, () => takeTurns(fourTurns, smallFiles));

  async function takeTurns(turns: readonly Turn[], conf: Readonly<Record<string, number>>): Promise<void> {
    const place = await OnePlace.make(conf);
    try {
      const both = clients.map((one) => new ExchangeClient(one, place.namesrv));
      const exchange = new Exchange(place, both as [ExchangeClient, ExchangeClient], turns.length, conf !== smallFiles);
      for (const [owner, end] of turns) await exchange.turn(owner, end);
      for (const client of both) await client.close();
    } finally {
      await place.close();
    }
  }
});

/** A consumer group that goes on from turn to turn, and where it may do so: queues and their offsets. */
interface Group {
  readonly topic: string;
  readonly name: string;
  /** What is known to be kept, and what was given to its consumers. */
  floor: ReadonlyMap<number, number>;
  ceiling: ReadonlyMap<number, number>;
}

interface TurnTaken {
  readonly owner: Owner;
  readonly end: End;
  readonly fromMs: number;
  toMs: number;
}

/** What was done to the store so far, and with that what has to be in it. */
class Exchange {
  readonly #place: OnePlace;
  readonly #clients: readonly [ExchangeClient, ExchangeClient];
  readonly #turnsMax: number;
  readonly #isOneFile: boolean;
  readonly #turns: TurnTaken[] = [];
  readonly #main: Group = { topic: "Turns", name: "Main", floor: new Map(), ceiling: new Map() };
  readonly #load: Group = { topic: "Load", name: "MainLoad", floor: new Map(), ceiling: new Map() };
  /** One is made in each turn. */
  readonly #others: Group[] = [];
  /** Names of messages acknowledged under load, and of those that the group MainLoad was given. */
  readonly #acked: string[] = [];
  readonly #loadTaken = new Set<string>();
  /** Names of messages that came again by the retry topic. */
  readonly #cameAgain = new Set<string>();
  /** What topics.json and subscriptionGroup.json have said of ours. */
  readonly #configs = new Map<string, Readonly<Record<string, unknown>>>();

  #isSpecialMade = false;
  /** Messages of this turn and later ones are found by key. */
  #keyedFrom = 0;

  /** `isOneFile`: all of the CommitLog stands in one file. */
  constructor(
    place: OnePlace,
    clients: readonly [ExchangeClient, ExchangeClient],
    turnsMax: number,
    isOneFile: boolean,
  ) {
    this.#place = place;
    this.#clients = clients;
    this.#turnsMax = turnsMax;
    this.#isOneFile = isOneFile;
  }

  async turn(owner: Owner, end: End): Promise<void> {
    const number = this.#turns.length;
    const isLast = number === this.#turnsMax - 1;
    // Who sent what the other one asks for changes with each turn.
    const client = this.#clients[number % 2]!;
    const other = this.#clients[(number + 1) % 2]!;
    const laps = new Laps();
    const taken: TurnTaken = { owner, end, fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY };
    this.#turns.push(taken);
    await this.#place.open(owner);
    laps.lap("open");

    // Apache throws an IndexFile away that was in use at a crash, and makes anew what it goes through of the CommitLog.
    if (owner === "Apache" && this.#turns.at(-2)?.end === "killed" && !this.#isOneFile) this.#keyedFrom = number;
    if (owner === "Apache" && !this.#isSpecialMade) await this.#makeSpecial();
    const starts = new Map<string, ReadonlyMap<number, number>>();
    if (number > 0) {
      for (const group of [this.#main, this.#load, ...this.#others]) {
        starts.set(group.name, await this.#expectCarriedOver(client, group));
      }
      if (this.#isSpecialMade) expect(await client.positions("Special", "Main"), "queues of its own").toHaveLength(3);
    }
    laps.lap("positions");

    await this.#sendAll(client, owner, number, isLast);
    laps.lap("send");
    const fresh: Group = { topic: "Turns", name: `New-${number}`, floor: new Map(), ceiling: new Map() };
    const consuming = [this.#main, this.#load, fresh];
    const nameOf = (group: Group): string => `${group.name}-${number}`;
    await Promise.all([
      client.consume(nameOf(this.#main), "Turns", "Main", "retried"),
      other.consume(nameOf(this.#load), "Load", "MainLoad"),
      other.consume(nameOf(fresh), "Turns", fresh.name),
    ]);
    const consumerOf = (group: Group): ExchangeClient => (group === this.#main ? client : other);
    const given = (group: Group): Deliveries => consumerOf(group).deliveries(nameOf(group));
    await Promise.all(
      consuming.map((group) => this.#untilTaken(consumerOf(group), nameOf(group), group, starts.get(group.name))),
    );
    if (owner === "Apache") {
      await client.until(
        () => given(this.#main).names.includes(`committed-${number}-1`),
        () => "the messages of committed transactions",
      );
    }
    laps.lap("consume");

    for (const name of given(this.#load).names) this.#loadTaken.add(name);
    this.#expectAllThere(given(fresh));
    await this.#expectFound(other, number);
    laps.lap("find");
    if (number === 3) for (const one of this.#clients) await one.decide();
    if (isLast) await this.#expectEnd(client, other, nameOf(this.#main), nameOf(fresh));
    if (number >= this.#turnsMax - 2) await this.#expectLoad(client, number);
    laps.lap("end");

    if (end === "stopped") {
      for (const group of consuming) {
        group.floor = await consumerOf(group).leave(nameOf(group));
        group.ceiling = endsOf(given(group));
      }
      laps.lap("leave");
      // Nobody takes them in this turn.
      if (!isLast) {
        await other.send("plain", "Turns", `plain-${number}-waiting-`, 4);
        await other.send("delayed-2", "Turns", `delayed-${number}-5s-`, 2);
      }
      await this.#place.stop();
      laps.lap("stop");
    } else {
      await other.send("delayed-2", "Turns", `delayed-${number}-5s-`, 2);
      await other.leave(nameOf(fresh));
      const prefix = `load-${number}-`;
      const acked = await client.load("Load", prefix, loadThreads, async (before) => {
        await client.untilAcked(before + ackedUnderLoadMin);
        for (const group of consuming) group.floor = await this.#persisted(group);
        await this.#place.kill();
      });
      laps.lap("load and kill");
      this.#acked.push(...acked);
      for (const group of [this.#main, this.#load]) await consumerOf(group).quit(nameOf(group));
      for (const group of consuming) group.ceiling = endsOf(given(group));
      laps.lap("quit");
    }
    taken.toMs = Date.now();
    for (const name of given(this.#load).names) this.#loadTaken.add(name);
    for (const { name } of given(this.#main).again) this.#cameAgain.add(name);
    this.#others.push(fresh);
    await this.#expectConfigs();
    console.log(`turn ${number}, ${owner}, ${end}: ${laps}`);
  }

  /** A topic and a group with settings of their own, as mqadmin makes them. */
  async #makeSpecial(): Promise<void> {
    const admin = await RemotingClient.open((events) => openSocket(this.#place.brokerPort, events));
    const topic = {
      ...{ topic: "Special", defaultTopic: "TBW102", readQueueNums: "3", writeQueueNums: "3", perm: "6" },
      ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: "0", order: "true" },
    };
    const group = { groupName: "SpecialGroup", retryMaxTimes: 3, consumeBroadcastEnable: false, retryQueueNums: 2 };
    expect((await admin.request(17, topic)).code).toBe(0);
    expect((await admin.request(200, {}, group)).code).toBe(0);
    admin.close();
    this.#isSpecialMade = true;
  }

  async #sendAll(client: ExchangeClient, owner: Owner, number: number, isLast: boolean): Promise<void> {
    const sends: (readonly [kind: string, prefix: string, count: number])[] = [
      ["plain", `plain-${number}-`, 6],
      ["compressed", `compressed-${number}-`, 2],
      ["tagged", `tagged-${number}-`, 4],
      ["keyed", `keyed-${number}-`, 3],
      ["batch", `batch-${number}-`, 5],
    ];
    if (!isLast) {
      sends.push(["plain", `retried-${number}-`, 2]);
      sends.push(["delayed-1", `delayed-${number}-1s-`, 2], ["delayed-3", `delayed-${number}-10s-`, 2]);
    }
    if (number === 1) sends.push(["undecided", `undecided-${number}-`, 1]);
    if (owner === "Apache") {
      sends.push(["committed", `committed-${number}-`, 2], ["rolled-back", `rolled-back-${number}-`, 1]);
    }
    await Promise.all([
      ...sends.map(([kind, prefix, count]) => client.send(kind, "Turns", prefix, count)),
      ...(this.#isSpecialMade ? [client.send("plain", "Special", `plain-${number}-special-`, 1)] : []),
      client.send("plain", "Load", `first-${number}-`, 4),
    ]);
  }

  /** Where the group goes on, by queue. */
  async #expectCarriedOver(client: ExchangeClient, group: Group): Promise<ReadonlyMap<number, number>> {
    const starts = new Map<number, number>();
    const positions = await client.positions(group.topic, group.name);
    expect(positions.map(({ queueId }) => queueId)).toEqual([0, 1, 2, 3]);
    for (const { queueId, min, committed } of positions) {
      const what = `${group.name}, queue ${queueId} of ${group.topic}`;
      // A group without an offset begins at the start.
      const offset = Math.max(0, committed);
      expect(min, what).toBe(0);
      expect(offset, what).toBeGreaterThanOrEqual(group.floor.get(queueId) ?? 0);
      expect(offset, what).toBeLessThanOrEqual(group.ceiling.get(queueId) ?? 0);
      starts.set(queueId, offset);
    }
    group.floor = starts;
    group.ceiling = starts;
    return starts;
  }

  /** All that the topic holds from where the group goes on, and nothing before. */
  async #untilTaken(
    client: ExchangeClient,
    consumer: string,
    group: Group,
    starts: ReadonlyMap<number, number> = new Map(),
  ): Promise<void> {
    const ends = await client.positions(group.topic, group.name);
    const missing = (): string[] =>
      ends.flatMap(({ queueId, max }) => {
        const offsets = client.deliveries(consumer).missing(queueId, starts.get(queueId) ?? 0, max);
        return offsets.length === 0 ? [] : `queue ${queueId}: ${offsets.slice(0, 10)}, ${offsets.length} in all`;
      });
    const count = ends.reduce((sum, { queueId, max }) => sum + max - (starts.get(queueId) ?? 0), 0);
    await client.until(
      () => client.deliveries(consumer).lines.length >= count && missing().length === 0,
      () => `${consumer} was not given all of ${group.topic}: ${missing()}`,
    );
    for (const { queueId } of ends) {
      const first = client.deliveries(consumer).range(queueId)?.first ?? Number.POSITIVE_INFINITY;
      expect(first, `${consumer}, queue ${queueId}`).toBeGreaterThanOrEqual(starts.get(queueId) ?? 0);
    }
  }

  /** Each message that was in its queue when it was acknowledged is where it was, once, and as it was. */
  #expectAllThere(deliveries: Deliveries): void {
    const there = new Map(deliveries.lines.map((line) => [line.name, line]));
    const direct = this.#accepted();
    const differing = direct.filter(({ name, msgId, queueId, queueOffset, tags, keys, bodySha256 }) => {
      const found = there.get(name);
      const same = found?.msgId === msgId && found.tags === tags && found.keys === keys;
      return !same || found.bodySha256 !== bodySha256 || found.queueId !== queueId || found.queueOffset !== queueOffset;
    });
    expect(differing.slice(0, 10), `${differing.length} of ${direct.length} are not what they were`).toEqual([]);
    const known = new Set(direct.map(({ name }) => name));
    expect(deliveries.lines.filter(({ name }) => known.has(name))).toHaveLength(known.size);
  }

  /** By id and by key, whoever wrote them: of the last turn all, of each turn before it one of a kind. */
  async #expectFound(client: ExchangeClient, number: number): Promise<void> {
    const asked = this.#accepted().filter(
      ({ name }) => Number(name.split("-")[1]) >= number - 1 || name.endsWith("-0"),
    );
    const viewed = await client.view(
      "Turns",
      asked.map(({ offsetMsgId }) => offsetMsgId),
    );
    expect(viewed.map(placed)).toEqual(asked.map(placed));

    const expected = new Map<string, string[]>();
    for (let turn = this.#keyedFrom; turn <= number; turn++) {
      const prefix = `keyed-${turn}-`;
      expected.set(`${prefix}1`, [`${prefix}1`]);
      expected.set(`${prefix}all`, [`${prefix}0`, `${prefix}1`, `${prefix}2`]);
    }
    const found = new Map([...expected.keys()].map((key) => [key, [] as string[]]));
    for (const { key, name } of await client.query("Turns", [...expected.keys()])) found.get(key)?.push(name);
    for (const names of found.values()) names.sort();
    expect(found).toEqual(expected);
  }

  /** What was acknowledged in the topic Turns and stands in its queue at once. */
  #accepted(): AcceptedLine[] {
    return this.#clients
      .flatMap(({ accepted }) => accepted)
      .filter(({ kind, topic }) => topic === "Turns" && direct.has(kind));
  }

  /** Delayed, sent back and left undecided: all have come, and twice only where a broker was killed before it had noted it. */
  async #expectEnd(client: ExchangeClient, other: ExchangeClient, main: string, fresh: string): Promise<void> {
    const accepted = this.#clients.flatMap((one) => one.accepted).filter(({ topic }) => topic === "Turns");
    const late = accepted.filter(({ kind }) => !direct.has(kind) && kind !== "rolled-back").map(({ name }) => name);
    const missing = (): string[] => {
      const there = new Set(other.deliveries(fresh).names);
      return late.filter((name) => !there.has(name));
    };
    await other.until(
      () => missing().length === 0,
      () => `never delivered: ${missing()}`,
    );
    const retried = accepted.map(({ name }) => name).filter((name) => name.startsWith("retried"));
    const notAgain = (): string[] => {
      for (const { name } of client.deliveries(main).again) this.#cameAgain.add(name);
      return retried.filter((name) => !this.#cameAgain.has(name));
    };
    await client.until(
      () => notAgain().length === 0,
      () => `never came again: ${notAgain()}`,
    );
    const timesByName = new Map<string, number[]>();
    for (const { name, storeTimestamp } of other.deliveries(fresh).lines) {
      timesByName.set(name, [...(timesByName.get(name) ?? []), storeTimestamp]);
    }
    for (const [name, times] of timesByName) {
      expect(name).not.toMatch(/^rolled-back/);
      // Apache commits a transaction twice if it asks again before it has noted the answer, which a busy machine makes it do.
      if (/^(committed|undecided)/.test(name)) continue;
      for (const time of times.sort((a, b) => a - b).slice(0, -1)) {
        const turn = this.#turns.find(({ fromMs, toMs }) => fromMs <= time && time <= toMs);
        expect(turn?.end, `${name} came twice, first in a turn of ${turn?.owner}`).toBe("killed");
      }
    }
  }

  /** All that was acknowledged under load is there, for who was there all the time and for who comes now. */
  async #expectLoad(client: ExchangeClient, number: number): Promise<void> {
    const consumer = `AllLoad-${number}`;
    await client.consume(consumer, "Load", consumer);
    await this.#untilTaken(client, consumer, { topic: "Load", name: consumer, floor: new Map(), ceiling: new Map() });
    for (const there of [new Set(client.deliveries(consumer).names), this.#loadTaken]) {
      const missing = this.#acked.filter((name) => !there.has(name));
      expect(missing.slice(0, 10), `${missing.length} of ${this.#acked.length} acked messages are lost`).toEqual([]);
    }
    await client.leave(consumer);
  }

  /** What the store holds of a group's offsets. */
  async #persisted(group: Group): Promise<ReadonlyMap<number, number>> {
    const { offsetTable } = (await this.#config("consumerOffset.json")) as {
      offsetTable?: Record<string, Record<string, number>>;
    };
    const offsets = Object.entries(offsetTable?.[`${group.topic}@${group.name}`] ?? {});
    return new Map(offsets.map(([queueId, offset]) => [Number(queueId), offset]));
  }

  /** Our topics and groups are there, and as they were. */
  async #expectConfigs(): Promise<void> {
    for (const [file, table] of [
      ["topics.json", "topicConfigTable"],
      ["subscriptionGroup.json", "subscriptionGroupTable"],
    ] as const) {
      const all = ((await this.#config(file)) as Record<string, Record<string, unknown>>)[table]!;
      const ours = Object.fromEntries(
        Object.entries(all).filter(([name]) => /^(%RETRY%)?(Turns|Load|Special|Main|New)/.test(name)),
      );
      expect(ours, file).toMatchObject(this.#configs.get(file) ?? {});
      this.#configs.set(file, ours);
    }
  }

  /** A file of the store's, if it is there: there is a moment at which only the version before is. */
  async #config(name: string): Promise<unknown> {
    const file = path.join(this.#place.store, "config", name);
    for (const one of [file, `${file}.bak`]) {
      try {
        return parseJavaJson(await readFile(one, "utf8"));
      } catch {}
    }
    return {};
  }
}

function placed({
  msgId,
  queueId,
  queueOffset,
  tags,
  keys,
  bodySha256,
}: Pick<AcceptedLine, "msgId" | "queueId" | "queueOffset" | "tags" | "keys" | "bodySha256">): string {
  return [msgId, `${queueId}@${queueOffset}`, tags, keys, bodySha256].join(" ");
}

/** Behind the last message given, by queue. */
function endsOf(deliveries: Deliveries): ReadonlyMap<number, number> {
  return new Map(deliveries.queues.map((queueId) => [queueId, deliveries.range(queueId)!.last + 1]));
}

/** How long each part of something takes. */
class Laps {
  readonly #parts: string[] = [];
  #atMs = performance.now();

  lap(part: string): void {
    const nowMs = performance.now();
    this.#parts.push(`${part} ${((nowMs - this.#atMs) / 1000).toFixed(1)} s`);
    this.#atMs = nowMs;
  }

  toString(): string {
    return this.#parts.join(", ");
  }
}
