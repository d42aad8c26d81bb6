import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { built } from "./built.ts";

const SOURCE = path.join(import.meta.dirname, "sync-count.c");

/** The library of sync-count.c, or why there is none: it takes Linux and a C compiler. */
export async function syncLibrary(): Promise<{ library: string } | { missing: string }> {
  try {
    const key = createHash("sha256")
      .update(await readFile(SOURCE))
      .digest("hex")
      .slice(0, 16);
    const directory = await built(`sync-count-${key}`, async (into) => {
      await promisify(execFile)("cc", ["-O2", "-shared", "-fPIC", "-o", path.join(into, "sync-count.so"), SOURCE]);
    });
    return { library: path.join(directory, "sync-count.so") };
  } catch (error) {
    return { missing: `syncs are not counted, bench/sync-count.c can't be built: ${(error as Error).message}` };
  }
}

/** What a process is started with so that it counts into `file`, which is made here and is the caller's. */
export function countingSyncs(library: string, file: string): Record<string, string> {
  writeFileSync(file, Buffer.alloc(8));
  return { LD_PRELOAD: library, SYNC_COUNT: file };
}

/** How often the process that counts into `file` asked for bytes to be on the medium: fsync, fdatasync and msync. */
export function syncsIn(file: string): number {
  return Number(readFileSync(file).readBigUInt64LE(0));
}
