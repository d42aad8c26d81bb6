/** What groups filter by, over their comings and goings and the broker's lives (ConsumerFilterManager). */
import { expect, test } from "vitest";
import { bloomFilterData } from "../../../src/broker/filter/bloom-filter-data.ts";
import { ConsumerFilters } from "../../../src/broker/filter/consumer-filters.ts";
import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import { encodeUtf8 } from "../../../src/ports/text.ts";
import { ConfigFile } from "../../../src/store/config-file.ts";
import { parseJavaJson } from "../../../src/store/java-json.ts";

const hourMs = 3_600_000;
const bornMs = 1_700_000_000_000;

/** What Apache wrote for these. */
test("bits of Apache's Bloom filter", () => {
  expect(bloomFilterData("GoldenSql", "Golden")).toEqual({ bitNum: 112, bitPos: [7, 98, 34] });
  expect(bloomFilterData("GoldenFilter", "Golden")).toEqual({ bitNum: 112, bitPos: [60, 4, 74] });
});

class Filters {
  readonly storage = new MemoryLogStorage();
  nowMs = bornMs;
  asked = 0;
  readonly logged: string[] = [];
  filters!: ConsumerFilters;
  readonly #bytesMax: number;

  constructor(bytesMax = 100_000) {
    this.#bytesMax = bytesMax;
  }

  async open(): Promise<this> {
    const telemetry = { log: (level: string, event: string) => void this.logged.push(`${level}: ${event}`) };
    this.filters = new ConsumerFilters({
      file: new ConfigFile(this.storage, telemetry, () => 0, "consumerFilter.json"),
      clock: { now: () => this.nowMs, monotonic: () => this.nowMs },
      telemetry,
      bytesMax: this.#bytesMax,
      cleanMs: 24 * hourMs,
      persistLater: () => void this.asked++,
    });
    await this.filters.load();
    return this;
  }

  register(group: string, version: number, subscriptions: Record<string, string>, expressionType = "SQL92"): void {
    const list = Object.entries(subscriptions).map(([topic, expression]) => {
      return { topic, expressionType, expression, version: BigInt(version), tagHashes: undefined };
    });
    this.filters.register(group, list);
  }

  async saved(): Promise<Record<string, Record<string, { dead: boolean; deadTime: number; expression: string }>>> {
    await this.filters.persist();
    const bytes = new Uint8Array(100_000);
    const length = await this.storage.read("config/consumerFilter.json", 0, bytes);
    const { filterDataByTopic } = parseJavaJson(new TextDecoder().decode(bytes.subarray(0, length))) as {
      filterDataByTopic: Record<string, { groupFilterData: never }>;
    };
    return Object.fromEntries(Object.entries(filterDataByTopic).map(([topic, data]) => [topic, data.groupFilterData]));
  }
}

test("a group that goes away is dead, and gone a day later; one that comes back lives on", async () => {
  const own = await new Filters().open();
  own.register("G", 1, { T: "a = 1", U: "a = 2" });
  own.register("H", 1, { T: "a = 3" });
  expect(await own.saved()).toMatchObject({ T: { G: { dead: false, deadTime: 0 }, H: { dead: false } }, U: { G: {} } });
  own.nowMs += hourMs;
  own.filters.unregister("G");
  expect(own.filters.find("T", "G")).toMatchObject({ expression: "a = 1", deadTimeMs: bornMs + hourMs });
  own.register("G", 1, { T: "a = 1" });
  expect(await own.saved()).toMatchObject({
    T: { G: { dead: false, deadTime: 0 } },
    U: { G: { dead: true, deadTime: bornMs + hourMs } },
  });
  own.nowMs += 24 * hourMs;
  own.register("H", 2, { T: "a = 4" });
  expect(Object.keys(await own.saved())).toEqual(["T"]);
  expect(own.filters.find("U", "G")).toBe(undefined);
});

test("nothing is written while nothing changes", async () => {
  const own = await new Filters().open();
  own.register("G", 1, { T: "a = 1" });
  expect(own.asked).toBe(1);
  await own.filters.persist();
  own.register("G", 1, { T: "a = 1" });
  own.register("G", 1, { T: "*" }, "TAG");
  own.register("Tags", 1, { T: "A || B" }, "TAG");
  own.filters.unregister("Nobody");
  expect(own.asked).toBe(1);

  const again = await own.open();
  expect(again.filters.find("T", "G")).toMatchObject({ version: 1n, deadTimeMs: bornMs });
  again.register("G", 1, { T: "a = 1" });
  expect(again.filters.find("T", "G")?.deadTimeMs).toBe(0);
  expect(own.asked).toBe(1);
});

test("after a restart those that lived are dead for half a minute", async () => {
  const own = await new Filters().open();
  own.register("G", 1, { T: "a = 1" });
  await own.filters.persist();
  own.nowMs += hourMs;
  expect((await own.open()).filters.find("T", "G")?.deadTimeMs).toBe(bornMs + hourMs - 30_000);
});

test("more than there is room for is not taken, and what died long ago makes room", async () => {
  const own = await new Filters(7_000).open();
  const expression = `a = '${"x".repeat(400)}'`;
  own.register("G", 1, { T: expression });
  own.register("H", 1, { T: expression });
  own.register("I", 1, { T: expression });
  expect(own.filters.find("T", "H")).toBeDefined();
  expect(own.filters.find("T", "I")).toBe(undefined);
  expect(own.logged).toEqual([expect.stringContaining("no more are taken")]);
  own.filters.unregister("G");
  own.nowMs += 24 * hourMs;
  own.register("I", 1, { T: expression });
  expect(own.filters.find("T", "I")).toBeDefined();
  expect(own.filters.find("T", "G")).toBe(undefined);
});

test("of a file only what makes sense is taken, and what it has besides is kept", async () => {
  const own = new Filters();
  const good = { bornTime: 5, clientVersion: 1, consumerGroup: "G", deadTime: 7, expression: "a = 1", topic: "T" };
  const data = { G: { ...good, expressionType: "SQL92" }, H: { ...good, expressionType: "XPATH" }, I: 5, J: {} };
  const text = JSON.stringify({ filterDataByTopic: { T: { groupFilterData: data }, U: 7, V: {} }, more: [1] });
  const bytes = encodeUtf8(text);
  await own.storage.create("config/consumerFilter.json", bytes.length);
  await own.storage.write([{ file: "config/consumerFilter.json", at: 0, bytes }]);
  await own.open();
  expect(own.filters.find("T", "G")).toMatchObject({ bornTimeMs: 5, deadTimeMs: 7, expression: "a = 1" });
  expect(own.filters.find("T", "H")).toBe(undefined);
  own.register("New", 1, Object.fromEntries(["__proto__", "constructor"].map((topic) => [topic, "a = 1"])));
  expect(Object.keys(await own.saved()).sort()).toEqual(["__proto__", "constructor"]);
  const stored = new Uint8Array(10_000);
  const length = await own.storage.read("config/consumerFilter.json", 0, stored);
  expect(JSON.parse(new TextDecoder().decode(stored.subarray(0, length)))).toMatchObject({ more: [1] });
});
