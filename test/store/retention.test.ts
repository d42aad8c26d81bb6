import { afterEach, describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { StorageUsage, StorageWrite } from "../../src/ports/log-storage.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../src/wasmq.ts";
import { InProcessClient } from "../lib/in-process-client.ts";
import { copyOf } from "../lib/memory-broker.ts";
import { messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { VirtualTime } from "../lib/virtual-time.ts";

const hourMs = 3_600_000;
const midnight = Date.UTC(2026, 2, 1);
const segmentBytes = 8192;

/** Some 13 messages of `fill` a CommitLog file, and 20 units a ConsumeQueue file. */
const small = { mappedFileSizeCommitLog: segmentBytes, mappedFileSizeConsumeQueue: 400 };

/** A disk whose fullness is what a test says: so many percent, and so many more for each CommitLog file. */
class Disk extends MemoryLogStorage {
  percent: number | undefined;
  percentPerFile = 0;
  isEstimate = false;
  /** Thrown by writes and creates. */
  failure: Error | undefined;
  /** Thrown by writes alone. */
  writeFailure: Error | undefined;
  /** Called after each creation, and each deletion. */
  created: (file: string) => void = () => {};
  deleted: (file: string) => void = () => {};

  override usage(): StorageUsage | undefined {
    if (this.percent === undefined) return undefined;
    const usedBytes = this.percent + this.percentPerFile * this.list("commitlog").length;
    return { path: "/the/disk", usedBytes, totalBytes: 100, isEstimate: this.isEstimate };
  }

  override create(file: string, sizeBytes: number): void {
    if (this.failure !== undefined) throw this.failure;
    super.create(file, sizeBytes);
    this.created(file);
  }

  override write(batch: readonly StorageWrite[]): void {
    const failure = this.failure ?? this.writeFailure;
    if (failure !== undefined) throw failure;
    super.write(batch);
  }

  override delete(file: string): void {
    super.delete(file);
    this.deleted(file);
  }

  /** While it is set, what is read of the CommitLog must be waited for; of a file that is gone then, something else comes. */
  gate: Promise<void> | undefined;

  override readNow(file: string, at: number, into: Uint8Array): number {
    const wait = this.gate !== undefined && file.startsWith("commitlog/");
    return wait ? (undefined as unknown as number) : super.readNow(file, at, into);
  }

  override read(file: string, at: number, into: Uint8Array): number {
    const read = (): number => {
      if (this.files.has(file)) return super.readNow(file, at, into);
      into.fill(0x7f);
      return into.length;
    };
    return this.gate === undefined ? read() : (this.gate.then(read) as unknown as number);
  }
}

class Host {
  readonly time: VirtualTime;
  readonly disk: Disk;
  readonly logged: string[] = [];
  client!: RemotingClient;
  readonly #store: BrokerOptions["store"];
  #running: RunningBroker | undefined;

  constructor(store: BrokerOptions["store"], time = new VirtualTime(midnight), files?: MemoryLogStorage["files"]) {
    this.#store = store;
    this.time = time;
    this.disk = new Disk(files, () => time.nowMs);
  }

  async start(): Promise<void> {
    const { clock, scheduler } = this.time;
    this.#running = await startBroker(
      {
        storage: this.disk,
        clock,
        scheduler,
        entropy: { random: () => 0.5 },
        telemetry: {
          log: (level, event, fields) => void this.logged.push(`${level}: ${event} ${JSON.stringify(fields ?? {})}`),
        },
        coreModule: await loadCoreModule(),
      },
      {
        brokerName: "broker-a",
        clusterName: "DefaultCluster",
        storeHost: { address: "127.0.0.1", port: 10911 },
        brokerAddress: () => "127.0.0.1:10911",
        store: { ...small, ...this.#store },
      },
    );
    this.client = new InProcessClient(this.#running);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  get segments(): number[] {
    return this.disk.list("commitlog").map(({ name }) => Number(name.slice(-20)) / segmentBytes);
  }

  queueFiles(topic: string, queueId: number): number[] {
    return this.disk.list(`consumequeue/${topic}/${queueId}`).map(({ name }) => Number(name.slice(-20)) / 400);
  }

  async range(topic: string, queueId = 0): Promise<[number, number]> {
    const fields = { topic, queueId: String(queueId) };
    const [max, min] = [await this.client.request(30, fields), await this.client.request(31, fields)];
    return [Number(min.fields["offset"]), Number(max.fields["offset"])];
  }
}

const hosts: Host[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.stop().catch(() => {});
});

async function started(
  store: BrokerOptions["store"] = {},
  given: { time?: VirtualTime; files?: MemoryLogStorage["files"] } = {},
): Promise<Host> {
  const host = new Host(store, given.time, given.files);
  hosts.push(host);
  await host.start();
  return host;
}

/** Sends until the log has so many files; the bodies are the queue's offsets. */
async function fill({ client, disk }: Host, files: number, topic = "T"): Promise<number> {
  let count = Number((await client.request(30, { topic, queueId: "0" })).fields["offset"]);
  while (disk.list("commitlog").length < files) {
    await client.send(topic, `${count}`.padEnd(500, "."));
    count++;
  }
  return count;
}

async function all(client: RemotingClient, topic: string, from = 0): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = [];
  for (let offset = from; ; ) {
    const answer = await client.pull("G", topic, 0, offset, { subscription: "*" });
    if (answer.code === 19) return messages;
    expect([0, 20, 21]).toContain(answer.code);
    if (answer.code === 0) messages.push(...messagesOf(answer));
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

const offsets = (messages: readonly PulledMessage[]) => messages.map(({ queueOffset }) => queueOffset);
const fromTo = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe.each([
  ["that sleeps", false],
  ["that watches its disk", true],
])("expiry on a host %s", (_, watchesDisk) => {
  /** Hours are a multiple of it: a look comes when they begin. */
  const cleanResourceIntervalMs = 900_000;
  const looks = { watchesDisk, cleanResourceIntervalMs };

  test("a file goes when its time is over in an hour of deleteWhen, not a millisecond before; the last one never", async () => {
    const host = await started({ fileReservedTimeMs: 10 * hourMs, deleteWhen: [10, 14], ...looks });
    const count = await fill(host, 4);
    const { time } = host;
    await time.passTo(9, 59, 59, 999);
    expect(host.segments).toEqual([0, 1, 2, 3]);
    await time.pass(1);
    expect(host.segments).toEqual([3]);
    const [min, max] = await host.range("T");
    expect(max).toBe(count);
    expect(offsets(await all(host.client, "T"))).toEqual(fromTo(min, count));
    expect((await all(host.client, "T"))[0]!.physicalOffset).toBe(3 * segmentBytes);
    await time.pass(30 * hourMs);
    expect(host.segments).toEqual([3]);
  });

  test("what expires behind that hour waits for the next", async () => {
    const host = await started({ fileReservedTimeMs: 10 * hourMs + 1, deleteWhen: [9, 14], ...looks });
    await fill(host, 3);
    await host.time.passTo(13, 59, 59, 999);
    expect(host.segments).toEqual([0, 1, 2]);
    await host.time.pass(1);
    expect(host.segments).toEqual([2]);
  });

  test("the hours are those of the host's time zone, quarters of an hour and all", async () => {
    const time = new VirtualTime(midnight);
    time.zoneOffsetMs = 5.75 * hourMs;
    const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: [14], ...looks }, { time });
    await fill(host, 3);
    await time.passTo(8, 14, 59, 999);
    expect(host.segments).toEqual([0, 1, 2]);
    await time.pass(1);
    expect(host.segments).toEqual([2]);
  });

  test("files go by their own times", async () => {
    const host = await started({ fileReservedTimeMs: 2 * hourMs, deleteWhen: fromTo(0, 24), ...looks });
    await fill(host, 2);
    await host.time.pass(hourMs);
    await fill(host, 3);
    await host.time.pass(hourMs);
    expect(host.segments).toEqual([1, 2]);
    await host.time.pass(hourMs);
    expect(host.segments).toEqual([2]);
  });

  test("a file that is not expired keeps those behind it", async () => {
    const host = await started({ fileReservedTimeMs: 2 * hourMs, deleteWhen: fromTo(0, 24), ...looks });
    await fill(host, 4);
    host.disk.setModified("commitlog/00000000000000000000", midnight + 5 * hourMs);
    await host.time.pass(7 * hourMs - 1);
    expect(host.segments).toEqual([0, 1, 2, 3]);
    await host.time.pass(1);
    expect(host.segments).toEqual([3]);
  });

  test("deleteFileBatchMax goes at one look, the rest at the next", async () => {
    const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: [1], deleteFileBatchMax: 2, ...looks });
    await fill(host, 6);
    await host.time.pass(hourMs);
    expect(host.segments).toEqual([2, 3, 4, 5]);
    await host.time.pass(cleanResourceIntervalMs);
    expect(host.segments).toEqual([4, 5]);
    await host.time.pass(cleanResourceIntervalMs);
    expect(host.segments).toEqual([5]);
  });

  test("a store that was away while its files expired lets them go when it is there again", async () => {
    const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24), ...looks });
    const count = await fill(host, 4);
    await host.stop();
    await host.time.pass(30 * hourMs);
    await host.start();
    await host.time.pass(cleanResourceIntervalMs);
    expect(host.segments).toEqual([3]);
    expect((await host.range("T"))[1]).toBe(count);
  });
});

