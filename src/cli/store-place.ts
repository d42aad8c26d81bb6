import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { exportStore } from "../archive/export-store.ts";
import { importStore } from "../archive/import-store.ts";
import { WasmqError } from "../hosts/node/index.ts";
import { NodeLogStorage } from "../hosts/node/log-storage.ts";
import { UsageError } from "./failure.ts";

/** Where a store comes from or goes to: an archive, standard input or output, or a directory. */
export type Place = { readonly kind: "archive" | "directory"; readonly path: string } | { readonly kind: "standard" };

/** By its name: `-`, `x.tar`, or a directory. */
export function placeOf(named: string | undefined): Place {
  if (named === undefined || named === "") throw new UsageError("FILE.tar, a directory or - is needed");
  if (named === "-") return { kind: "standard" };
  return { kind: named.endsWith(".tar") && !isDirectory(named) ? "archive" : "directory", path: named };
}

export function storeOption(said: string | boolean | undefined): string {
  const given = said ?? (process.env["WASMQ_STORE"] || undefined);
  if (given === "") throw new UsageError("--store needs a value");
  if (given === "memory") throw new UsageError("a store in memory is gone with its process");
  return typeof given === "string" ? given : join(homedir(), ".wasmq", "store");
}

/** The store in a directory as an archive. It is held meanwhile. */
export async function* archiveOf(directory: string): AsyncGenerator<Uint8Array> {
  if (!isDirectory(directory)) throw new WasmqError("STORE_UNREADABLE", `there is no store in ${directory}`);
  const storage = new NodeLogStorage(directory);
  storage.lock();
  try {
    if (storage.list("commitlog").length + storage.list("config").length === 0) {
      throw new WasmqError("STORE_UNREADABLE", `there is no store in ${directory}`);
    }
    yield* exportStore(storage);
  } finally {
    storage.close();
  }
}

export async function* readPlace(place: Place): AsyncGenerator<Uint8Array> {
  if (place.kind === "directory") yield* archiveOf(place.path);
  else if (place.kind === "archive") yield* createReadStream(place.path, { highWaterMark: 256 * 1024 });
  else yield* process.stdin;
}

/** What is not written to its end is not left there. */
export async function writePlace(archive: AsyncIterable<Uint8Array>, place: Place): Promise<void> {
  if (place.kind === "directory") {
    await fillDirectory(archive, place.path);
  } else if (place.kind === "standard") {
    await pipeline(Readable.from(archive, { objectMode: false }), process.stdout, { end: false });
  } else {
    const part = `${place.path}.part`;
    try {
      await pipeline(archive, createWriteStream(part, { flush: true }));
      await rename(part, place.path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}

export async function fillDirectory(archive: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  const fresh = !existsSync(directory);
  const storage = new NodeLogStorage(directory);
  storage.lock();
  let whole = false;
  try {
    await importStore(archive, storage);
    whole = true;
  } finally {
    storage.close();
    // Its files are gone already; empty folders are left.
    if (fresh && !whole) rmSync(directory, { recursive: true, force: true });
  }
}

/** Hands the archive on to `use`, and says on standard error how far it is, now and then, and in the end how much it was. */
export async function withProgress(
  done: string,
  archive: AsyncIterable<Uint8Array>,
  use: (archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    let saidAt = Date.now();
    for await (const piece of archive) {
      bytes += piece.length;
      yield piece;
      if (Date.now() - saidAt < progressMs) continue;
      saidAt = Date.now();
      console.error(`${megabytes(bytes)} so far`);
    }
  };
  await use(counted());
  console.error(`${done}: ${megabytes(bytes)}`);
}

const progressMs = 2_000;

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
