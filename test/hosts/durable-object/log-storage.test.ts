import { runInDurableObject } from "cloudflare:test";
import { DurableObjectLogStorage } from "../../../src/hosts/durable-object/log-storage.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../../src/ports/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";
import { freshObject } from "./objects.ts";
import type { TestObject } from "./worker.ts";

describeLogStorage({
  name: "Durable Object",
  isAlone: true,
  fresh: async () => new Remote(freshObject()),
  again: async (before) => new Remote((before as Remote).object),
});

/** The storage in its object, from outside. Nothing can be read at once from there. */
class Remote implements LogStorage {
  readonly supports = { atomicBatch: true };
  readonly owner = "0";
  readonly object: DurableObjectStub<TestObject>;
  #storage: DurableObjectLogStorage | undefined;

  constructor(object: DurableObjectStub<TestObject>) {
    this.object = object;
  }

  lock(): Promise<void> {
    return this.#inside((storage) => storage.lock());
  }

  list(folder: string): Promise<FileStat[]> {
    return this.#inside((storage) => storage.list(folder));
  }

  create(file: string, sizeBytes: number): Promise<void> {
    return this.#inside((storage) => storage.create(file, sizeBytes));
  }

  write(batch: readonly StorageWrite[]): Promise<void> {
    return this.#inside((storage) => storage.write(batch));
  }

  readNow(): undefined {}

  read(file: string, at: number, into: Uint8Array): Promise<number> {
    return this.#inside((storage) => storage.readNow(file, at, into));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inside((storage) => storage.rename(from, to));
  }

  delete(file: string): Promise<void> {
    return this.#inside((storage) => storage.delete(file));
  }

  sync(): Promise<void> {
    return this.#inside((storage) => storage.sync());
  }

  setModified(file: string, atMs: number): Promise<void> {
    return this.#inside((storage) => storage.setModified(file, atMs));
  }

  usage(): Promise<StorageUsage | undefined> {
    return this.#inside((storage) => storage.usage());
  }

  close(): Promise<void> {
    return this.#inside((storage) => storage.close());
  }

  #inside<R>(run: (storage: DurableObjectLogStorage) => R | Promise<R>): Promise<R> {
    return runInDurableObject(this.object, (_, ctx) => {
      this.#storage ??= new DurableObjectLogStorage(ctx.storage);
      return run(this.#storage);
    });
  }
}
