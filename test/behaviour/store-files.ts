/** A store's files in the hands of a test, on any host. */
import type { LogStorage } from "../../src/ports/log-storage.ts";

export async function namesIn(storage: LogStorage, folder: string): Promise<string[]> {
  return (await storage.list(folder)).map(({ name }) => name);
}

export async function exists(storage: LogStorage, file: string): Promise<boolean> {
  return (await namesIn(storage, "")).includes(file);
}

export async function readFile(storage: LogStorage, file: string, at = 0, length?: number): Promise<Uint8Array> {
  const found = (await storage.list("")).find(({ name }) => name === file);
  const bytes = new Uint8Array(length ?? found?.sizeBytes ?? 0);
  return bytes.subarray(0, await storage.read(file, at, bytes));
}

/** Puts a file in the place of what is there. */
export async function putFile(storage: LogStorage, file: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await storage.delete(file);
  await storage.create(file, bytes.length);
  await storage.write([{ file, at: 0, bytes }]);
}

export async function deleteAll(storage: LogStorage, ...prefixes: readonly string[]): Promise<void> {
  for (const name of await namesIn(storage, "")) {
    if (prefixes.some((prefix) => name.startsWith(prefix))) await storage.delete(name);
  }
}

/** One bit of one byte turns, as on a medium that ages. */
export async function flip(storage: LogStorage, file: string, at: number): Promise<void> {
  const bytes = await readFile(storage, file, at, 1);
  bytes[0]! ^= 0x10;
  await storage.write([{ file, at, bytes }]);
}
