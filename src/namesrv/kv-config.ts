import { kvCharsMax, kvEntriesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { ConfigFile } from "../store/config-file.ts";

/** In it stands, by topic, which broker has how many queues of an ordered topic (NamesrvUtil). */
export const orderTopicNamespace = "ORDER_TOPIC_CONFIG";

/** Settings that administrators leave with the NameServer, by namespace and key, kept in kvConfig.json (KVConfigManager). */
export class KvConfig {
  readonly #file: ConfigFile;
  readonly #table = new Map<string, Map<string, string>>();
  #saving: Promise<void> | undefined;
  #entries = 0;
  #chars = 0;

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  /** Rejects with STORE_UNREADABLE for a file that makes no sense. */
  async load(): Promise<void> {
    const saved = (await this.#file.load()) as { configTable?: unknown } | undefined;
    for (const [namespace, entries] of Object.entries(saved?.configTable ?? {})) {
      for (const [key, value] of Object.entries((entries ?? {}) as object)) {
        if (typeof value === "string") this.#set(namespace, key, value);
      }
    }
  }

  get(namespace: string, key: string): string | undefined {
    return this.#table.get(namespace)?.get(key);
  }

  /** All of a namespace; undefined for one that never had any. */
  all(namespace: string): ReadonlyMap<string, string> | undefined {
    return this.#table.get(namespace);
  }

  /** Ends when it is kept. Rejects with SYSTEM_ERROR, and what was there before is there again, when it can't be. */
  put(namespace: string, key: string, value: string): Promise<void> {
    const before = this.get(namespace, key);
    const entries = this.#entries + (before === undefined ? 1 : 0);
    const chars = this.#chars + (before === undefined ? key.length : -before.length) + value.length;
    const isNew = !this.#table.has(namespace);
    // A namespace stays when it is empty.
    const isFull = entries > kvEntriesMax || (isNew && this.#table.size >= kvEntriesMax);
    if (isFull || chars + (isNew ? namespace.length : 0) > kvCharsMax) {
      throw new WasmqError(
        "SYSTEM_ERROR",
        `the name server keeps ${kvEntriesMax} settings of ${kvCharsMax} characters in all, no more`,
      );
    }
    return this.#change(namespace, key, value);
  }

  /** The same. */
  delete(namespace: string, key: string): Promise<void> {
    return this.#change(namespace, key, undefined);
  }

  /** Ends when no change is under way. */
  async settled(): Promise<void> {
    await this.#saving?.catch(() => {});
  }

  async #change(namespace: string, key: string, value: string | undefined): Promise<void> {
    const before = this.get(namespace, key);
    this.#set(namespace, key, value);
    try {
      this.#saving = this.#file.save(() => ({
        configTable: Object.fromEntries(
          Array.from(this.#table, ([name, entries]) => [name, Object.fromEntries(entries)]),
        ),
      }));
      await this.#saving;
    } catch (error) {
      if (this.get(namespace, key) === value) this.#set(namespace, key, before);
      const reason = error instanceof Error ? error.message : String(error);
      throw new WasmqError("SYSTEM_ERROR", `kvConfig.json could not be written: ${reason}`, { cause: error });
    }
  }

  #set(namespace: string, key: string, value: string | undefined): void {
    let entries = this.#table.get(namespace);
    if (entries === undefined) {
      if (value === undefined) return;
      entries = new Map();
      this.#table.set(namespace, entries);
      this.#chars += namespace.length;
    }
    const before = entries.get(key);
    if (before !== undefined) {
      this.#entries--;
      this.#chars -= key.length + before.length;
      entries.delete(key);
    }
    if (value === undefined) return;
    this.#entries++;
    this.#chars += key.length + value.length;
    entries.set(key, value);
  }
}
