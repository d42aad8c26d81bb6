import { OpfsLogStorage } from "../../../src/hosts/browser/opfs-log-storage.ts";

/** One call of a storage; `open` makes one for a name. */
export interface Call {
  readonly id: number;
  readonly storage: number;
  readonly method: "open" | keyof OpfsLogStorage;
  readonly args: readonly unknown[];
}

export interface Outcome {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code?: string };
}

const storages = new Map<number, OpfsLogStorage>();

addEventListener("message", async ({ data }: MessageEvent<Call>) => {
  postMessage(await outcomeOf(data));
});

async function outcomeOf({ id, storage, method, args }: Call): Promise<Outcome> {
  try {
    if (method === "open") {
      storages.set(storage, new OpfsLogStorage(args[0] as string));
      return { id };
    }
    const value = await (storages.get(storage)![method] as (...args: unknown[]) => unknown)(...args);
    // What was read into is a copy here: it goes back with the count.
    if (method === "read" || method === "readNow") return { id, value: { read: value, bytes: args[2] } };
    return { id, value };
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    return { id, error: code === undefined ? { message } : { message, code } };
  }
}
