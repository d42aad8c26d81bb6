import { expect, test } from "vitest";
import { AssignedQueue } from "../../src/client/assigned-queue.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";

test("places are cut off while messages are taken and done in any order", () => {
  const queue = { topic: "T", brokerName: "b", queueId: 0 };
  const assigned = new AssignedQueue(queue, 0, { messagesMax: 10_000, bytesMax: 1_000_000 });
  const add = (from: number, to: number): void => {
    for (let queueOffset = from; queueOffset < to; queueOffset++) {
      assigned.add([{ body: new Uint8Array(1), queueOffset } as unknown as ReceivedMessage], queueOffset + 1);
    }
  };
  add(0, 600);
  const taken = assigned.take(500);
  // 400 go, and 100 that were taken before they went are done after it, the last first.
  assigned.done(taken.slice(0, 400));
  expect(assigned.consumedOffset).toBe(400);
  add(600, 700);
  for (const pulled of taken.slice(400).reverse()) {
    expect(assigned.consumedOffset).toBe(400);
    assigned.done([pulled]);
  }
  expect(assigned.consumedOffset).toBe(500);
  const rest = assigned.take(1_000);
  expect(rest.map(({ message }) => message.queueOffset)).toEqual(Array.from({ length: 200 }, (_, i) => 500 + i));
  assigned.done(rest);
  expect(assigned).toMatchObject({ consumedOffset: 700, cachedMessages: 0, cachedBytes: 0, hasNext: false });
});
