import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client } from "../../../src/client/client.ts";
import { tcp } from "../../../src/client/tcp.ts";
import { startWasmq, type Wasmq } from "../../../src/hosts/node/index.ts";
import { texts } from "../sending.ts";
import { until } from "../suite.ts";

let store: string;
let broker: Wasmq | undefined;
let client: Client | undefined;

beforeEach(async () => {
  store = await mkdtemp(path.join(tmpdir(), "wasmq-client-"));
});

afterEach(async () => {
  await client?.close();
  await broker?.stop();
  await rm(store, { recursive: true });
});

const portOf = (address: string): number => Number(address.split(":")[1]);

test("a client goes on with a broker that went and came back, and misses nothing", { timeout: 60_000 }, async () => {
  broker = await startWasmq({ store, namesrvPort: 0, brokerPort: 0 });
  const ports = { namesrvPort: portOf(broker.namesrvAddress), brokerPort: portOf(broker.brokerAddress) };
  const errors: unknown[] = [];
  client = new Client({
    nameServers: [broker.namesrvAddress],
    carrier: tcp(),
    onError: (error) => errors.push(error),
  });
  const producer = client.producer();
  const acked: string[] = [];
  await producer.send({ topic: "T", body: "0" });
  acked.push("0");
  const consumed: string[] = [];
  const consumer = client.pushConsumer({
    group: "G",
    subscriptions: { T: "*" },
    consumeFrom: "FIRST_OFFSET",
    listener: (messages) => {
      consumed.push(...texts(messages));
    },
  });
  await consumer.start();
  await until(() => consumed.length === 1, "the first message");
  let isOver = false;
  const failures: unknown[] = [];
  const sending = (async () => {
    for (let i = 1; !isOver; i++) {
      try {
        await producer.send({ topic: "T", body: String(i) });
        acked.push(String(i));
      } catch (error) {
        failures.push(error);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  })();
  await until(() => acked.length > 50, "sends before");
  await broker.stop();
  await until(() => failures.length > 0, "a send that fails");
  broker = await startWasmq({ store, ...ports });
  const before = acked.length;
  await until(() => acked.length > before + 50, "sends after");
  isOver = true;
  await sending;
  await until(() => acked.every((body) => consumed.includes(body)), "all that was acknowledged");
  expect(failures.every((error) => (error as { code: string }).code !== undefined)).toBe(true);
  expect(errors.length).toBeGreaterThan(0);
});

test("an address that can't be reached is an error of its own, and an aborted dial ends", async () => {
  const events = { received() {}, closed() {} };
  broker = await startWasmq({ store: "memory", namesrvPort: 0, brokerPort: 0 });
  const gone = broker.namesrvAddress;
  await broker.stop();
  for (const address of [gone, "no port", "h:99999", "[::1:80"]) {
    await expect(tcp().dial(address, events)).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
  }
  await expect(tcp().dial(gone, events, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});
