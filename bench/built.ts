import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";

const cache = path.join(import.meta.dirname, "../build/interop");

export function builtPath(name: string): string {
  return path.join(cache, name);
}

/**
 * A directory of the cache of things that are built or fetched once, made by whoever comes first: each builds its own copy and
 * the rename decides, so processes that run at once never see half of one. The name says what it was made of.
 */
export async function built(name: string, build: (directory: string) => Promise<void>): Promise<string> {
  const final = builtPath(name);
  if (existsSync(final)) return final;
  await mkdir(cache, { recursive: true });
  const ours = await mkdtemp(path.join(cache, `${name}.`));
  try {
    await build(ours);
    await rename(ours, final).catch((error: unknown) => {
      if (!existsSync(final)) throw error;
    });
  } finally {
    await rm(ours, { recursive: true, force: true });
  }
  return final;
}
