import { files } from "./files.ts";

/** The stores at hand: what each holds is in README.md. */
export const goldenStores = ["store", "store_crc", "store_ext", "store_lmq", "store_timer"] as const;

export type GoldenStore = (typeof goldenStores)[number];

/** Bytes of one file of a store, as Apache RocketMQ left them. */
export function goldenFile(path: string): Uint8Array {
  const file = files[path];
  if (file === undefined) throw new Error(`no golden file ${path}`);
  const bytes = new Uint8Array(file.byteLength);
  bytes.set(Uint8Array.from(atob(file.base64), (char) => char.charCodeAt(0)));
  return bytes;
}

/** Paths of a store's files under a folder (`commitlog`, `consumequeue`, ...), in the order of their names. */
export function goldenPaths(store: GoldenStore, folder: string): string[] {
  return Object.keys(files)
    .filter((path) => path.startsWith(`${store}/${folder}/`))
    .sort();
}

/** A store's CommitLog files, joined: a position in it is a physical offset. */
export function goldenCommitLog(store: GoldenStore): Uint8Array {
  const parts = goldenPaths(store, "commitlog").map(goldenFile);
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
