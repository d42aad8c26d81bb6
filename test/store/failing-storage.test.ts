/** What the broker makes of a storage that fails under it, in what it does besides taking messages (flush.test.ts). */
import { expect, test, vi } from "vitest";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";

test("a read that fails at once is answered to the held, and ends nothing", async () => {
  const broker = await MemoryBroker.start();
  const client = broker.connect();
  await client.send("T", "m0");
  const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
  const { storage } = broker;
  const readNow = storage.readNow.bind(storage);
  storage.readNow = () => {
    throw new Error("broken medium");
  };
  expect((await client.trySend("T", "m1")).code).toBe(0);
  expect(await held).toMatchObject({ code: 1, remark: expect.stringContaining("broken medium") });
  storage.readNow = readNow;
  expect((await client.pull("G", "T", 0, 1, { subscription: "*" })).code).toBe(0);
  await broker.stop();
});

test("trouble with one delayed message while another is under way ends nothing", async () => {
  const storage = new WaitingStorage();
  const waiting = await MemoryBroker.start({ messageDelayLevel: "1s" }, storage);
  const sender = waiting.connect();
  for (const body of ["m0", "m1"]) await sender.send("T", body, { properties: { DELAY: "1" } });
  const read = storage.read.bind(storage);
  let reads = 0;
  storage.failure = new Error("full");
  storage.read = async (file, at, into) => {
    if (++reads === 1) return read(file, at, into);
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error("broken medium");
  };
  await vi.waitFor(() => expect(waiting.logged).toContain("error: delayed messages could not be delivered"), 3_000);
  await waiting.stop().catch(() => {});
});
test("a new topic that can't be kept is not promised, and is tried again", async () => {
  const storage = new WaitingStorage();
  const waiting = await MemoryBroker.start({ store: { flushDiskType: "ASYNC_FLUSH" } }, storage);
  const sender = waiting.connect();
  await sender.send("Known", "m");
  const write = storage.create.bind(storage);
  storage.create = (file, sizeBytes) =>
    file.startsWith("config/") ? Promise.reject(new Error("no space")) : write(file, sizeBytes);
  expect(await sender.trySend("T", "m")).toMatchObject({
    code: 1,
    remark: expect.stringMatching(/topics.json.*no space/),
  });
  await sender.send("Known", "m");
  storage.create = write;
  await sender.send("T", "m");
  await waiting.stop();
});