test("nothing wakes a host that sleeps while nothing can expire, and then only what does", async () => {
  const intervals = {
    flushIntervalCommitLogMs: Number.POSITIVE_INFINITY,
    flushIntervalConsumeQueueMs: Number.POSITIVE_INFINITY,
    flushConsumeQueueThoroughIntervalMs: Number.POSITIVE_INFINITY,
  };
  const host = await started({ ...intervals, watchesDisk: false });
  await fill(host, 1);
  // Offsets and topics are written.
  await host.time.pass(60_000);
  expect(host.time.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
  const filledAtMs = host.time.nowMs;
  await fill(host, 2);
  await host.time.pass(60_000);
  // 72 hours later it is past midnight: the hour of deleteWhen is at 4.
  expect(host.time.wakeAtMs).toBe(midnight + (72 + 4) * hourMs);
  expect(filledAtMs + 72 * hourMs).toBeLessThan(host.time.wakeAtMs);
  await host.time.pass(80 * hourMs);
  expect(host.segments).toEqual([1]);
  expect(host.time.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
});

test("ConsumeQueues shrink with the log, and keep their offsets when nothing of them is left", async () => {
  const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24) });
  for (let i = 0; i < 30; i++) await host.client.send("Early", "early");
  const count = await fill(host, 12);
  await host.time.pass(60_000);
  expect(host.queueFiles("T", 0).length).toBeGreaterThan(5);
  expect(host.queueFiles("Early", 0)).toEqual([0, 1]);
  await host.time.pass(hourMs);
  const [min] = await host.range("T");
  expect(count - min).toBeLessThan(20);
  expect(host.queueFiles("T", 0)).toEqual(fromTo(Math.floor(min / 20), Math.floor((count - 1) / 20) + 1));
  expect(host.queueFiles("Early", 0)).toEqual([1]);
  expect(await host.range("Early")).toEqual([30, 30]);
  expect((await host.client.send("Early", "late")).fields["queueOffset"]).toBe("30");
  expect(offsets(await all(host.client, "Early"))).toEqual([30]);
  // The same after a clean stop, and after a crash.
  await host.stop();
  const later = await started({}, { time: host.time, files: host.disk.files });
  expect(await later.range("Early")).toEqual([30, 31]);
  const crashed = await started({}, { time: host.time, files: copyOf(later.disk).files });
  expect(await crashed.range("Early")).toEqual([30, 31]);
  expect(offsets(await all(crashed.client, "T"))).toEqual(fromTo(min, count));
});

