/** The real command on a real disk that fills up: a tmpfs of a few MiB in a mount namespace of the broker's own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { BrokerProcess } from "../../faults/broker-process.ts";
import type { RemotingClient } from "../../lib/remoting-client.ts";

const mib = 1024 * 1024;
const timeoutMs = 60_000;

/** Root or not, a user namespace may mount a tmpfs, where the system lets anybody have one. */
const namespace = ["unshare", "--user", "--map-root-user", "--mount"];

/** Why there can be no such disk here, or undefined. */
const missing =
  process.platform === "linux" &&
  spawnSync(namespace[0]!, [...namespace.slice(1), "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]).status === 0
    ? undefined
    : "no namespace that may mount a tmpfs can be had";
if (missing !== undefined) console.warn(`tests of a full disk skipped: ${missing}`);

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A broker whose store is on a disk of 8 MiB, with CommitLog files of 512 KiB. */
async function start(...conf: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "wasmq-full-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, "broker.conf");
  const disk = join(folder, "disk");
  const small = [
    `mappedFileSizeCommitLog=${mib / 2}`,
    "mappedFileSizeConsumeQueue=20000",
    // The slots of an index of the usual size would take all of the disk by themselves.
    "maxHashSlotNum=100",
    "maxIndexNum=400",
    "cleanResourceInterval=100",
  ];
  writeFileSync(config, [...small, ...conf, ""].join("\n"));
  const mount = `mkdir -p ${disk} && mount -t tmpfs -o size=8m tmpfs ${disk} && exec "$@"`;
  const broker = await BrokerProcess.start({
    store: join(disk, "store"),
    args: ["--config", config],
    within: [...namespace, "sh", "-c", mount, "sh"],
  });
  ends.push(() => broker.kill());
  return {
    broker,
    client: await broker.connect(),
    /** A folder of the disk, seen from outside of its namespace. */
    at: (name: string) => join(`/proc/${broker.pid}/root`, disk, name),
  };
}

const body = "x".repeat(50_000);

async function range(client: RemotingClient): Promise<{ min: number; max: number }> {
  const fields = { topic: "T", queueId: "0" };
  const [min, max] = [await client.request(31, fields), await client.request(30, fields)];
  return { min: Number(min.fields["offset"]), max: Number(max.fields["offset"]) };
}

async function expectServed(client: RemotingClient): Promise<void> {
  const { min, max } = await range(client);
  for (let offset = min; offset < max; ) {
    const answer = await client.pull("G", "T", 0, offset, { subscription: "*" });
    // What goes meanwhile is passed over.
    if (answer.code === 21) return expectServed(client);
    expect(answer.code).toBe(0);
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

describe.skipIf(missing !== undefined)("a disk of 8 MiB", () => {
  test("takes 30 MB of messages: the oldest go, and none is refused for long", { timeout: timeoutMs }, async () => {
    const { client, at, broker } = await start();
    let acked = 0;
    for (let bytes = 0; bytes < 30_000_000; bytes += body.length) {
      for (let tries = 0; ; tries++) {
        const answer = await client.trySend("T", body);
        if (answer.code === 0) break;
        expect(answer).toMatchObject({ code: 14, remark: expect.stringMatching(/disk is full/) });
        expect(tries).toBeLessThan(100);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      acked++;
    }
    const { min, max } = await range(client);
    expect(max).toBe(acked);
    expect(min).toBeGreaterThan(acked / 2);
    // At most 85 % and what came since the last look.
    expect(readdirSync(at("store/commitlog")).length).toBeGreaterThan(5);
    await expectServed(client);
    expect(broker.output).toMatch(/CommitLog files were deleted before they expired/);
  });

  test("refuses messages while it is full and nothing may go; reading goes on, and messages when there is room", {
    timeout: timeoutMs,
  }, async () => {
    const { client, at, broker } = await start("cleanFileForciblyEnable=false");
    for (let i = 0; i < 20; i++) await client.send("T", body);
    writeFileSync(at("ballast"), Buffer.alloc(6.5 * mib));
    let refused = await client.trySend("T", body);
    for (let i = 0; i < 200 && refused.code === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      refused = await client.trySend("T", body);
    }
    expect(refused.code).toBe(14);
    await expect
      .poll(async () => (await client.trySend("T", "x")).remark ?? "", { timeout: 5_000 })
      .toMatch(/disk is full: \/\S*\/disk\/store\/?\S* is \d+ % used, more than diskSpaceWarningLevelRatio \(90 %\)/);
    const { min } = await range(client);
    expect(min).toBe(0);
    await expectServed(client);
    rmSync(at("ballast"));
    await expect.poll(async () => (await client.trySend("T", "x")).code, { timeout: 5_000 }).toBe(0);
    await expectServed(client);
    expect((await broker.stop()).how).toBe(0);
  });
});
