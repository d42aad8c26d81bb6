import { expect, onTestFinished, test } from "vitest";
import { Client } from "../../../src/client/index.ts";
import { type BrowserBrokerOptions, openBroker, type TabsBroker } from "../../../src/hosts/browser/index.ts";
import { piecesOf, sendPieces, takePieces } from "../../../src/hosts/browser/pieces.ts";

interface Tab {
  readonly broker: TabsBroker;
  readonly client: Client;
  readonly workers: Worker[];
}

function open(options: BrowserBrokerOptions): Tab {
  const workers: Worker[] = [];
  const broker = openBroker({
    name: options.name,
    worker() {
      const url = new URL("./page/broker-worker.ts", import.meta.url);
      const worker = new Worker(url, { type: "module", name: JSON.stringify(options) });
      workers.push(worker);
      return worker;
    },
  });
  const client = new Client({ nameServers: [broker.address], carrier: broker.carrier, requestTimeoutMs: 15_000 });
  onTestFinished(async () => {
    await client.close();
    await broker.close();
  });
  return { broker, client, workers };
}

const freshName = () => `archive-${crypto.randomUUID()}`;

/** 2 MB, which are several pieces. */
async function fill({ client }: Tab): Promise<string[]> {
  // A starved machine answers late.
  const producer = client.producer({ compressFromBytes: Number.POSITIVE_INFINITY, sendTimeoutMs: 15_000 });
  const bodies = Array.from({ length: 100 }, (_, i) => `${i} `.padEnd(20_000, "x"));
  await Promise.all(bodies.map((body) => producer.send({ topic: "Moved", body })));
  return bodies;
}

async function bodiesIn({ client }: Tab): Promise<string[]> {
  const consumer = client.pullConsumer({ group: "G" });
  const bodies: string[] = [];
  for (const queue of await consumer.queues("Moved")) {
    for await (const { body } of consumer.read(queue, { from: "min" })) bodies.push(new TextDecoder().decode(body));
  }
  return bodies.sort();
}

/** The stream's bytes in pieces of a size that nobody writes. */
async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Blob([bytes]).stream();
}

test("any tab exports the store, of a running broker, and a store in another storage is filled with it", async () => {
  const name = freshName();
  const leader = open({ name, storage: "indexeddb", brokerName: "broker-x" });
  const bodies = (await fill(leader)).sort();
  const other = open({ name });
  expect(other.broker.isLeader).toBe(false);
  const archive = await bytesOf(other.broker.exportStore());
  const conf = new TextDecoder().decode(archive.subarray(0, 4096));
  expect(conf).toMatch(/brokerName=broker-x\n/);
  expect(conf).toMatch(/mappedFileSizeCommitLog=16777216\n/);

  const intoName = freshName();
  open({ name: intoName, storage: "opfs", brokerName: "broker-x" });
  const into = open({ name: intoName });
  await into.broker.importStore(streamOf(archive));
  expect(await bodiesIn(into)).toEqual(bodies);
  await into.client.producer({ sendTimeoutMs: 15_000 }).send({ topic: "Moved", body: "and on" });
  const all = [...bodies, "and on"].sort();
  expect(await bodiesIn(into)).toEqual(all);

  // What has messages keeps them.
  await expect(into.broker.importStore(streamOf(archive))).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  expect(await bodiesIn(into)).toEqual(all);
  // And it goes on: what was moved here moves on.
  const third = open({ name: freshName(), storage: "indexeddb", brokerName: "broker-x" });
  await third.broker.importStore(into.broker.exportStore());
  expect(await bodiesIn(third)).toEqual(all);
});

test("an import that fails leaves an empty broker that works, however it fails", async () => {
  const from = open({ name: freshName(), storage: "opfs" });
  const bodies = (await fill(from)).sort();
  const archive = await bytesOf(from.broker.exportStore());
  const half = archive.slice(0, archive.length / 2);

  const into = open({ name: freshName(), storage: "opfs" });
  const noTar = streamOf(new TextEncoder().encode("no archive"));
  await expect(into.broker.importStore(noTar)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  await expect(into.broker.importStore(streamOf(half))).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  let pulls = 0;
  const failing = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(half);
      else controller.error(new Error("the network is down"));
    },
  });
  await expect(into.broker.importStore(failing)).rejects.toThrow("the network is down");
  await expect(into.client.pullConsumer({ group: "G" }).queues("Moved")).rejects.toMatchObject({
    code: "TOPIC_NOT_EXIST",
  });
  await into.broker.importStore(streamOf(archive));
  expect(await bodiesIn(into)).toEqual(bodies);
});

test.each(["indexeddb", "opfs"] as const)(
  "the end of the broker in mid-import, and in mid-export, is told; the import can begin anew: %s",
  async (storage) => {
    const from = open({ name: freshName(), storage: "opfs" });
    const bodies = (await fill(from)).sort();
    const archive = await bytesOf(from.broker.exportStore());

    const into = open({ name: freshName(), storage });
    let isWaiting: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => {
      isWaiting = resolve;
    });
    let pulls = 0;
    const stuck = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) return controller.enqueue(archive.slice(0, 1_500_000));
        isWaiting!();
        return new Promise<void>(() => {});
      },
    });
    const cut = expect(into.broker.importStore(stuck)).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    await waiting;
    into.workers[0]!.terminate();
    await cut;
    await into.broker.importStore(streamOf(archive));
    expect(into.workers).toHaveLength(2);
    expect(await bodiesIn(into)).toEqual(bodies);

    const reader = into.broker.exportStore().getReader();
    expect((await reader.read()).value!.length).toBeGreaterThan(0);
    const closed = into.broker.close();
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toMatchObject({ code: expect.stringMatching(/CONNECTION_CLOSED|SERVICE_NOT_AVAILABLE/) });
    await closed;
  },
);

test("a reader that leaves ends the export, and the broker serves the next", async () => {
  const tab = open({ name: freshName(), storage: "opfs" });
  await fill(tab);
  for (let i = 0; i < 3; i++) {
    const reader = tab.broker.exportStore().getReader();
    await reader.read();
    await reader.cancel();
  }
  expect((await bytesOf(tab.broker.exportStore())).length).toBeGreaterThan(2_000_000);
});

test("no piece is made before it is asked for", async () => {
  const id = crypto.randomUUID();
  const [a, b] = [new BroadcastChannel(id), new BroadcastChannel(id)];
  onTestFinished(() => {
    a.close();
    b.close();
  });
  const { signal } = new AbortController();
  let made = 0;
  const source = new ReadableStream<Uint8Array>(
    { pull: (controller) => controller.enqueue(new Uint8Array([made++])) },
    { highWaterMark: 0 },
  );
  const sending = sendPieces(a, piecesOf(source), signal);
  const taking = takePieces(b, signal);
  for (let i = 0; i < 5; i++) {
    expect((await taking.next()).value).toEqual(new Uint8Array([i]));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(made).toBe(i + 1);
  }
  b.postMessage({ ended: true });
  await sending;
});