test("IndexFiles go with the log, and queries find what is left", async () => {
  const store = { fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24), maxHashSlotNum: 10, maxIndexNum: 20 };
  const host = await started(store);
  for (let i = 0; i < 100; i++) {
    await host.client.send("T", ".".repeat(300), { properties: { KEYS: `key${i}` } });
    // Their names are times.
    await host.time.pass(1);
  }
  await host.time.pass(60_000);
  const before = host.disk.list("index").length;
  expect(before).toBeGreaterThan(8);
  const query = async (i: number) => {
    const fields = { topic: "T", key: `key${i}`, maxNum: "32", beginTimestamp: "0", endTimestamp: String(2 ** 50) };
    return (await host.client.request(12, fields)).code;
  };
  expect(await query(0)).toBe(0);
  await host.time.pass(hourMs);
  const [min] = await host.range("T");
  expect(host.disk.list("index").length).toBeLessThan(before / 2);
  expect(await query(0)).toBe(22);
  expect(await query(min - 1)).toBe(22);
  expect(await query(min)).toBe(0);
  expect(await query(99)).toBe(0);
});

test("a consumer behind the minimum is told it, and goes on from there", async () => {
  const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24) });
  const count = await fill(host, 5);
  await host.client.pull("G", "T", 0, 3, { subscription: "*", commit: 3 });
  await host.time.pass(hourMs);
  const [min] = await host.range("T");
  expect(min).toBeGreaterThan(3);
  const answer = await host.client.pull("G", "T", 0, 3, { subscription: "*" });
  expect(answer).toMatchObject({
    code: 21,
    remark: "OFFSET_TOO_SMALL",
    fields: { nextBeginOffset: String(min), minOffset: String(min), maxOffset: String(count) },
  });
  expect(offsets(await all(host.client, "T", min))).toEqual(fromTo(min, count));
  // By id, and by time.
  expect((await host.client.request(33, { offset: "0" })).code).toBe(1);
  const byTime = { topic: "T", queueId: "0", timestamp: "0" };
  expect((await host.client.request(29, byTime)).fields["offset"]).toBe(String(min));
});

