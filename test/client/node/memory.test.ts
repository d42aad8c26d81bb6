import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { AssignedQueue } from "../../../src/client/assigned-queue.ts";
import { Client } from "../../../src/client/client.ts";
import { inProcess } from "../../../src/client/in-process.ts";
import type { ReceivedMessage } from "../../../src/client/message.ts";
import { startInMemory } from "../../../src/hosts/memory/host.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function alive(refs: readonly WeakRef<object>[]): Promise<number> {
  // A WeakRef holds what it was asked for until the task ends.
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

test("what is done of a queue is let go, also behind what is not", async () => {
  const queue = { topic: "T", brokerName: "b", queueId: 0 };
  const assigned = new AssignedQueue(queue, 0, { messagesMax: 1_000, bytesMax: 1_000_000 });
  const refs: WeakRef<object>[] = [];
  for (let queueOffset = 0; queueOffset < 100; queueOffset++) {
    const message = { body: new Uint8Array(100), queueOffset } as unknown as ReceivedMessage;
    refs.push(new WeakRef(message));
    assigned.add([message], queueOffset + 1);
  }
  const first = assigned.take(1);
  assigned.done(assigned.take(98));
  expect(await alive(refs)).toBe(2);
  expect(assigned.consumedOffset).toBe(0);
  assigned.done(first);
  expect(assigned.consumedOffset).toBe(99);
  assigned.done(assigned.take(1));
  expect({ offset: assigned.consumedOffset, bytes: assigned.cachedBytes }).toEqual({ offset: 100, bytes: 0 });
});

test("messages that a loop has behind it are let go", async () => {
  const broker = await startInMemory({ coreModule: await loadCoreModule() });
  const client = new Client({ nameServers: ["namesrv"], carrier: inProcess(broker) });
  const producer = client.producer();
  const { queue } = await producer.send({ topic: "T", body: "m0" });
  const count = 100;
  for (let i = 1; i < count; i++) await producer.send({ topic: "T", body: `m${i}` }, { queue });
  const refs: WeakRef<object>[] = [];
  for await (const message of client.pushConsumer({
    group: "G",
    subscriptions: { T: "*" },
    consumeFrom: "FIRST_OFFSET",
  })) {
    refs.push(new WeakRef(message));
    if (refs.length === count) break;
    // The loop's own variables have the last ones.
    if (refs.length === count - 1) expect(await alive(refs)).toBeLessThan(5);
  }
  await client.close();
  await broker.stop();
});
