import fc from "fast-check";
import { expect, test } from "vitest";
import { allocateAveragely } from "../../src/client/allocate.ts";
import { AssignedQueue } from "../../src/client/assigned-queue.ts";
import { javaHash } from "../../src/client/java-hash.ts";
import type { MessageQueue, ReceivedMessage } from "../../src/client/message.ts";
import { UniqueKeys } from "../../src/client/unique-key.ts";
import { hashCodeModel } from "../model/java-string.ts";
import { QuickClock } from "./scripted-broker.ts";

const queues = (count: number): MessageQueue[] =>
  Array.from({ length: count }, (_, queueId) => ({ topic: "T", brokerName: "b", queueId }));

test("shares are those of AllocateMessageQueueAveragely", () => {
  const shares = (members: string[], count: number) =>
    members.map((id) => allocateAveragely(id, members, queues(count)).map(({ queueId }) => queueId));
  // Worked by hand after the Java code.
  expect(shares(["a", "b", "c"], 8)).toEqual([
    [0, 1, 2],
    [3, 4, 5],
    [6, 7],
  ]);
  expect(shares(["a", "b", "c"], 2)).toEqual([[0], [1], []]);
  expect(shares(["a", "b"], 4)).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(allocateAveragely("z", ["a", "b"], queues(4))).toEqual([]);
});

test("every queue has one owner, and no share is more than one larger than another", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(70), (members, count) => {
      const ids = Array.from({ length: members }, (_, i) => `id ${String(i).padStart(2, "0")}`);
      const shares = ids.map((id) => allocateAveragely(id, ids, queues(count)));
      expect(shares.flat()).toEqual(queues(count));
      const sizes = shares.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});

test("a hash is Java's", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(javaHash(text)).toBe(hashCodeModel(text));
    }),
  );
  expect(javaHash("Aa")).toBe(javaHash("BB"));
});

test("unique keys are 32 digits, unlike each other, and tell the time within the month", () => {
  const clock = new QuickClock();
  const keys = new UniqueKeys(clock);
  const made = Array.from({ length: 70_000 }, (_, i) => {
    if (i % 50_000 === 0) clock.nowMs += 5;
    return keys.next();
  });
  expect(new Set(made).size).toBe(70_000);
  expect(made.every((key) => /^[0-9A-F]{32}$/.test(key))).toBe(true);
  expect(Number.parseInt(made[0]!.slice(20, 28), 16)).toBe(1_700_000_000_005 - clock.monthStart());
});

test("what is consumed out of order is committed up to the first that is not", () => {
  fc.assert(
    fc.property(fc.nat(1_200), fc.array(fc.nat(), { maxLength: 1_200 }), (count, picks) => {
      const assigned = new AssignedQueue(queues(1)[0]!, 100, { messagesMax: 10_000, bytesMax: 1e9 });
      const messages = Array.from({ length: count }, (_, i) => ({ queueOffset: 100 + i * 2, body: new Uint8Array(3) }));
      assigned.add(messages as unknown as ReceivedMessage[], 100 + count * 2);
      const left = new Set(assigned.take(count));
      for (const pick of picks) {
        const some = [...left][pick % Math.max(1, left.size)];
        if (some === undefined) break;
        left.delete(some);
        assigned.done([some, some]);
      }
      const [first] = [...left].sort((a, b) => a.message.queueOffset - b.message.queueOffset);
      expect(assigned.consumedOffset).toBe(first?.message.queueOffset ?? 100 + count * 2);
      expect(assigned.cachedMessages).toBe(left.size);
      expect(assigned.cachedBytes).toBe(3 * left.size);
    }),
    { numRuns: 20 },
  );
});