test("what is read while its file goes counts as removed, and nothing else comes in its place", async () => {
  const store = { fileReservedTimeMs: hourMs, deleteWhen: [23] };
  const before = await started(store);
  const count = await fill(before, 4);
  await before.stop();
  const far = { logWindowBytes: 4096, logWindows: 2, inMemoryBytesMax: 0 };
  const host = await started({ ...store, ...far }, { time: before.time, files: before.disk.files });
  const { client, time, disk } = host;
  await time.pass(hourMs);
  let open = (): void => {};
  disk.gate = new Promise((resolve) => {
    open = resolve;
  });
  // Several of a window, one alone, one by its place.
  const answers = [
    client.pull("G", "T", 0, 0, { subscription: "*", maxMessages: 5 }),
    client.pull("G", "T", 0, 2, { subscription: "*", maxMessages: 1 }),
    client.request(33, { offset: "0" }),
  ];
  await time.pass(0);
  await client.request(329);
  await time.pass(0);
  expect(host.segments).toEqual([3]);
  open();
  const [several, alone, byPlace] = await Promise.all(answers);
  expect(several).toMatchObject({ code: 20, remark: "MESSAGE_WAS_REMOVING", fields: { nextBeginOffset: "5" } });
  expect(alone).toMatchObject({ code: 20, remark: "MESSAGE_WAS_REMOVING", fields: { nextBeginOffset: "3" } });
  expect(byPlace).toMatchObject({ code: 1 });
  disk.gate = undefined;
  const [min, max] = await host.range("T");
  expect(max).toBe(count);
  expect(offsets(await all(client, "T"))).toEqual(fromTo(min, max));
  expect(host.logged.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("a message whose file is being deleted counts as removed, not as damaged", async () => {
  const host = await started({ fileReservedTimeMs: 10_000, deleteWhen: fromTo(0, 24), logWindowBytes: 64 });
  await fill(host, 3);
  const { disk, client, time } = host;
  const remove = disk.delete.bind(disk);
  let goOn = (): void => {};
  disk.delete = ((file: string) => {
    if (!file.startsWith("commitlog/")) return remove(file);
    disk.delete = remove;
    return new Promise<void>((resolve) => {
      goOn = () => resolve(remove(file));
    });
  }) as Disk["delete"];
  await time.pass(10_000);
  expect(host.segments).toEqual([0, 1, 2]);
  const one = { subscription: "*", maxMessages: 1 };
  expect(await client.pull("G", "T", 0, 0, one)).toMatchObject({ code: 20, remark: "MESSAGE_WAS_REMOVING" });
  goOn();
  await time.pass(0);
  expect(host.segments).toEqual([2]);
  expect(host.logged.filter((line) => line.startsWith("error"))).toEqual([]);
});

describe("watermarks", () => {
  const store = { fileReservedTimeMs: 60_000, deleteWhen: [23], watchesDisk: true } as const;

  test("above diskMaxUsedSpaceRatio what is expired goes at any hour, and nothing else", async () => {
    const host = await started(store);
    await fill(host, 3);
    await host.time.pass(60_000);
    await fill(host, 5);
    host.disk.percent = 75;
    await host.time.pass(10_000);
    expect(host.segments).toEqual([0, 1, 2, 3, 4]);
    // 75.2 is 76, as df has it.
    host.disk.percent = 75.2;
    await host.time.pass(10_000);
    expect(host.segments).toEqual([2, 3, 4]);
    host.disk.percent = 85;
    await host.time.pass(20_000);
    expect(host.segments).toEqual([2, 3, 4]);
    expect(host.logged.join()).toMatch(/warn: the disk is nearly full, and no file may be deleted/);
    succeeded(await host.client.trySend("T", "taken"));
  });

  test("above diskSpaceCleanForciblyRatio the oldest go, expired or not, but no more than needs to, and never the last", async () => {
    const host = await started(store);
    const count = await fill(host, 6);
    host.disk.percentPerFile = 5;
    host.disk.percent = 85 - 6 * 5;
    await host.time.pass(10_000);
    expect(host.segments.length).toBe(6);
    host.disk.percent += 9;
    await host.time.pass(10_000);
    expect(host.segments).toEqual([2, 3, 4, 5]);
    expect(host.logged.join()).toMatch(
      /warn: the disk is nearly full: CommitLog files were deleted before they expired .*"files":2/,
    );
    host.disk.percent = 86;
    await host.time.pass(10_000);
    expect(host.segments).toEqual([5]);
    expect((await host.range("T"))[1]).toBe(count);
    await host.time.pass(60_000);
    expect(host.segments).toEqual([5]);
  });

  test("without cleanFileForciblyEnable nothing goes before it is expired", async () => {
    const host = await started({ ...store, cleanFileForciblyEnable: false });
    await fill(host, 4);
    host.disk.percent = 99;
    await host.time.pass(50_000);
    expect(host.segments).toEqual([0, 1, 2, 3]);
  });

  test.each([true, false])(
    "above diskSpaceWarningLevelRatio messages are refused, until there is room; reading goes on (watches: %s)",
    async (watchesDisk) => {
      const host = await started({ ...store, watchesDisk, cleanFileForciblyEnable: false });
      const count = await fill(host, 2);
      const { client, time, disk } = host;
      const look = async () => {
        // Where nobody watches, who is refused has it looked at again.
        await time.pass(10_000);
        if (!watchesDisk) await client.trySend("T", "look");
        await time.pass(0);
      };
      disk.percent = 90;
      await time.pass(10_000);
      if (!watchesDisk) await fill(host, 3);
      succeeded(await client.trySend("T", "taken at 90"));
      disk.percent = 91;
      if (watchesDisk) await look();
      else {
        await fill(host, 4);
        await time.pass(0);
      }
      const refused = await client.trySend("T", "refused");
      expect(refused.code).toBe(14);
      expect(refused.remark).toMatch(
        /the broker's disk is full: \/the\/disk is 91 % used.*diskSpaceWarningLevelRatio \(90 %\)/,
      );
      expect((await client.trySend("New", "refused")).code).toBe(14);
      const before = (await host.range("T"))[1];
      expect(before).toBeGreaterThan(count);
      expect((await all(client, "T")).length).toBe(before);
      await client.request(15, { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "7" });
      expect((await client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" })).fields["offset"]).toBe("7");
      // Between the two it stays as it is.
      disk.percent = 86;
      await look();
      expect((await client.trySend("T", "refused")).code).toBe(14);
      disk.percent = 85;
      await look();
      succeeded(await client.trySend("T", "taken"));
      expect((await host.range("T"))[1]).toBe(before + 1);
      disk.percent = 90;
      await look();
      succeeded(await client.trySend("T", "taken"));
      expect(host.logged.filter((line) => line.startsWith("error: service not available"))).toHaveLength(1);
    },
  );

  test("forced cleaning makes room for messages that were refused", async () => {
    const host = await started(store);
    await fill(host, 5);
    host.disk.percentPerFile = 4;
    host.disk.percent = 75;
    await host.time.pass(10_000);
    expect(host.segments).toEqual([3, 4]);
    succeeded(await host.client.trySend("T", "taken"));
  });
});

describe("a write that finds no room", () => {
  const store = { fileReservedTimeMs: hourMs, deleteWhen: [23] } as const;
  const full = new WasmqError("STORE_FULL", "QuotaExceededError");

  test("lets the oldest file go where the host only guesses how much there is", async () => {
    const host = await started(store);
    const count = await fill(host, 4);
    const { disk, client } = host;
    disk.percent = 10;
    disk.isEstimate = true;
    await host.time.pass(60_000);
    disk.failure = full;
    disk.deleted = (file) => {
      if (file.startsWith("commitlog/")) disk.failure = undefined;
    };
    const refused = await client.trySend("T", "refused");
    expect(refused).toMatchObject({ code: 14, remark: expect.stringContaining("the disk is full") });
    await host.time.pass(0);
    expect(host.segments).toEqual([1, 2, 3]);
    succeeded(await client.trySend("T", "taken"));
    const [min, max] = await host.range("T");
    expect(max).toBe(count + 1);
    expect(offsets(await all(client, "T"))).toEqual(fromTo(min, max));
  });

  test("lets nothing go where the host knows that there is room", async () => {
    const host = await started(store);
    await fill(host, 4);
    host.disk.percent = 10;
    host.disk.failure = full;
    expect((await host.client.trySend("T", "refused")).code).toBe(14);
    await host.time.pass(60_000);
    expect(host.segments).toEqual([0, 1, 2, 3]);
  });

  test("has the disk looked at: files go, though ConsumeQueues can't be flushed", async () => {
    const host = await started({ ...store, watchesDisk: true });
    const count = await fill(host, 4);
    const { disk, client } = host;
    await host.time.pass(61_000);
    for (let i = count; i < count + 5; i++) await client.send("T", `${i}`);
    disk.percent = 100;
    disk.percentPerFile = 0;
    disk.failure = full;
    disk.deleted = (file) => {
      if (!file.startsWith("commitlog/")) return;
      disk.failure = undefined;
      disk.percent = 80;
    };
    expect((await client.trySend("T", "refused")).code).toBe(14);
    await host.time.pass(0);
    expect(host.segments).toEqual([1, 2, 3]);
    succeeded(await client.trySend("T", "taken"));
    const [min, max] = await host.range("T");
    expect(max).toBe(count + 6);
    expect(offsets(await all(client, "T"))).toEqual(fromTo(min, max));
  });

  test("keeps the file that the log goes on in, though the next one is there already", async () => {
    const host = await started({ ...store, watchesDisk: true });
    const { disk, client } = host;
    disk.created = (file) => {
      if (file.endsWith(String(segmentBytes))) disk.writeFailure = full;
    };
    let count = 0;
    for (;;) {
      const { code } = await client.trySend("T", `${count}`.padEnd(500, "."));
      if (code !== 0) break;
      count++;
      await host.time.pass(61_000);
    }
    expect(host.segments).toEqual([0, 1]);
    disk.percent = 100;
    await host.time.pass(20_000);
    expect(host.segments).toEqual([0, 1]);
    disk.percent = 10;
    disk.writeFailure = undefined;
    await host.time.pass(20_000);
    succeeded(await client.trySend("T", "taken"));
    expect(offsets(await all(client, "T"))).toEqual(fromTo(0, count + 1));
  });
});

test("a log that has failed loses no file, however full the disk is", async () => {
  const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: [], watchesDisk: true });
  await fill(host, 4);
  // Their units are on the medium: nothing else keeps them.
  await host.time.pass(61_000);
  host.disk.writeFailure = new Error("EIO");
  expect((await host.client.trySend("T", "refused")).code).toBe(14);
  host.disk.writeFailure = undefined;
  host.disk.percent = 88;
  await host.time.pass(120_000);
  expect(host.segments).toEqual([0, 1, 2, 3]);
});

test("a crash after any deletion leaves a store that opens, with all that is left of it and no offset given twice", async () => {
  const store = { fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24) };
  const host = await started(store);
  for (let i = 0; i < 30; i++) await host.client.send("Early", "early");
  const count = await fill(host, 8);
  const crashes: MemoryLogStorage["files"][] = [];
  host.disk.deleted = (file) => {
    if (/^(commitlog|consumequeue)\//.test(file)) crashes.push(copyOf(host.disk).files);
  };
  await host.time.pass(hourMs);
  expect(crashes.length).toBeGreaterThan(8);
  expect(new Set(crashes.map((files) => [...files.keys()].sort().join())).size).toBe(crashes.length);
  const [min] = await host.range("T");
  for (const files of crashes) {
    const after = await started({ ...store, deleteWhen: [23] }, { time: new VirtualTime(host.time.nowMs), files });
    const kept = offsets(await all(after.client, "T"));
    expect(kept).toEqual(fromTo(kept[0]!, count));
    expect(kept[0]).toBeLessThanOrEqual(min);
    expect(after.logged.filter((line) => line.startsWith("error"))).toEqual([]);
    expect((await after.client.send("Early", "late")).fields["queueOffset"]).toBe("30");
    expect((await after.client.send("T", "late")).fields["queueOffset"]).toBe(String(count));
    // What the crash came before goes with the first look.
    const [minThen] = await after.range("T");
    await after.time.pass(10_000);
    expect(after.queueFiles("T", 0)[0]).toBe(Math.floor(minThen / 20));
    await after.stop();
  }
});

test("a damaged unit that points before the log hides no other message, and only the first that is kept hides itself", async () => {
  const store = { fileReservedTimeMs: hourMs, deleteWhen: [] };
  const host = await started({ ...store, watchesDisk: true });
  const count = await fill(host, 5);
  host.disk.percentPerFile = 4;
  host.disk.percent = 75;
  await host.time.pass(10_000);
  const [min] = await host.range("T");
  expect(min).toBeGreaterThan(20);
  await host.stop();
  for (let damaged = min; damaged < count; damaged++) {
    const files = copyOf(host.disk).files;
    const again = new Host(store, host.time, files);
    hosts.push(again);
    const name = String(Math.floor(damaged / 20) * 400).padStart(20, "0");
    again.disk.write([{ file: `consumequeue/T/0/${name}`, at: (damaged % 20) * 20, bytes: new Uint8Array(8) }]);
    await again.start();
    const first = damaged === min ? min + 1 : min;
    expect(await again.range("T")).toEqual([first, count]);
    expect(offsets(await all(again.client, "T", first))).toEqual(fromTo(first, count));
    await again.stop();
  }
});

test("a file whose ConsumeQueue units can't be made to last stays", async () => {
  const host = await started({ fileReservedTimeMs: 10_000, deleteWhen: fromTo(0, 24) });
  await fill(host, 4);
  const { disk } = host;
  const sync = disk.sync.bind(disk);
  disk.sync = ((files: readonly string[] = []) => {
    if (files.some((file) => file.startsWith("consumequeue/"))) throw new Error("EIO");
    return sync();
  }) as Disk["sync"];
  await host.time.pass(60_000);
  expect(host.segments).toEqual([0, 1, 2, 3]);
});

test("a file that is written while ConsumeQueues are flushed for it stays its time from then on", async () => {
  const host = await started({ fileReservedTimeMs: 10_000, deleteWhen: fromTo(0, 24) });
  await fill(host, 4);
  const { disk, time } = host;
  const sync = disk.sync.bind(disk);
  disk.sync = ((files: readonly string[] = []) => {
    if (files.some((file) => file.startsWith("consumequeue/"))) {
      for (const { name } of disk.list("commitlog")) disk.setModified(name, time.nowMs);
    }
    return sync();
  }) as Disk["sync"];
  await time.pass(19_999);
  expect(host.segments).toEqual([0, 1, 2, 3]);
  await time.pass(20_000);
  expect(host.segments).toEqual([3]);
});

describe("manual cleaning", () => {
  test("329 lets what is expired go at any hour, and nothing else", async () => {
    const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: [23] });
    await fill(host, 3);
    await host.time.pass(hourMs);
    await fill(host, 5);
    expect(await host.client.request(329)).toMatchObject({ code: 0 });
    await host.time.pass(0);
    expect(host.segments).toEqual([2, 3, 4]);
  });

  test("306 is answered when it is done, and no queue begins anew", async () => {
    const host = await started({ fileReservedTimeMs: hourMs, deleteWhen: fromTo(0, 24) });
    for (let i = 0; i < 30; i++) await host.client.send("Early", "early");
    await fill(host, 3);
    await host.time.pass(hourMs);
    expect(await host.client.request(306)).toMatchObject({ code: 0 });
    expect(host.queueFiles("Early", 0)).toEqual([1]);
    expect(await host.range("Early")).toEqual([30, 30]);
  });

  test("316 leaves the queues of topics that there are", async () => {
    const host = await started();
    const count = await fill(host, 2);
    await host.time.pass(60_000);
    expect(await host.client.request(316)).toMatchObject({ code: 0 });
    expect((await all(host.client, "T")).length).toBe(count);
  });
});

describe("reserve.time", () => {
  async function withReserve(hours: string): Promise<Host> {
    const files: MemoryLogStorage["files"] = new Map();
    const storage = new MemoryLogStorage(files);
    const topic = { perm: 6, readQueueNums: 4, writeQueueNums: 4, topicFilterType: "SINGLE_TAG", topicSysFlag: 0 };
    const config = { ...topic, topicName: "T", order: false, attributes: { "reserve.time": hours } };
    const bytes = new TextEncoder().encode(JSON.stringify({ topicConfigTable: { T: config } }));
    storage.create("config/topics.json", bytes.length);
    storage.write([{ file: "config/topics.json", at: 0, bytes }]);
    return started({}, { files });
  }

  test("a message of so many hours is not served; offsets go on past it, and it is counted", async () => {
    const host = await withReserve("2");
    const { client, time } = host;
    for (let i = 0; i < 100; i++) await client.send("T", `${i}`, { properties: { KEYS: "old" } });
    const [old] = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
    await time.pass(2 * hourMs);
    expect(offsets(await all(client, "T"))).toEqual(fromTo(0, 100));
    for (let i = 100; i < 110; i++) await client.send("T", `${i}`, { properties: { KEYS: "new" } });
    await time.pass(1);
    const answer = await client.pull("G", "T", 0, 0, { subscription: "*" });
    expect(answer).toMatchObject({ code: 0, fields: { nextBeginOffset: "110", minOffset: "0", maxOffset: "110" } });
    expect(offsets(messagesOf(answer))).toEqual(fromTo(100, 110));
    expect(host.logged.join()).toMatch(
      /info: expired messages are passed over \(reserve.time\) \{"topic":"T","count":100\}/,
    );
    expect((await client.request(33, { offset: String(old!.physicalOffset) })).code).toBe(1);
    const query = { topic: "T", maxNum: "32", beginTimestamp: "0", endTimestamp: String(2 ** 50) };
    expect((await client.request(12, { ...query, key: "old" })).code).toBe(22);
    expect((await client.request(12, { ...query, key: "new" })).code).toBe(0);
    await time.pass(2 * hourMs);
    expect(await client.pull("G", "T", 0, 0, { subscription: "*" })).toMatchObject({
      code: 19,
      fields: { nextBeginOffset: "110" },
    });
    // A held pull goes on from behind them.
    const held = client.pull("G", "T", 0, 5, { subscription: "*", suspendMs: 20_000 });
    await time.pass(5_000);
    await client.send("T", "110");
    expect(offsets(messagesOf(succeeded(await held)))).toEqual([110]);
  });

  test("one pull passes over as many as a filter would, a filtered one too", async () => {
    const host = await withReserve("1");
    const { client, time } = host;
    for (let i = 0; i < 900; i++) await client.send("T", "x", { properties: { TAGS: i % 2 === 0 ? "A" : "B" } });
    await time.pass(hourMs + 1);
    await client.send("T", "new", { properties: { TAGS: "B" } });
    const plain = { subscription: "*" };
    expect(await client.pull("G", "T", 0, 0, { ...plain, maxMessages: 1 })).toMatchObject({
      code: 20,
      fields: { nextBeginOffset: "800" },
    });
    expect(offsets(messagesOf(await client.pull("G", "T", 0, 800, plain)))).toEqual([900]);
    expect(offsets(await all(client, "T"))).toEqual([900]);
    const tagged = await client.pull("G", "T", 0, 850, { subscription: "B" });
    expect(offsets(messagesOf(tagged))).toEqual([900]);
  });

  test.each(["-1", "0", "soon", ""])("%j keeps messages as long as they are there", async (hours) => {
    const host = await withReserve(hours);
    await host.client.send("T", "old");
    await host.time.pass(1_000 * hourMs);
    expect((await all(host.client, "T")).length).toBe(1);
  });
});
