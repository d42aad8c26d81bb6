import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client } from "../../../src/client/client.ts";
import { tcp } from "../../../src/client/tcp.ts";
import { startBroker, startNamesrv, startWasmq } from "../../../src/hosts/node/index.ts";

const freePorts = { namesrvPort: 0, brokerPort: 0 };
let store: string;

beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "wasmq-host-"));
});

afterEach(() => {
  rmSync(store, { recursive: true, force: true });
});

test("a second stop leaves the store to its next owner", async () => {
  const first = await startWasmq({ ...freePorts, store });
  await Promise.all([first.stop(), first.stop()]);
  const second = await startWasmq({ ...freePorts, store });
  await first.stop();
  expect(existsSync(join(store, "abort"))).toBe(true);
  expect(existsSync(join(store, "lock"))).toBe(true);
  await second.stop();
});

test("a NameServer and two brokers of one program, and a client that finds them", async () => {
  const namesrv = await startNamesrv({ store: "memory", namesrvPort: 0 });
  const brokers = await Promise.all(
    ["north", "south"].map((brokerName) =>
      startBroker({ store: "memory", brokerPort: 0, brokerName, namesrv: namesrv.namesrvAddress }),
    ),
  );
  const client = new Client({ nameServers: [namesrv.namesrvAddress], carrier: tcp() });
  try {
    const producer = client.producer({ group: "PG" });
    const found = new Set<string>();
    await expect
      .poll(async () => found.add((await producer.send({ topic: "Spread", body: "hello" })).queue.brokerName).size, {
        timeout: 20_000,
      })
      .toBe(2);
    expect([...found].sort()).toEqual(["north", "south"]);
  } finally {
    await client.close();
    await Promise.all(brokers.map((broker) => broker.stop()));
    await namesrv.stop();
  }
});

test("options go before what their file says", async () => {
  const config = join(store, "broker.conf");
  writeFileSync(config, `listenPort=0\nbrokerName=of-file\nbrokerClusterName=of-file\nstorePathRootDir=${store}\n`);
  const wasmq = await startWasmq({ namesrvPort: 0, config, brokerName: "of-options" });
  expect(wasmq).toMatchObject({ brokerName: "of-options", store, nameServers: [] });
  await wasmq.stop();
  await expect(startWasmq({ config: join(store, "none") })).rejects.toMatchObject({ code: "INVALID_PARAMETER" });
});
