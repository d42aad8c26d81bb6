/** What is read through windows of the CommitLog is what was written, whatever their size and wherever a record stands in them. */
import { expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";

const queues = 3;
/** A body that says which message it is in each of its characters. */
const bodyOf = (queueId: number, i: number, length: number) => `${queueId}/${i};`.repeat(length).slice(0, length);

const shapes = [
  { name: "two small windows", logWindowBytes: 512, logWindows: 2 },
  { name: "windows smaller than most records", logWindowBytes: 128, logWindows: 4 },
  { name: "windows larger than a CommitLog file", logWindowBytes: 16 * 1024, logWindows: 3 },
] as const;

for (const { name, logWindowBytes, logWindows } of shapes) {
  for (const waits of [false, true]) {
    test(`${name}, on a storage that ${waits ? "waits" : "reads at once"}`, async () => {
      const memory = new MemoryLogStorage();
      const storage: LogStorage = waits ? new WaitingStorage(memory) : memory;
      // The last CommitLog file is near, the others far: both ways of reading are taken.
      const store = { mappedFileSizeCommitLog: 4096, logWindowBytes, logWindows, inMemoryBytesMax: 4096 };
      let broker = await MemoryBroker.start({ store }, storage);
      let client: RemotingClient = broker.connect();
      const model: string[][] = Array.from({ length: queues }, () => []);
      let seed = logWindowBytes + logWindows;
      const below = (max: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
        return (seed >>> 8) % max;
      };
      const readSome = async (): Promise<void> => {
        const queueId = below(queues);
        const bodies = model[queueId]!;
        if (bodies.length === 0) return;
        const from = below(bodies.length);
        const answers = await Promise.all(
          // Two at a time: neither must find the other's bytes.
          [from, below(bodies.length)].map((offset) => client.pull("G", "T", queueId, offset, { subscription: "*" })),
        );
        const found = messagesOf(succeeded(answers[0]!)).map(({ body }) => body);
        expect(found.length).toBeGreaterThan(0);
        expect(found).toEqual(bodies.slice(from, from + found.length));
      };
      for (let round = 0; round < 60; round++) {
        for (let i = below(4); i >= 0; i--) {
          const queueId = below(queues);
          const body = bodyOf(queueId, model[queueId]!.length, 1 + below(below(10) === 0 ? 1_500 : 200));
          await client.send("T", body, { queueId });
          model[queueId]!.push(body);
        }
        await readSome();
      }
      // After a crash the windows are empty, and the log ends in the middle of one.
      const crashed = copyOf(memory);
      await broker.stop();
      broker = await MemoryBroker.start({ store }, waits ? new WaitingStorage(crashed) : crashed);
      client = broker.connect();
      for (let round = 0; round < 40; round++) {
        await readSome();
        await client.send("T", "after", { queueId: 0 });
        model[0]!.push("after");
      }
      await broker.stop();
    });
  }
}

test("what is far from the end of the log is not read while everybody waits", async () => {
  const storage: LogStorage = new MemoryLogStorage();
  const store = { logWindowBytes: 256, logWindows: 1, inMemoryBytesMax: 1024 };
  const broker = await MemoryBroker.start({ store }, storage);
  const client = broker.connect();
  for (let i = 0; i < 40; i++) await client.send("T", `m${i}`);
  const at: number[] = [];
  const readNow = storage.readNow.bind(storage);
  storage.readNow = (file, offset, into) => {
    if (file.startsWith("commitlog/")) at.push(offset);
    return readNow(file, offset, into);
  };
  // What the storage does for `read` is its own business: here, the same.
  storage.read = async (file, offset, into) => readNow(file, offset, into) ?? 0;
  const pulled = messagesOf(succeeded(await client.pull("G", "T", 0, 0, { subscription: "*" })));
  expect(pulled.map(({ body }) => body)).toEqual(Array.from({ length: 32 }, (_, i) => `m${i}`));

  const { physicalOffset } = (await client.pull("G", "T", 0, 39, { subscription: "*" }).then(messagesOf))[0]!;
  for (const offset of at) expect(physicalOffset - offset).toBeLessThan(1024 + 256);
  await broker.stop();
});
