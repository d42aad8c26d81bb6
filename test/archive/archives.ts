import type { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { StoreSettings } from "../../src/ports/store-settings.ts";

export async function concatenated(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export async function* inPieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Each file's size and a digest of its bytes. */
export function contentsOf(storage: MemoryLogStorage, but: string): Record<string, string> {
  const contents: Record<string, string> = {};
  for (const { name, sizeBytes } of storage.list("")) {
    if (name === but) continue;
    const bytes = new Uint8Array(sizeBytes);
    storage.read(name, 0, bytes);
    // FNV-1a: any difference shows.
    let hash = 0x811c9dc5;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    contents[name] = `${sizeBytes} ${hash}`;
  }
  return contents;
}

export function settings(mappedFileSizeConsumeQueue: number): StoreSettings {
  return { mappedFileSizeConsumeQueue };
}
