/** `wasmq namesrv`, `wasmq broker`, their files of settings and their environment. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { Command, connectTo, type Ended, routeBy, sendOne, temporaryFolder } from "./command.ts";

// A start takes a tenth of a second; on a machine that is busy with the other suites, many times that.
vi.setConfig({ testTimeout: 60_000 });

const main = join(import.meta.dirname, "../../dist/cli/main.js");
const bootLine = /^The (?:Name Server\[|broker\[[^,]+, )(\d+\.\d+\.\d+\.\d+:\d+)\] boot success/m;

function wasmq(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Command {
  const { PATH, HOME } = process.env;
  return new Command(process.execPath, [main, ...args], { env: { PATH, HOME, ...environment } });
}

async function boot(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const command = wasmq(args, environment);
  return { command, address: (await command.says(bootLine))[1]! };
}

function confIn(folder: string, text: string): string {
  const file = join(folder, "broker.conf");
  writeFileSync(file, text);
  return file;
}

const namesrvArgs = ["namesrv", "--store", "memory", "--namesrv-port", "0"];
const brokerArgs = ["broker", "--store", "memory", "--broker-port", "0"];

function expectRefusal({ code, stdout, stderr }: Ended, line: string): void {
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toBe(`wasmq: ${line} (INVALID_PARAMETER)\n`);
}

test("a NameServer and a broker, each alone: the lines they say, routes, and their ends", async () => {
  const store = join(temporaryFolder(), "namesrv");
  const namesrv = await boot(["namesrv", "--store", store, "--namesrv-port", "0"]);
  await expect(routeBy(namesrv.address)).rejects.toThrow("no route: 17");
  const broker = await boot([...brokerArgs, "--broker-name", "b1", "-n", `${namesrv.address};127.0.0.1:1`]);
  await broker.command.says(/ boot success\. serializeType=JSON and name server is [\d.:]+;127\.0\.0\.1:1$/m);
  await expect
    .poll(() => routeBy(namesrv.address).catch(() => undefined), { timeout: 20_000 })
    .toMatchObject({ brokerDatas: [{ brokerName: "b1", brokerAddrs: { "0": broker.address } }] });
  expect(await sendOne(broker.address, "Alone")).toMatchObject({ code: 0 });
  expect((await (await connectTo(broker.address)).request(105, { topic: "TBW102" })).code).toBe(3);
  const kv = { namespace: "NS", key: "k", value: "v" };
  expect((await (await connectTo(namesrv.address)).request(100, kv)).code).toBe(0);
  expect((await (await connectTo(namesrv.address)).request(310)).code).toBe(3);

  const brokerEnd = await broker.command.stop();
  expect(brokerEnd).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nThe broker has stopped\n$/) });
  expect(brokerEnd.stderr).toContain("could not register at a name server, and tries again nameServer=127.0.0.1:1 ");
  await expect(routeBy(namesrv.address)).rejects.toThrow("no route: 17");
  const namesrvEnd = await namesrv.command.stop("SIGINT");
  expect(namesrvEnd).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nThe Name Server has stopped\n$/) });
  expect(namesrvEnd.stderr).toMatch(/a broker registered broker=b1 .*\n.*a broker is gone broker=b1 .*took its leave/);
  expect(readdirSync(store)).toEqual(["config"]);

  const again = await boot(["namesrv", "--store", store, "--namesrv-port", "0"]);
  expect((await (await connectTo(again.address)).request(101, kv)).extFields).toEqual({ value: "v" });
});

test("a broker that is told no NameServer says so; NAMESRV_ADDR tells it", async () => {
  const nowhere = await boot(brokerArgs);
  expect((await nowhere.command.stop()).stderr).toContain("WARN the broker registers nowhere");
  const { address } = await boot(namesrvArgs);
  const { command } = await boot(brokerArgs, { NAMESRV_ADDR: address });
  await command.says(new RegExp(`name server is ${address}$`, "m"));
  await expect.poll(() => routeBy(address).catch(() => undefined), { timeout: 20_000 }).toBeDefined();
});

test("the command line goes before the environment, that before the file, and the file before what is standard", async () => {
  const folder = temporaryFolder();
  const file = confIn(folder, "brokerName=of-file\nbrokerClusterName=of-file\nregionId=of-file\nbrokerIP1=127.0.0.1\n");
  const environment = {
    WASMQ_CONFIG: file,
    WASMQ_BROKER_NAME: "of-environment",
    WASMQ_CLUSTER: "of-environment",
    WASMQ_STORE: join(folder, "store"),
    WASMQ_FLUSH: "",
    WASMQ_NAMESRV: "10.0.0.1:9876",
  };
  const { code, stdout, stderr } = await wasmq(["broker", "-p", "--cluster", "of-command"], environment).end();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(existsSync(join(folder, "store")), "nothing was started").toBe(false);
  const lines = stdout.trimEnd().split("\n");
  for (const line of [
    "brokerClusterName=of-command",
    "brokerName=of-environment",
    "regionId=of-file",
    "flushDiskType=ASYNC_FLUSH",
    "listenPort=10911",
    "brokerIP1=127.0.0.1",
    "namesrvAddr=10.0.0.1:9876",
    `storePathRootDir=${join(folder, "store")}`,
    "mappedFileSizeCommitLog=1073741824",
    "autoCreateTopicEnable=true",
    "defaultTopicQueueNums=8",
  ]) {
    expect(lines).toContain(line);
  }
  const namesrv = await wasmq(["namesrv", "--print"], { WASMQ_NAMESRV_PORT: "9999" }).end();
  expect(namesrv.stdout.split("\n")).toEqual(expect.arrayContaining(["listenPort=9999", "orderMessageEnable=false"]));
});

test("a broker.conf is gone by, and says what of it is not", async () => {
  const folder = temporaryFolder();
  const file = confIn(
    folder,
    [
      "brokerName=conf-broker",
      "listenPort=0",
      "# not known anywhere",
      "brokerNmae=typo",
      "sendMessageThreadPoolNums=16",
      "pullMessageThreadPoolNums=16",
      "flushCommitLogLeastPages=4",
      "mapedFileSizeCommitLog=1024",
      `storePathRootDir=${join(folder, "store")}`,
      `storePathCommitLog=${join(folder, "store", "commitlog")}`,
      "autoCreateTopicEnable=false",
      "defaultTopicQueueNums=16",
      "mappedFileSizeCommitLog=131072",
      "maxMessageSize=1024",
      "orderMessageEnable=true",
    ].join("\n"),
  );
  const args = ["--config", file, "--namesrv-port", "0"];
  const { command, address } = await boot(args);
  const broker = (await command.says(/^The broker\[conf-broker, ([\d.:]+)\] boot success$/m))[1]!;
  expect(existsSync(join(folder, "store", "config", "topics.json"))).toBe(true);
  // No route to the pattern of new topics, and none is made.
  await expect(routeBy(address)).rejects.toThrow("no route: 17");
  expect(await sendOne(broker, "NotMade")).toMatchObject({ code: 17 });
  expect(await sendOne(broker, "BenchmarkTest")).toMatchObject({ code: 0 });
  expect(readdirSync(join(folder, "store", "commitlog"))).toHaveLength(1);
  const config = (await (await connectTo(address)).request(319)).body.toString();
  expect(config.split("\n")).toContain("orderMessageEnable=true");
  const { code, stderr } = await command.stop();
  expect(code).toBe(0);
  expect(stderr).toContain(
    `settings of ${file} without a meaning here: sendMessageThreadPoolNums, pullMessageThreadPoolNums; flushCommitLogLeastPages (every flush takes all that was written, however little)\n`,
  );
  expect(stderr).toContain(
    `settings of ${file} that RocketMQ 5 ignores: mapedFileSizeCommitLog (its name is mappedFileSizeCommitLog)\n`,
  );
  expect(stderr).toContain(`settings of ${file} that are not known: brokerNmae\n`);
});

test("a file that asks for what can't be", async () => {
  const folder = temporaryFolder();
  const start = (text: string, ...args: readonly string[]) => wasmq(["-c", confIn(folder, text), ...args]).end();
  const file = join(folder, "broker.conf");
  const store = join(folder, "store");
  expectRefusal(await start("\nlistenPort=x"), `${file}:2: listenPort is a whole number from 0 to 65535, not "x"`);
  expectRefusal(
    await start("brokerRole=SYNC_MASTER"),
    `${file}:1: brokerRole is "ASYNC_MASTER" here: this broker has no slaves and is none`,
  );
  expectRefusal(
    await start(`storePathRootDir=${store}\nstorePathCommitLog=/elsewhere`),
    `${file}:2: storePathCommitLog is ${store}/commitlog here: a store is one directory`,
  );
  const missing = await wasmq(["-c", join(folder, "none")]).end();
  expect(missing).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^wasmq: the configuration can't be read: ENOENT/),
  });
  expectRefusal(
    await wasmq([...brokerArgs, "-n", "nobody"]).end(),
    '"nobody" is no address of a name server: HOST:PORT',
  );
  expect((await wasmq(["namesrv", "--broker-port", "1"]).end()).code).toBe(2);
  expect((await wasmq(["broker", "--namesrv-port", "1"]).end()).code).toBe(2);
});

test("sizes that are others than the store's are refused, what may change is changed", async () => {
  const folder = temporaryFolder();
  const store = join(folder, "store");
  const args = ["--store", store, "--namesrv-port", "0", "--broker-port", "0"];
  // As `wasmq import` leaves it.
  await (await boot(args)).command.stop();
  writeFileSync(join(store, "broker.conf"), "mappedFileSizeCommitLog=65536\nmaxMessageSize=1000\n");
  const refused = await wasmq([...args, "-c", confIn(folder, "mappedFileSizeCommitLog=131072")]).end();
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /mappedFileSizeCommitLog is 131072, but the store was written with 65536, as its broker\.conf says: leave it out \(INVALID_PARAMETER\)\n$/,
    ),
  });
  expect(readdirSync(store)).not.toContain("lock");
  const file = confIn(folder, "mappedFileSizeCommitLog=65536\nmaxMessageSize=2000");
  const { stdout } = await wasmq([...args, "-c", file, "-p"]).end();
  expect(stdout.split("\n")).toEqual(expect.arrayContaining(["mappedFileSizeCommitLog=65536", "maxMessageSize=2000"]));
  await (await boot([...args, "-c", file])).command.stop();
});

test("its own NameServer in namesrvAddr is not one elsewhere", async () => {
  const port = await freePort();
  const args = ["--store", "memory", "--namesrv-port", String(port), "--broker-port", "0", "-n", `localhost:${port}`];
  const { command } = await boot(args);
  await command.says(/^The broker\[broker-a, [\d.:]+\] boot success$/m);
  expect((await command.stop()).stderr).not.toContain("register");
});

test("the port two below serves clients with vipChannelEnabled; taken, it is done without", async () => {
  const port = await freePort();
  const args = ["--store", "memory", "--namesrv-port", "0", "--broker-port", String(port)];
  const first = await boot(args);
  expect(await sendOne(`127.0.0.1:${port - 2}`, "Fast")).toMatchObject({ code: 0 });
  await first.command.stop();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port - 2, "127.0.0.1", resolve));
  const second = await boot(args);
  expect(await sendOne(`127.0.0.1:${port}`, "Slow")).toMatchObject({ code: 0 });
  expect((await second.command.stop()).stderr).toContain(
    `WARN clients with vipChannelEnabled can't come: port ${port - 2}`,
  );
  await new Promise((resolve) => other.close(resolve));
});

/** Free together with the one two below. */
async function freePort(): Promise<number> {
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      const server = createServer();
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        const bound = server.address();
        server.close(() => resolve(typeof bound === "object" && bound !== null ? bound.port : 0));
      });
    });
  for (;;) {
    const port = await listen(0);
    const isFree = await listen(port - 2).then(
      () => true,
      () => false,
    );
    if (isFree) return port;
  }
}
