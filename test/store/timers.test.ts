/** Timer messages on a virtual clock: the wheel, its files beside a naive twin's and beside Apache's, crashes at any moment. */
import { afterEach, describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { batchAckTag } from "../../src/broker/pop/check-point.ts";
import type { BrokerRules } from "../../src/broker/settings.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { type RunningBroker, startBroker } from "../../src/wasmq.ts";
import { goldenFile, goldenPaths, putGolden } from "../golden/golden.ts";
import { CrashingStorage } from "../lib/crashing-storage.ts";
import { InProcessClient } from "../lib/in-process-client.ts";
import { copyOf } from "../lib/memory-broker.ts";
import { pollingTimeout, pop, poppedOf } from "../lib/popping.ts";
import { messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { VirtualTime } from "../lib/virtual-time.ts";
import { TimerModel } from "../model/timer.ts";
import { Random } from "../simulator/random.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const noon = Date.UTC(2026, 2, 1, 12);
/** 63 units a file. */
const fileBytes = 3_328;

class Host {
  readonly time: VirtualTime;
  storage: MemoryLogStorage;
  readonly logged: string[] = [];
  client!: RemotingClient;
  /** Bytes of a CommitLog file. */
  logFileBytes = 1024 * 1024;
  readonly #rules: Partial<BrokerRules>;
  #running: RunningBroker | undefined;

  constructor(rules: Partial<BrokerRules>, nowMs: number) {
    this.#rules = { mappedFileSizeTimerLog: fileBytes, recallMessageEnable: true, ...rules };
    this.time = new VirtualTime(nowMs);
    this.storage = new MemoryLogStorage(undefined, () => this.time.nowMs);
  }

  async start(): Promise<void> {
    const { clock, scheduler } = this.time;
    this.#running = await startBroker(
      {
        ...{ storage: this.storage, clock, scheduler, entropy: { random: () => 0.5 } },
        telemetry: {
          log: (level, event, fields) => void this.logged.push(`${level}: ${event} ${JSON.stringify(fields ?? {})}`),
        },
        coreModule: await loadCoreModule(),
      },
      {
        ...{ brokerName: "broker-a", clusterName: "DefaultCluster", rules: this.#rules },
        storeHost: { address: "127.0.0.1", port: 10911 },
        brokerAddress: () => "127.0.0.1:10911",
        store: { mappedFileSizeCommitLog: this.logFileBytes, maxHashSlotNum: 100, maxIndexNum: 400 },
      },
    );
    this.client = new InProcessClient(this.#running);
  }

  /** The broker is left as a kill -9 would; what it does afterwards nobody sees. */
  async kill(): Promise<void> {
    const left = copyOf(this.storage);
    await this.stop();
    this.storage = new MemoryLogStorage(left.files, () => this.time.nowMs);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  /** All of a topic's first queue. */
  async all(topic = "T"): Promise<PulledMessage[]> {
    const found: PulledMessage[] = [];
    for (;;) {
      const messages = messagesOf(await this.client.pull("G", topic, 0, found.length, { subscription: "*" }));
      if (messages.length === 0) return found;
      found.push(...messages);
    }
  }

  send(body: string, properties: Record<string, string>) {
    return this.client.send("T", body, { properties });
  }

  file(name: string): Uint8Array {
    const size = this.storage.list("").find((stat) => stat.name === name)?.sizeBytes ?? 0;
    const bytes = new Uint8Array(size);
    this.storage.readNow(name, 0, bytes);
    return bytes;
  }

  get timerLog(): { name: string; bytes: Uint8Array }[] {
    return this.storage.list("timerlog").map(({ name }) => ({ name, bytes: this.file(name) }));
  }

  /** `config/timercheck`, field by field. */
  get check(): number[] {
    const view = new DataView(this.file("config/timercheck").buffer);
    return [0, 8, 16, 24].map((at) => Number(view.getBigInt64(at)));
  }
}

const hosts: Host[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.stop().catch(() => {});
});

async function started(rules: Partial<BrokerRules> = {}, nowMs = noon): Promise<Host> {
  const host = new Host(rules, nowMs);
  hosts.push(host);
  await host.start();
  return host;
}

const slotsOf = (wheel: Uint8Array): Map<number, number[]> => {
  const found = new Map<number, number[]>();
  const view = new DataView(wheel.buffer);
  for (let slot = 0; slot < wheel.length / 32; slot++) {
    if (view.getBigInt64(slot * 32) !== 0n) found.set(slot, [...wheel.subarray(slot * 32, slot * 32 + 32)]);
  }
  return found;
};

describe("when a message comes", () => {
  test.each([
    ["in the middle of a second", 10_500, 11_000],
    ["at a second", 11_000, 11_000],
    ["a millisecond after a second", 11_001, 12_000],
  ])("a time %s is over at the end of that second", async (_, afterMs, comesAfterMs) => {
    const host = await started();
    await host.send("m", { TIMER_DELIVER_MS: String(noon + afterMs) });
    await host.time.pass(comesAfterMs - 1);
    expect(await host.all()).toEqual([]);
    await host.time.pass(1);
    expect(await host.all()).toMatchObject([{ body: "m", storeTimestamp: noon + comesAfterMs }]);
  });

  test("while it waits nothing else is due: the host sleeps until then", async () => {
    const host = await started({}, noon + 250);
    await host.send("m", { TIMER_DELAY_SEC: "7200" });
    // By then all is written down that is written down by time.
    await host.time.pass(2 * 60_000);
    expect(host.time.wakeAtMs).toBe(noon + 2 * hourMs + 1_000);
    await host.time.pass(2 * hourMs);
    expect(await host.all()).toHaveLength(1);
    await host.time.pass(5 * 60_000);
    expect(host.time.wakeAtMs).toBeGreaterThan(noon + dayMs);
  });

  test("beyond the window a message goes round, and comes in time", async () => {
    const host = await started({ timerRollWindowSlot: 10 });
    for (const seconds of [9, 10, 11, 14, 100]) await host.send(`${seconds}`, { TIMER_DELAY_SEC: `${seconds}` });
    const came: [string, number, string | undefined][] = [];
    await host.time.pass(101_000);
    for (const { body, storeTimestamp, properties } of await host.all()) {
      came.push([body, storeTimestamp - noon, properties["TIMER_ROLL_TIMES"]]);
    }
    expect(came.slice(0, 4)).toEqual([
      ["9", 9_000, undefined],
      ["10", 10_000, undefined],
      ["11", 11_000, "1"],
      ["14", 14_000, expect.anything()],
    ]);
    expect(came[4]).toEqual(["100", 100_000, expect.stringMatching(/^\d\d?$/)]);
    expect(host.logged.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  test("a wait of two months is no shorter for being more than 31 bits of milliseconds", async () => {
    const host = await started({ timerMaxDelaySec: 100 * 24 * 3_600 });
    await host.send("m", { TIMER_DELAY_SEC: String(60 * 24 * 3_600) });
    expect((await host.client.trySend("T", "m", { properties: { TIMER_DELAY_SEC: "8640001" } })).remark).toMatch(
      /timerMaxDelaySec: 8640000/,
    );
    await host.time.pass(60 * dayMs - 1);
    expect(await host.all()).toEqual([]);
    await host.time.pass(1);
    expect(await host.all()).toMatchObject([{ body: "m" }]);
  });

  test("a clock that was set back holds nothing up that is due by it, and loses nothing over a restart", async () => {
    const host = await started();
    await host.send("before", { TIMER_DELAY_SEC: "100" });
    await host.time.pass(200_000);
    expect(await host.all()).toHaveLength(1);
    await host.kill();
    const earlier = new Host({}, noon + 10_000);
    hosts.push(earlier);
    earlier.storage = new MemoryLogStorage(copyOf(host.storage).files, () => earlier.time.nowMs);
    await earlier.start();
    await earlier.send("after", { TIMER_DELAY_SEC: "20" });
    await earlier.time.pass(5_000);
    await earlier.kill();
    await earlier.start();
    await earlier.time.pass(100_000);
    expect((await earlier.all()).map(({ body }) => body)).toContain("after");
  });
});

test("a message that is taken back does not come, though it goes round, and the host slept until it was due", async () => {
  const host = await started({ timerRollWindowSlot: 20 });
  const { fields } = await host.send("recalled", { TIMER_DELAY_SEC: "30" });
  await host.send("kept", { TIMER_DELAY_SEC: "30" });
  await host.time.pass(12_000);
  succeeded(await host.client.request(370, { producerGroup: "PG", topic: "T", recallHandle: fields["recallHandle"] }));
  await host.time.sleep(60_000);
  expect((await host.all()).map(({ body }) => body)).toEqual(["kept"]);
});

describe("what is overdue when a broker starts that was killed", () => {
  test("comes in the order of its times, on the wheel or not yet", async () => {
    const host = await started();
    await host.send("sooner", { TIMER_DELAY_SEC: "20" });
    await host.time.pass(5_000);
    await host.send("later", { TIMER_DELAY_SEC: "20" });
    await host.kill();
    await host.time.sleep(60_000);
    await host.start();
    await host.time.pass(1_000);
    expect((await host.all()).map(({ body }) => body)).toEqual(["sooner", "later"]);
  });

  test("brings no popped message again that was acknowledged", async () => {
    const host = await started();
    const take = async () => {
      const answer = await pop(host.client, "G", "T", { invisibleMs: 20_000, bornMs: host.time.nowMs });
      return answer.code === pollingTimeout ? [] : poppedOf("G", succeeded(answer));
    };
    await host.client.send("T", "acknowledged");
    const [popped] = await take();
    await host.time.pass(5_000);
    const { realTopic: topic, queueId, queueOffset: offset, handle: extraInfo } = popped!;
    succeeded(await host.client.request(200_051, { consumerGroup: "G", topic, queueId, offset, extraInfo }));
    await host.kill();
    await host.time.sleep(60_000);
    await host.start();
    await host.time.pass(60_000);
    expect(await take()).toEqual([]);
  });
});

test("a popped message comes again though a crash took the config of the group that popped it", async () => {
  const host = await started();
  const take = async () => {
    const answer = await pop(host.client, "G", "T", { invisibleMs: 20_000, bornMs: host.time.nowMs });
    return answer.code === pollingTimeout ? [] : poppedOf("G", succeeded(answer));
  };
  await host.client.send("T", "forgotten");
  expect((await take()).length).toBe(1);
  await host.time.pass(5_000);
  await host.kill();
  for (const { name } of host.storage.list("config")) {
    if (name.includes("subscriptionGroup")) host.storage.delete(name);
  }
  await host.start();
  await host.time.pass(60_000);
  expect((await take()).map(({ body }) => body)).toEqual(["forgotten"]);
});

test("a file of the timer log that power left without its size is made again", async () => {
  const host = await started();
  await host.client.send("T", "m", { properties: { TIMER_DELAY_MS: "60000" } });
  await host.time.pass(5_000);
  await host.kill();
  const [first] = host.storage.list("timerlog");
  const next = `timerlog/${String(first!.sizeBytes).padStart(20, "0")}`;
  host.storage.create(next, 0);
  await host.start();
  expect(host.storage.list("timerlog").map(({ name }) => name)).toEqual([first!.name]);
  await host.kill();
  host.storage.create("timerlog/strange", 0);
  await expect(host.start()).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  host.storage.delete("timerlog/strange");
  await host.start();
});

test("a popped message is kept once more before it is noted that it came again: power may leave the end of a write alone", async () => {
  const host = await started();
  await host.client.send("T", "popped");
  const taken = await pop(host.client, "G", "T", { invisibleMs: 10_000, bornMs: host.time.nowMs });
  expect(poppedOf("G", succeeded(taken))).toHaveLength(1);
  const written: string[] = [];
  const write = host.storage.write.bind(host.storage);
  host.storage.write = (writes) => {
    const ofLog = writes.filter(({ file }) => file.startsWith("commitlog/"));
    written.push(ofLog.map(({ bytes }) => new TextDecoder("latin1").decode(bytes)).join());
    return write(writes);
  };
  await host.time.pass(30_000);
  const copy = written.findIndex((bytes) => bytes.includes("%RETRY%G_T") && bytes.includes("popped"));
  const word = written.findIndex((bytes) => bytes.includes(`TAGS\u0001${batchAckTag}\u0002`));
  expect(copy).toBeGreaterThan(-1);
  expect(word).toBeGreaterThan(copy);
});

test("a unit of the timer log whose end power took brings nothing early", async () => {
  const host = await started();
  await host.send("m", { TIMER_DELAY_MS: "60000" });
  await host.time.pass(5_000);
  await host.kill();
  // Its size and where the one before it in its slot stands, and nothing else.
  const torn = new Uint8Array(12);
  new DataView(torn.buffer).setInt32(0, 52);
  host.storage.write([{ file: host.storage.list("timerlog")[0]!.name, at: 52, bytes: torn }]);
  await host.start();
  await host.time.pass(50_000);
  expect(await host.all()).toEqual([]);
  await host.time.pass(7_000);
  expect((await host.all()).map(({ body }) => body)).toEqual(["m"]);
});

test("what is popped in order is told once its group is kept: a crash would make it nobody's", async () => {
  const host = await started();
  await host.client.send("T", "m");
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const write = host.storage.write.bind(host.storage);
  host.storage.write = async (writes) => {
    if (writes.some(({ file }) => file.includes("subscriptionGroup"))) await released;
    return write(writes);
  };
  let isAnswered = false;
  const asked = pop(host.client, "G", "T", { order: true, invisibleMs: 20_000, bornMs: host.time.nowMs });
  void asked.then(() => {
    isAnswered = true;
  });
  await host.time.pass(1_000);
  expect(isAnswered).toBe(false);
  release();
  expect(poppedOf("G", succeeded(await asked))).toHaveLength(1);
});

describe("the files", () => {
  test("are those of a naive twin: timer log and wheel, byte by byte", async () => {
    const host = await started();
    const model = new TimerModel({ fileBytes });
    const random = new Random(7);
    for (let i = 0; i < 200; i++) {
      await host.time.pass(random.below(3_000));
      const seconds = 200 + random.below(4) * random.below(70_000);
      const sent = await host.send(`m${i}`, { TIMER_DELAY_SEC: `${seconds}`, UNIQ_KEY: `K${i}` });
      if (random.below(5) === 0) {
        const fields = { producerGroup: "PG", topic: "T", recallHandle: sent.fields["recallHandle"] };
        succeeded(await host.client.request(370, fields));
      }
    }
    const commitLog = new DataView(host.file("commitlog/00000000000000000000").buffer);
    const parked = await host.all("rmq_sys_wheel_timer");
    for (const { physicalOffset, storeTimestamp, properties } of parked) {
      const outMs = Number(properties["TIMER_OUT_MS"]);
      const size = commitLog.getInt32(physicalOffset);
      const deletes = properties["TIMER_DEL_UNIQKEY"] !== undefined;
      model.put({ physicalOffset, size, outMs, topic: "T", deletes }, Math.floor(storeTimestamp / 1_000) * 1_000);
    }
    await host.stop();
    const { length } = model.log;
    expect(length).toBeGreaterThan(3 * fileBytes);
    const log = host.timerLog.flatMap(({ bytes }) => [...bytes]);
    expect(log.slice(0, length)).toEqual(model.log);
    expect(log.slice(length).every((byte) => byte === 0)).toBe(true);
    const [readTimeMs, ...rest] = host.check;
    expect(rest).toEqual([length, parked.length, parked.length]);
    // Slots that were emptied are not written any more.
    for (const [index, { time }] of model.wheel) if (time * 1_000 < readTimeMs!) model.wheel.delete(index);
    expect(model.wheel.size).toBeGreaterThan(50);
    expect(slotsOf(host.file("timerwheel"))).toEqual(model.slots());
  });

  test("of the timer log go when all in them was delivered, but for the last", async () => {
    const host = await started();
    for (let i = 0; i < 130; i++) await host.send(`m${i}`, { TIMER_DELAY_SEC: i < 100 ? "10" : "1000" });
    await host.time.pass(5_000);
    expect(host.timerLog.map(({ name }) => Number(name.slice(-20)))).toEqual([0, fileBytes, 2 * fileBytes]);
    await host.time.pass(20_000);
    expect(host.timerLog.map(({ name }) => Number(name.slice(-20)))).toEqual([fileBytes, 2 * fileBytes]);
    await host.kill();
    await host.start();
    await host.time.pass(1_000_000);
    expect((await host.all()).map(({ body }) => body)).toEqual(Array.from({ length: 130 }, (_, i) => `m${i}`));
    expect(host.timerLog.map(({ name }) => Number(name.slice(-20)))).toEqual([2 * fileBytes]);
  });

  test("a file that is none of the timer log's is refused", async () => {
    const host = await started();
    await host.stop();
    host.storage.create("timerlog/notes.txt", 5);
    await expect(host.start()).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  });

  test("say how many wait for which topic", async () => {
    const host = await started();
    await host.send("m", { TIMER_DELAY_SEC: "10" });
    await host.send("m", { TIMER_DELAY_SEC: "30" });
    await host.time.pass(20_000);
    await host.stop();
    const { timingCount } = JSON.parse(new TextDecoder().decode(host.file("config/timermetrics")));
    expect(timingCount).toEqual({ T: { count: 1, timeStamp: expect.any(Number) } });
  });
});

describe("a store that Apache wrote, with timer messages that wait", () => {
  /** Where its clock stood. */
  const stoodAt = Number(new DataView(goldenFile("store_timer/config/timercheck").buffer).getBigInt64(0));

  async function opened(atMs: number): Promise<Host> {
    const host = new Host({}, atMs);
    hosts.push(host);
    await putGolden(host.storage, "store_timer");
    await host.start();
    await host.client.send("TopicA", "other", { queueId: 1 });
    return host;
  }

  test("each comes at its time, one that was taken off does not, and one goes round", async () => {
    const host = await opened(stoodAt + 1_000);
    const parked = await host.all("rmq_sys_wheel_timer");
    const [t1, , t3] = parked.map(({ properties }) => Number(properties["TIMER_OUT_MS"]));
    await host.time.pass(t1! + 1_000 - host.time.nowMs - 1);
    expect(await host.all("TopicA")).toEqual([]);
    await host.time.pass(1);
    expect((await host.all("TopicA")).map(({ body }) => body)).toEqual(["t1"]);
    await host.time.pass(t3! + 1_000 - host.time.nowMs - 1);
    expect(await host.all("TopicA")).toHaveLength(1);
    await host.time.pass(1);
    expect((await host.all("TopicA")).map(({ body }) => body)).toEqual(["t1", "t3"]);
    expect((await host.all("TopicA"))[1]!.properties["TIMER_ROLL_TIMES"]).toBe("1");
  });

  test("opened and stopped before anything is due, its log and its wheel are as they were", async () => {
    const host = await opened(stoodAt + 1_000);
    await host.time.pass(60_000);
    await host.stop();
    expect(host.timerLog.map(({ bytes }) => bytes)).toEqual(goldenPaths("store_timer", "timerlog").map(goldenFile));
    expect(slotsOf(host.file("timerwheel"))).toEqual(slotsOf(goldenFile("store_timer/timerwheel")));
  });

  test("opened long after, all of it comes at once", async () => {
    const host = await opened(stoodAt + 30 * dayMs);
    await host.time.pass(1);
    expect((await host.all("TopicA")).map(({ body }) => body)).toEqual(["t1", "t3"]);
  });
});

describe("killed at any moment", () => {
  const seeds = Array.from({ length: 12 }, (_, seed) => seed);

  test.each(seeds)("seed %i: none is lost, none is early, and few come twice", async (seed) => {
    const random = new Random(seed);
    const host = await started({ timerRollWindowSlot: 30 });
    /** By body: when it is to come, and whether it was recalled in time. */
    const sent = new Map<string, { dueMs: number; recalled: boolean }>();
    /** Bodies that a kill may have made come once more: they moved, out of the wheel or round it, within a second before. */
    const twice = new Set<string>();
    const moved = async (sinceMs: number) => {
      const messages = [...(await host.all()), ...(await host.all("rmq_sys_wheel_timer"))];
      return messages.filter(({ storeTimestamp }) => storeTimestamp >= sinceMs).map(({ body }) => body);
    };
    for (let step = 0; step < 120; step++) {
      const what = random.below(12);
      if (what === 0) {
        // What is under way has ended, so that it is known what there is.
        for (let before = -1, now = 0; before !== now; ) {
          await host.time.pass(0);
          before = now;
          now = (await moved(0)).length;
        }
        for (const body of await moved(host.time.nowMs - 1_000)) twice.add(body);
        await host.kill();
        if (random.below(2) === 0) await host.time.pass(random.below(20_000));
        await host.start();
      } else if (what === 1) {
        await host.stop();
        await host.start();
      } else if (what < 8) {
        const body = `m${step}`;
        const delayMs = 1 + random.below(90_000);
        const { fields } = await host.send(body, { TIMER_DELAY_MS: `${delayMs}`, UNIQ_KEY: body });
        sent.set(body, { dueMs: host.time.nowMs + delayMs, recalled: false });
        if (fields["recallHandle"] !== undefined && random.below(6) === 0) {
          const { recallHandle } = fields;
          const answer = await host.client.request(370, { producerGroup: "PG", topic: "T", recallHandle });
          if (answer.code === 0) sent.get(body)!.recalled = true;
        }
      } else {
        await host.time.pass(random.below(15_000));
      }
    }
    await host.time.pass(200_000);
    const came = new Map<string, number>();
    for (const { body, storeTimestamp } of await host.all()) {
      came.set(body, (came.get(body) ?? 0) + 1);
      expect(storeTimestamp, body).toBeGreaterThanOrEqual(sent.get(body)!.dueMs);
    }
    for (const [body, { recalled }] of sent) {
      if (recalled) expect(came.get(body) ?? 0, body).toBe(0);
      else expect(came.get(body), body).toBeGreaterThanOrEqual(1);
      if (!twice.has(body)) expect(came.get(body) ?? 1, body).toBe(1);
    }
    expect(host.logged.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  test("a crash between any two steps, or a loss of power there, loses none and makes none early", async () => {
    const host = await started();
    await host.stop();
    const crashing = new CrashingStorage(host.storage);
    const { clock, scheduler } = host.time;
    const on = async (storage: LogStorage) =>
      startBroker(
        {
          ...{ storage, clock, scheduler, entropy: { random: () => 0.5 }, telemetry: silentTelemetry },
          coreModule: await loadCoreModule(),
        },
        {
          ...{ brokerName: "broker-a", clusterName: "DefaultCluster", brokerAddress: () => "127.0.0.1:10911" },
          rules: { mappedFileSizeTimerLog: fileBytes, timerRollWindowSlot: 10, recallMessageEnable: true },
          storeHost: { address: "127.0.0.1", port: 10911 },
          store: {
            mappedFileSizeCommitLog: 64 * 1024,
            maxHashSlotNum: 100,
            maxIndexNum: 400,
            flushDiskType: "SYNC_FLUSH",
          },
        },
      );
    const broker = await on(crashing);
    const client = new InProcessClient(broker);
    const dueMs = new Map<string, number>();
    for (const seconds of [2, 3, 3, 14, 25]) {
      const body = `m${dueMs.size}`;
      await client.send("T", body, { properties: { TIMER_DELAY_SEC: `${seconds}`, UNIQ_KEY: body } });
      dueMs.set(body, host.time.nowMs + seconds * 1_000);
    }
    const recalled = await client.send("T", "recalled", {
      properties: { TIMER_DELAY_SEC: "14", UNIQ_KEY: "recalled" },
    });
    const fields = { producerGroup: "PG", topic: "T", recallHandle: recalled.fields["recallHandle"] };
    succeeded(await client.request(370, fields));
    // All is acknowledged; from here on comes the wheel's part.
    crashing.begin();
    await host.time.pass(18_000);
    // One in three, which the steps between syncs do not go by.
    const states = [...crashing.afterCrashes()].filter((_, index) => index % 3 === 0);
    await broker.stop();
    let crashes = 0;
    for (const [what, storage] of states) {
      crashes++;
      const after = new Host({ timerRollWindowSlot: 10 }, host.time.nowMs);
      after.storage = storage;
      after.logFileBytes = 64 * 1024;
      await after.start();
      await after.time.pass(30_000);
      const came = await after.all();
      for (const [body, due] of dueMs) {
        const times = came.filter((message) => message.body === body);
        expect(times.length, `${what}: ${body}`).toBeGreaterThanOrEqual(1);
        expect(times.length, `${what}: ${body}`).toBeLessThanOrEqual(2);
        for (const { storeTimestamp } of times) expect(storeTimestamp, `${what}: ${body}`).toBeGreaterThanOrEqual(due);
      }
      expect(
        came.map(({ body }) => body),
        what,
      ).not.toContain("recalled");
      await after.kill();
    }
    expect(crashes).toBeGreaterThan(100);
  });

  test("what stands behind the last thing that was written down is not believed", async () => {
    const host = await started();
    for (let i = 0; i < 5; i++) await host.send(`m${i}`, { TIMER_DELAY_SEC: "100" });
    await host.time.pass(5_000);
    await host.kill();
    const [, , queueOffset] = host.check;
    expect(queueOffset).toBe(5);
    // A unit that leads nowhere, and bytes that are none.
    const name = host.timerLog[0]!.name;
    const torn = host.timerLog[0]!.bytes.slice(0, 52);
    torn[33] = 0x7f;
    host.storage.write([{ file: name, at: 5 * 52, bytes: torn }]);
    host.storage.write([{ file: name, at: 6 * 52, bytes: new Uint8Array(200).fill(0x5a) }]);
    await host.start();
    await host.send("later", { TIMER_DELAY_SEC: "200" });
    await host.time.pass(300_000);
    expect((await host.all()).map(({ body }) => body)).toEqual(["m0", "m1", "m2", "m3", "m4", "later"]);
    await host.stop();
    expect(slotsOf(host.file("timerwheel")).size).toBe(0);
  });

  test("without timercheck nothing is lost", async () => {
    const host = await started();
    await host.send("m", { TIMER_DELAY_SEC: "100" });
    await host.time.pass(5_000);
    await host.kill();
    host.storage.delete("config/timercheck");
    await host.start();
    await host.time.pass(200_000);
    expect((await host.all()).map(({ body }) => body)).toContain("m");
  });
});
