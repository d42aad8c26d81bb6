import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RemotingClient } from "../../bench/remoting-client.ts";
import { ApacheHome } from "./apache.ts";
import type { Child } from "./child.ts";
import { JavaClients, type JavaProgram } from "./java-client.ts";
import { freePort } from "./ports.ts";
import { removeDirectory, stopTimeoutMs, temporaryDirectory } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";
import { startCommand } from "./wasmq-broker.ts";

const setupMs = 240_000;
const testMs = 180_000;
const registeredMs = 60_000;

/**
 * Two brokers, Apache's and wasmq's, that register at three NameServers, Apache's and two of wasmq. One set of processes for all tests,
 * in their order: the last one kills.
 */
describe.skipIf((await missingTool()) !== undefined)("a cluster of Apache RocketMQ 5.5.0 and wasmq", () => {
  const brokerNames = ["apache-broker", "wasmq-broker"];
  const clients = new Map<string, JavaClients>();
  const programs = new Map<string, JavaProgram>();
  const processes = new Map<string, Child>();
  let home: ApacheHome;
  let directory: string;
  let apache: string;
  let wasmq1: string;
  let wasmq2: string;

  beforeAll(async () => {
    directory = await temporaryDirectory("cluster");
    home = await ApacheHome.make();
    const [apachePort, port1, port2] = [await freePort(), await freePort(), await freePort()];
    [apache, wasmq1, wasmq2] = [`127.0.0.1:${apachePort}`, `127.0.0.1:${port1}`, `127.0.0.1:${port2}`];
    const startNamesrv = async (address: string, name: string) =>
      processes.set(address, await startNamesrvAt(address, name));
    await Promise.all([
      startNamesrv(wasmq1, "namesrv-1"),
      startNamesrv(wasmq2, "namesrv-2"),
      home.startNamesrv(apachePort).then((child) => processes.set(apache, child)),
    ]);
    for (const version of clientVersions) clients.set(version, await JavaClients.of(version));
    const all = [apache, wasmq1, wasmq2].join(";");
    const apacheBrokerPort = await freePort([-2, 0, 1]);
    const wasmqBrokerPort = await freePort([-2, 0]);
    const store = path.join(directory, "broker");
    await mkdir(store);
    await Promise.all([
      home.startBroker({
        brokerName: "apache-broker",
        brokerIP1: "127.0.0.1",
        namesrvAddr: all,
        listenPort: apacheBrokerPort,
        bindAddress: "127.0.0.1",
        autoCreateTopicEnable: "true",
        storePathRootDir: path.join(home.directory, "store"),
        registerNameServerPeriod: 10_000,
        // A starved machine keeps a send waiting for longer than the 200 ms after which the broker refuses it.
        waitTimeMillsInSendQueue: 30_000,
      }),
      startCommand(
        ["broker", "--store", store, "--broker-name", "wasmq-broker", "-n", all, "--broker-port", `${wasmqBrokerPort}`],
        1,
      ).then((child) => processes.set("wasmq-broker", child)),
    ]);
    for (const [version, java] of clients) programs.set(version, java.startClients());
    await Promise.all([apache, wasmq1, wasmq2].map(untilBothRegistered));
  }, setupMs);

  afterAll(async () => {
    for (const java of clients.values()) await java.close();
    await home?.close();
    for (const child of processes.values()) child.signal("SIGKILL");
    await Promise.all(Array.from(processes.values(), (child) => child.ended));
    if (directory !== undefined) await removeDirectory(directory);
  }, setupMs);

  /** On loopback, with a store below the cluster's directory. */
  function startNamesrvAt(address: string, name: string): Promise<Child> {
    return startCommand(
      ["namesrv", "--store", path.join(directory, name), "--namesrv-port", address.split(":")[1]!],
      1,
    );
  }

  async function untilBothRegistered(namesrv: string): Promise<void> {
    await until(`both brokers at ${namesrv}`, async () => {
      const body = await ask(namesrv, 106).catch(() => undefined);
      return brokerNames.every((name) => body?.["brokerAddrTable"]?.[name] !== undefined);
    });
  }

  for (const version of clientVersions) {
    test(`client ${version}: by each NameServer, messages spread over both brokers and one group has them all`, {
      timeout: testMs,
    }, async () => {
      const java = programs.get(version)!;
      const name = (what: string) => `${what}-${version.replaceAll(".", "-")}`;
      await Promise.all(
        [
          [apache, "apache"],
          [wasmq1, "wasmq"],
        ].map(async ([namesrv, by]) => {
          const client = name(`by-${by}`);
          const topic = name(`Spread-${by}`);
          await java.tell(`client ${client} ${namesrv}`);
          await java.tell(`send ${client} ${topic} m 40 0`);
          await java.tell(`consume ${client} ${topic} ${name("Group")}-${by}`);
          const put = java.all("put").filter((line) => line.client === client);
          expect(put.map(({ keys }) => keys)).toEqual(keysOf("m", 40));
          for (const broker of brokerNames)
            expect(put.filter((line) => line.broker === broker).length).toBeGreaterThan(5);
          const taken = () => java.all("taken").filter((line) => line.client === client);
          await java.until(() => new Set(taken().map(({ keys }) => keys)).size === 40, "all 40 messages");
          const placeOf = (lines: readonly { keys: string; broker: string }[]) =>
            new Map(lines.map(({ keys, broker }) => [keys, broker]));
          expect(placeOf(taken())).toEqual(placeOf(put));
        }),
      );
      expect(java.all("refused")).toEqual([]);
    });
  }

  test("both NameServers give the same answers of the same brokers", { timeout: testMs }, async () => {
    const topics = (await ask(wasmq1, 206))["topicList"] as string[];
    expect(topics).toEqual(expect.arrayContaining(["TBW102", "Spread-apache-5-5-0", "rmq_sys_wheel_timer"]));
    // What was made by a consumer a moment ago may be on its way to one of them.
    await until("the same topics", async () => {
      const [ours, theirs] = [await ask(wasmq1, 206), await ask(apache, 206)].map(sorted);
      return JSON.stringify(ours) === JSON.stringify(theirs);
    });
    for (const [code, fields] of [
      [106, {}],
      [206, {}],
      [224, { cluster: "DefaultCluster" }],
      [224, { cluster: "NoSuchCluster" }],
      [311, {}],
      [312, {}],
      [313, {}],
      [901, { clusterName: "DefaultCluster", brokerName: "wasmq-broker" }],
      ...topics.map((topic) => [105, { topic }] as const),
    ] as const) {
      expect(sorted(await ask(wasmq1, code, fields)), `${code} ${JSON.stringify(fields)}`).toEqual(
        sorted(await ask(apache, code, fields)),
      );
    }
    // Any one broker's address is the answer.
    const [ours, theirs] = [await ask(wasmq1, 304), await ask(apache, 304)];
    expect(sorted(ours["topicList"])).toEqual(sorted(theirs["topicList"]));
    expect(addressesOf(await ask(apache, 106))).toEqual(
      expect.arrayContaining([ours["brokerAddr"], theirs["brokerAddr"]]),
    );
  });

  test("settings left with a NameServer, and write permission that is wiped and given back", {
    timeout: testMs,
  }, async () => {
    for (const namesrv of [apache, wasmq1]) {
      const spread = { topic: "Spread-apache-5-5-0" };
      const kv = { namespace: "NS", key: "key" };
      expect(await codeOf(namesrv, 101, kv)).toBe(22);
      expect(await codeOf(namesrv, 219, { namespace: "NS" })).toBe(22);
      expect(await codeOf(namesrv, 100, { ...kv, value: "wert, größer" })).toBe(0);
      expect(await ask(namesrv, 219, { namespace: "NS" })).toEqual({ table: { key: "wert, größer" } });
      expect(await codeOf(namesrv, 102, kv)).toBe(0);
      expect(await ask(namesrv, 219, { namespace: "NS" })).toEqual({ table: {} });
      const perms = async () =>
        Object.fromEntries(
          ((await ask(namesrv, 105, spread))["queueDatas"] as { brokerName: string; perm: number }[]).map((queues) => [
            queues.brokerName,
            queues.perm,
          ]),
        );
      expect(await codeOf(namesrv, 205, { brokerName: "wasmq-broker" })).toBe(0);
      expect(await perms()).toEqual({ "apache-broker": 6, "wasmq-broker": 4 });
      expect(await codeOf(namesrv, 327, { brokerName: "wasmq-broker" })).toBe(0);
      expect(await perms()).toEqual({ "apache-broker": 6, "wasmq-broker": 6 });
    }
  });

  test("clients with two NameServers go on when one of them is killed", { timeout: testMs }, async () => {
    const pairs = [
      ["both-wasmq", `${wasmq1};${wasmq2}`],
      ["mixed", `${apache};${wasmq2}`],
    ] as const;
    const each = [...programs].flatMap(([version, java]) =>
      pairs.map(([pair, namesrv]) => ({ java, namesrv, client: `${pair}-${version.replaceAll(".", "-")}` })),
    );
    await Promise.all(
      each.map(async ({ java, namesrv, client }) => {
        await java.tell(`client ${client} ${namesrv}`);
        await java.tell(`send ${client} Killed-${client} before 20 0`);
        await java.tell(`consume ${client} Killed-${client} Group-${client}`);
      }),
    );
    const onTheWay = each.map(({ java, client }) => java.tell(`send ${client} Killed-${client} on 300 10`));
    const kill = async (namesrv: string) => {
      const child = processes.get(namesrv)!;
      child.signal("SIGKILL");
      await child.untilEnd(stopTimeoutMs);
    };
    await until("messages on their way", async () =>
      each.every(({ java, client }) => java.all("put").filter((line) => line.client === client).length > 60),
    );
    await Promise.all([kill(wasmq1), kill(apache)]);
    await Promise.all(onTheWay);

    const everything = (topic: string, prefixes: Readonly<Record<string, number>>) => (of: (typeof each)[number]) => {
      const wanted = Object.entries(prefixes).flatMap(([prefix, count]) => keysOf(prefix, count));
      const keys = () =>
        new Set(
          of.java
            .all("taken")
            .filter((line) => line.client === of.client && line.topic === `${topic}-${of.client}`)
            .map((line) => line.keys),
        );
      return of.java.until(() => wanted.every((key) => keys().has(key)), `all of ${topic}-${of.client}`);
    };
    await Promise.all(each.map(everything("Killed", { before: 20, on: 300 })));
    const anew = (topic: string) => async (of: (typeof each)[number]) => {
      await of.java.tell(`send ${of.client} ${topic}-${of.client} new 20 0`);
      await of.java.tell(`consume ${of.client} ${topic}-${of.client} Group-${topic}-${of.client}`);
      await everything(topic, { new: 20 })(of);
    };
    await Promise.all(each.map(anew("AfterKill")));

    // Back with nothing in its memory: the brokers come by themselves. Then the other one goes.
    processes.set(wasmq1, await startNamesrvAt(wasmq1, "namesrv-1"));
    await untilBothRegistered(wasmq1);
    await kill(wasmq2);
    await Promise.all(each.filter(({ client }) => client.startsWith("both-wasmq")).map(anew("AfterSecond")));
    for (const { java } of each) expect(java.all("refused")).toEqual([]);
  });

  test("a broker that stops is gone from its NameServers at once", { timeout: testMs }, async () => {
    const broker = processes.get("wasmq-broker")!;
    broker.signal("SIGTERM");
    expect(await broker.untilEnd(stopTimeoutMs)).toBe("exit 0");
    expect(Object.keys((await ask(wasmq1, 106))["brokerAddrTable"])).toEqual(["apache-broker"]);
  });
});

function keysOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

// biome-ignore lint/suspicious/noExplicitAny: the bodies of many answers
type Body = Record<string, any>;

async function request(namesrv: string, code: number, fields: Readonly<Record<string, string>>) {
  const [host, port] = namesrv.split(":");
  const client = await RemotingClient.connect({ host: host!, port: Number(port) });
  try {
    return await client.request(code, fields);
  } finally {
    await client.close();
  }
}

/** The body of a successful answer. Java leaves numbers that are keys without quotes. */
async function ask(namesrv: string, code: number, fields: Readonly<Record<string, string>> = {}): Promise<Body> {
  const { code: answered, remark, body } = await request(namesrv, code, fields);
  if (answered !== 0) throw new Error(`${namesrv} answered ${code} with ${answered}: ${remark}`);
  return JSON.parse(body.toString().replaceAll(/([{,])(\d+):/g, '$1"$2":')) as Body;
}

async function codeOf(namesrv: string, code: number, fields: Readonly<Record<string, string>>): Promise<number> {
  return (await request(namesrv, code, fields)).code;
}

function addressesOf({ brokerAddrTable }: Body): string[] {
  return Object.values(brokerAddrTable as Record<string, Body>).flatMap(({ brokerAddrs }) =>
    Object.values(brokerAddrs as Record<string, string>),
  );
}

/** Lists without their order, which is that of Java's hash tables; members by name. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + registeredMs; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`waited ${registeredMs} ms for ${what}`);
}
