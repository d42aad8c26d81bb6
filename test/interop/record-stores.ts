/**
 * Lets Apache RocketMQ 5.5.0 write the stores of test/golden/stores anew, all or those that are named:
 *
 *   npx node test/interop/record-stores.ts [STORE ...]
 *
 * What it was given and what it wrote is the same each time but for times, ids and ports, and for what it had dispatched when it was
 * killed: a changed file is to be looked at before it is committed.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type GoldenFile, goldenBrokers, goldenStores } from "../golden/data.ts";
import { jvm } from "./apache.ts";
import { Child } from "./child.ts";
import { freePort } from "./ports.ts";
import { removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { brokerPrograms } from "./toolchain.ts";

const writeMs = 180_000;
/** Zeros between two pieces of a file that are not worth keeping. */
const gapBytes = 64;
/** No part of the store: RocksDB's own files, which Apache makes at each start, and what means its process. */
const leftOut = /^(rocksdbstore\/|lock$|abort\.bak$)/;

const small = {
  mappedFileSizeCommitLog: 4096,
  mappedFileSizeConsumeQueue: 1000,
  mapperFileSizeBatchConsumeQueue: 2300,
  mappedFileSizeTimerLog: 3328,
  maxHashSlotNum: 100,
  maxIndexNum: 400,
};
const larger = { ...small, mappedFileSizeCommitLog: 8192 };
const settings: Readonly<Record<(typeof goldenStores)[number] | (typeof goldenBrokers)[number], object>> = {
  store: small,
  store_crc: small,
  store_ext: { ...larger, mappedFileSizeConsumeQueueExt: 4096 },
  store_lmq: larger,
  store_timer: larger,
  store_index: { ...larger, maxHashSlotNum: 8, maxIndexNum: 16 },
  store_killed: small,
  broker: { ...small, mappedFileSizeCommitLog: 16_384 },
  broker_killed: { ...small, mappedFileSizeCommitLog: 16_384 },
};

const classpath = await brokerPrograms();
const asked = process.argv.slice(2);
for (const name of [...goldenStores, ...goldenBrokers]) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const home = await temporaryDirectory("golden");
  try {
    const directory = path.join(home, "store");
    await mkdir(directory);
    const isBroker = (goldenBrokers as readonly string[]).includes(name);
    const ports = isBroker ? [await freePort(), await freePort([-2, 0, 1])] : [];
    const sent: string[] = [];
    const child = new Child(
      name,
      "java",
      [
        ...jvm,
        `-Duser.home=${home}`,
        "-Duser.timezone=UTC",
        ...["-cp", classpath, `wasmq.golden.${isBroker ? "Brokers" : "Records"}`],
        ...[name, directory, ...ports.map(String)],
      ],
      (line) => {
        if (line.startsWith('{"event":"sent",')) sent.push(line.replace('"event":"sent",', ""));
      },
    );
    const end = await child.untilEnd(writeMs);
    if (end !== "exit 0") throw new Error(`${name} ended by ${end}\n${child.lastLines()}`);
    await writeStore(name, directory, sent, isBroker);
  } finally {
    await removeDirectory(home);
  }
}
process.exit(0);

async function writeStore(
  name: keyof typeof settings,
  directory: string,
  sent: readonly string[],
  isBroker: boolean,
): Promise<void> {
  const files: string[] = [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"))
    .filter((file) => !leftOut.test(file));
  for (const file of paths.sort()) {
    const kept = keep(await readFile(path.join(directory, file)));
    files.push(`    ${JSON.stringify(file)}: ${JSON.stringify(kept)},\n`);
  }
  const sentType = isBroker ? "GoldenMessage" : "GoldenRecord";
  const text = `// Written by Apache RocketMQ 5.5.0 (test/interop/record-stores.ts); see ../README.md. Generated: not to be edited.
import type { Golden, ${sentType} } from "../data.ts";

export const golden: Golden<${sentType}> = {
  settings: ${JSON.stringify(settings[name])},
  files: {
${files.join("")}  },
  sent: [
${sent.map((line) => `    ${line},\n`).join("")}  ],
};
`;
  await writeFile(path.join(import.meta.dirname, `../golden/stores/${name}.ts`), text);
  console.info(`${name}: ${paths.length} files, ${sent.length} messages, ${text.length} bytes`);
}

function keep(bytes: Buffer): GoldenFile {
  const text = bytes.toString("utf8");
  if (!bytes.includes(0) && Buffer.from(text, "utf8").equals(bytes)) return { text };
  const pieces: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    let end = at + 1;
    for (let next = end; next < bytes.length && next < end + gapBytes; next++) if (bytes[next] !== 0) end = next + 1;
    pieces.push([at, bytes.subarray(at, end).toString("base64")]);
    at = end;
  }
  return { byteLength: bytes.length, pieces };
}
