/** The store's files beside a naive twin's (test/model/layout.ts): those that Apache wrote, and those that a broker here writes. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import {
  goldenBrokers,
  goldenCommitLog,
  goldenFile,
  goldenPaths,
  goldenSettings,
  goldenStores,
} from "../golden/golden.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { encodeBatch } from "../lib/remoting-client.ts";
import { IndexModel } from "../model/index-file.ts";
import { commitLogModel, consumeQueuesModel, recordsModel } from "../model/layout.ts";
import { parsePropertiesModel } from "../model/properties.ts";

vi.setConfig({ testTimeout: 60_000 });

const second = 1_000;
/** RocketMQ's levels: 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h. */
const delaysMs = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200].map(
  (seconds) => seconds * second,
);

/** Records that came as one batch: RocketMQ gives them one store time, and the golden stores' clock gives others none. */
function batchesAmong(records: readonly { storeTimestamp: number }[]): number[] {
  const together: number[] = [];
  for (const [index, { storeTimestamp }] of records.entries()) {
    if (index > 0 && records[index - 1]!.storeTimestamp === storeTimestamp) together[together.length - 1]!++;
    else together.push(1);
  }
  return together;
}

function expectQueues(queues: ReadonlyMap<string, Uint8Array>, file: (queue: string) => Uint8Array): void {
  for (const [queue, units] of queues) {
    const bytes = file(queue);
    expect(bytes.subarray(0, units.length), queue).toEqual(units);
    expect(bytes.subarray(units.length).every((byte) => byte === 0)).toBe(true);
  }
}

describe.each([...goldenStores, ...goldenBrokers])("Apache's %s", (name) => {
  const { mappedFileSizeCommitLog: fileSize } = goldenSettings(name);
  const log = goldenCommitLog(name);
  const records = recordsModel(log, fileSize!);

  test("is the twin's CommitLog", () => {
    const twin = commitLogModel(records, fileSize!, name === "store_crc", batchesAmong(records));
    // A file made ahead, and not used, may follow.
    expect(log.subarray(0, twin.length)).toEqual(twin);
    expect(log.subarray(twin.length).every((byte) => byte === 0)).toBe(true);
  });

  // Of a killed one it lacks what came last.
  if (name !== "store_killed" && name !== "broker_killed") {
    test("has the twin's IndexFiles", () => {
      const { maxHashSlotNum, maxIndexNum } = goldenSettings(name);
      const index = new IndexModel(maxHashSlotNum!, maxIndexNum!);
      for (const record of records) index.put({ ...record, topic: new TextDecoder().decode(record.topic) });
      expect(index.files.length).toBeGreaterThan(0);
      expect(goldenPaths(name, "index").map(goldenFile)).toEqual(index.files.map(({ bytes }) => bytes));
    });
  }

  // Where units have an extension, they carry places in it; a killed store lacks the units of what came last.
  if (name === "store_ext" || name === "store_killed" || name === "broker_killed") return;

  test("has the twin's ConsumeQueues", () => {
    const queues = consumeQueuesModel(records, delaysMs);
    expect(queues.size).toBeGreaterThan(0);
    expectQueues(queues, (queue) => goldenFile(`${name}/consumequeue/${queue}/00000000000000000000`));
    const written = goldenPaths(name, "consumequeue").filter((path) => !path.includes("/%LMQ%"));
    expect(written).toHaveLength(queues.size);
  });
});

test("what a broker here writes is the twin's, whatever is sent", async () => {
  const body = fc.integer({ min: 0, max: 900 });
  const one = fc.record({
    topic: fc.constantFrom("A", "B".repeat(127), "C%|_-"),
    queueId: fc.nat(3),
    body,
    tag: fc.constantFrom(undefined, "TagA", "größe", "Aa"),
    delay: fc.constantFrom(undefined, undefined, "3", "18"),
    batch: fc.constantFrom(0, 0, 0, 2, 5),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 40 }), fc.boolean(), async (sends, crc) => {
      const sizes = { mappedFileSizeCommitLog: 8_192, mappedFileSizeConsumeQueue: 2_000 };
      const broker = await MemoryBroker.start({ store: { ...sizes, enabledAppendPropCRC: crc } });
      const client = broker.connect();
      const together: number[] = [];
      for (const [index, send] of sends.entries()) {
        const text = `${index}-${"x".repeat(send.body)}`;
        const properties: Record<string, string> = { KEYS: `k${index}` };
        if (send.tag !== undefined) properties["TAGS"] = send.tag;
        if (send.batch > 0) {
          const items = Array.from({ length: send.batch }, (_, item) => ({ body: `${item}-${text}`, properties }));
          const sent = await client.trySend(send.topic, encodeBatch(items), { queueId: send.queueId, batch: true });
          expect(sent.code, sent.remark).toBe(0);
        } else {
          if (send.delay !== undefined) properties["DELAY"] = send.delay;
          await client.send(send.topic, text, { queueId: send.queueId, properties });
        }
        together.push(Math.max(1, send.batch));
      }
      await broker.stop();
      const log = joined(broker.storage, "commitlog");
      const records = recordsModel(log, sizes.mappedFileSizeCommitLog);
      expect(records.map(({ properties }) => parsePropertiesModel(properties).get("KEYS"))).toEqual(
        sends.flatMap(({ batch }, index) => Array<string>(Math.max(1, batch)).fill(`k${index}`)),
      );
      const twin = commitLogModel(records, sizes.mappedFileSizeCommitLog, crc, together);
      expect(log).toEqual(twin);
      expectQueues(consumeQueuesModel(records, delaysMs), (queue) => joined(broker.storage, `consumequeue/${queue}`));
    }),
    { numRuns: 25 },
  );
});

/** Files that follow one another, joined. */
function joined(storage: MemoryLogStorage, folder: string): Uint8Array {
  const stats = storage.list(folder);
  const bytes = new Uint8Array(stats.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  let at = 0;
  for (const { name, sizeBytes } of stats) {
    storage.readNow(name, 0, bytes.subarray(at, at + sizeBytes));
    at += sizeBytes;
  }
  return bytes;
}
