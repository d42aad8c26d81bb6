import { type ErrorCode, WasmqError } from "../../../src/ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../../src/ports/log-storage.ts";
import type { Call, Outcome } from "./opfs-worker.ts";

/** OPFS storages in a Worker of their own, since only there a file is open for reading and writing at once. */
export class OpfsWorker {
  readonly #worker = new Worker(new URL("./opfs-worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #calls = 0;
  #storages = 0;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Outcome>) => {
      this.#waiting.get(data.id)?.(data);
      this.#waiting.delete(data.id);
    });
  }

  async open(name: string): Promise<OpfsProxy> {
    const storage = ++this.#storages;
    await this.call(storage, "open", [name]);
    return new OpfsProxy(name, (method, ...args) => this.call(storage, method, args));
  }

  async call(storage: number, method: Call["method"], args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#calls;
    const outcome = new Promise<Outcome>((resolve) => this.#waiting.set(id, resolve));
    this.#worker.postMessage({ id, storage, method, args } satisfies Call);
    const { value, error } = await outcome;
    if (error === undefined) return value;
    throw error.code === undefined ? new Error(error.message) : new WasmqError(error.code as ErrorCode, error.message);
  }

  /** As a crash of the tab: nothing is closed. */
  terminate(): void {
    this.#worker.terminate();
  }
}

export class OpfsProxy implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = "0";
  readonly name: string;
  readonly #call: (method: Call["method"], ...args: unknown[]) => Promise<unknown>;

  constructor(name: string, call: (method: Call["method"], ...args: unknown[]) => Promise<unknown>) {
    this.name = name;
    this.#call = call;
  }

  async lock(): Promise<void> {
    await this.#call("lock");
  }

  list(folder: string): Promise<readonly FileStat[]> {
    return this.#call("list", folder) as Promise<readonly FileStat[]>;
  }

  async create(file: string, sizeBytes: number): Promise<void> {
    await this.#call("create", file, sizeBytes);
  }

  async write(batch: readonly StorageWrite[]): Promise<void> {
    await this.#call("write", batch);
  }

  readNow(): undefined {
    return undefined;
  }

  read(file: string, at: number, into: Uint8Array): Promise<number> {
    return this.#read("read", file, at, into) as Promise<number>;
  }

  /** What `readNow` brings in the Worker. */
  readNowThere(file: string, at: number, into: Uint8Array): Promise<number | undefined> {
    return this.#read("readNow", file, at, into);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call("rename", from, to);
  }

  async delete(file: string): Promise<void> {
    await this.#call("delete", file);
  }

  async sync(files: readonly string[]): Promise<void> {
    await this.#call("sync", files);
  }

  async setModified(file: string, atMs: number): Promise<void> {
    await this.#call("setModified", file, atMs);
  }

  usage(): Promise<StorageUsage | undefined> {
    return this.#call("usage") as Promise<StorageUsage | undefined>;
  }

  async close(): Promise<void> {
    await this.#call("close");
  }

  async #read(method: "read" | "readNow", file: string, at: number, into: Uint8Array): Promise<number | undefined> {
    const { read, bytes } = (await this.#call(method, file, at, into)) as {
      read: number | undefined;
      bytes: Uint8Array;
    };
    into.set(bytes);
    return read;
  }
}
