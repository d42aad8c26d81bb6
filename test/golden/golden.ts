import type { LogStorage, StorageWrite } from "../../src/ports/log-storage.ts";
import type { Golden, GoldenBroker, GoldenFile, GoldenMessage, GoldenRecord, GoldenStore } from "./data.ts";
import { golden as broker } from "./stores/broker.ts";
import { golden as brokerKilled } from "./stores/broker_killed.ts";
import { golden as store } from "./stores/store.ts";
import { golden as storeCrc } from "./stores/store_crc.ts";
import { golden as storeExt } from "./stores/store_ext.ts";
import { golden as storeIndex } from "./stores/store_index.ts";
import { golden as storeKilled } from "./stores/store_killed.ts";
import { golden as storeLmq } from "./stores/store_lmq.ts";
import { golden as storeTimer } from "./stores/store_timer.ts";

export { type GoldenStore, goldenBrokers, goldenStores } from "./data.ts";

const records: Readonly<Record<GoldenStore, Golden<GoldenRecord>>> = {
  store,
  store_crc: storeCrc,
  store_ext: storeExt,
  store_lmq: storeLmq,
  store_index: storeIndex,
  store_killed: storeKilled,
  store_timer: storeTimer,
};

const brokers: Readonly<Record<GoldenBroker, Golden<GoldenMessage>>> = { broker, broker_killed: brokerKilled };

/** What DefaultMessageStore was given, in the order of the CommitLog. */
export function goldenRecords(name: GoldenStore): readonly GoldenRecord[] {
  return records[name].sent;
}

/** What clients sent, but for what was delayed, part of a transaction or of an inner batch. */
export function goldenMessages(name: GoldenBroker): readonly GoldenMessage[] {
  return brokers[name].sent;
}

/** Bytes of one file of a store, as Apache RocketMQ left them. `path` begins with the store's name. */
export function goldenFile(path: string): Uint8Array {
  const { byteLength, pieces } = goldenPieces(path);
  const bytes = new Uint8Array(byteLength);
  for (const piece of pieces) bytes.set(piece.bytes, piece.at);
  return bytes;
}

/** The same without the zeros. */
export function goldenPieces(path: string): { byteLength: number; pieces: { at: number; bytes: Uint8Array }[] } {
  const at = path.indexOf("/");
  const file = dataOf(path.slice(0, at)).files[path.slice(at + 1)];
  if (file === undefined) throw new Error(`no golden file ${path}`);
  return { byteLength: lengthOf(file), pieces: piecesOf(file) };
}

/** Paths of a store's files under a folder (`commitlog`, `consumequeue`, ...; "" for all), in the order of their names. */
export function goldenPaths(name: GoldenStore | GoldenBroker, folder: string): string[] {
  return Object.keys(dataOf(name).files)
    .filter((path) => folder === "" || path.startsWith(`${folder}/`))
    .sort()
    .map((path) => `${name}/${path}`);
}

/** A store's CommitLog files, joined: a position in it is a physical offset. */
export function goldenCommitLog(name: GoldenStore | GoldenBroker): Uint8Array {
  const parts = goldenPaths(name, "commitlog").map(goldenFile);
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** RocketMQ's settings that the store was written with, and that are not the usual ones. */
export function goldenSettings(name: GoldenStore | GoldenBroker): Readonly<Record<string, number>> {
  return dataOf(name).settings;
}

/** Puts a store into an empty storage, with the `broker.conf` that says what sizes it has. */
export async function putGolden(storage: LogStorage, name: GoldenStore | GoldenBroker): Promise<void> {
  const { files, settings } = dataOf(name);
  const conf = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  for (const [path, file] of [...Object.entries(files), ["broker.conf", { text: conf.join("") }] as const]) {
    await storage.create(path, lengthOf(file));
    const writes: StorageWrite[] = piecesOf(file).map(({ at, bytes }) => ({ file: path, at, bytes }));
    if (writes.length > 0) await storage.write(writes);
  }
}

function dataOf(name: string): Golden<GoldenRecord | GoldenMessage> {
  const found = { ...records, ...brokers }[name as GoldenStore | GoldenBroker];
  if (found === undefined) throw new Error(`no golden store ${name}`);
  return found;
}

function lengthOf(file: GoldenFile): number {
  return "text" in file ? new TextEncoder().encode(file.text).length : file.byteLength;
}

function piecesOf(file: GoldenFile): { at: number; bytes: Uint8Array }[] {
  if ("text" in file) {
    const bytes = new TextEncoder().encode(file.text);
    return bytes.length === 0 ? [] : [{ at: 0, bytes }];
  }
  return file.pieces.map(([at, base64]) => ({ at, bytes: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)) }));
}
