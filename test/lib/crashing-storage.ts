import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { LogStorage, StorageWrite } from "../../src/ports/log-storage.ts";

type Step =
  | { readonly kind: "create"; readonly file: string; readonly sizeBytes: number }
  | { readonly kind: "write"; readonly batch: readonly StorageWrite[] }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "delete"; readonly file: string }
  | { readonly kind: "sync"; readonly files: readonly string[] };

/**
 * Notes what changes a storage, and gives what it may be after a crash at any moment: of names what was done up to there, or what the
 * last sync made sure; of writes that no sync made sure all, a part, or zeros.
 */
export class CrashingStorage implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = "0";
  readonly inner: MemoryLogStorage;
  #start = new MemoryLogStorage();
  #steps: Step[] = [];

  constructor(inner: MemoryLogStorage) {
    this.inner = inner;
  }

  /** What is there is sure; crashes come from here on. */
  begin(): void {
    this.#start = copy(this.inner);
    this.#steps = [];
  }

  /** What the storage may be after a crash, with what was done and what was lost. */
  *afterCrashes(): Generator<[what: string, storage: MemoryLogStorage]> {
    for (let done = 0; done <= this.#steps.length; done++) {
      const synced = this.#steps.slice(0, done).findLastIndex(({ kind }) => kind === "sync") + 1;
      for (let kept = done; kept >= synced; kept--) {
        for (const part of [1, 0.5, 0]) {
          yield [`after ${done} steps, ${kept} of them kept, of unsynced bytes ${part}`, this.#replay(kept, part)];
        }
      }
    }
  }

  /** What it is if power is lost at this moment: names are kept, bytes that no sync made sure are zeros. */
  afterPowerLoss(): MemoryLogStorage {
    return this.#replay(this.#steps.length, 0);
  }

  /** The first `count` steps; of bytes written after their file's last sync only a part. */
  #replay(count: number, part: number): MemoryLogStorage {
    const storage = copy(this.#start);
    const steps = this.#steps.slice(0, count);
    for (const [index, step] of steps.entries()) {
      if (step.kind === "create") storage.create(step.file, step.sizeBytes);
      else if (step.kind === "rename") storage.rename(step.from, step.to);
      else if (step.kind === "delete") storage.delete(step.file);
      else if (step.kind === "write") {
        for (const { file, at, bytes } of step.batch) {
          const isSure = steps.slice(index).some((later) => later.kind === "sync" && later.files.includes(file));
          storage.write([{ file, at, bytes: isSure ? bytes : bytes.slice(0, Math.floor(bytes.length * part)) }]);
        }
      }
    }
    return storage;
  }

  lock(): void {}

  list(folder: string) {
    return this.inner.list(folder);
  }

  create(file: string, sizeBytes: number): void {
    this.#steps.push({ kind: "create", file, sizeBytes });
    this.inner.create(file, sizeBytes);
  }

  write(batch: readonly StorageWrite[]): void {
    this.#steps.push({ kind: "write", batch: batch.map((one) => ({ ...one, bytes: one.bytes.slice() })) });
    this.inner.write(batch);
  }

  readNow(file: string, at: number, into: Uint8Array): number {
    return this.inner.readNow(file, at, into);
  }

  read(file: string, at: number, into: Uint8Array): number {
    return this.inner.readNow(file, at, into);
  }

  rename(from: string, to: string): void {
    this.#steps.push({ kind: "rename", from, to });
    this.inner.rename(from, to);
  }

  delete(file: string): void {
    this.#steps.push({ kind: "delete", file });
    this.inner.delete(file);
  }

  sync(files: readonly string[]): void {
    this.#steps.push({ kind: "sync", files });
  }

  setModified(file: string, atMs: number): void {
    this.inner.setModified(file, atMs);
  }

  usage() {
    return this.inner.usage();
  }

  close(): void {}
}

function copy(storage: MemoryLogStorage): MemoryLogStorage {
  const copied = new MemoryLogStorage();
  for (const { name, sizeBytes } of storage.list("")) {
    copied.create(name, sizeBytes);
    const bytes = new Uint8Array(sizeBytes);
    storage.readNow(name, 0, bytes);
    if (sizeBytes > 0) copied.write([{ file: name, at: 0, bytes }]);
  }
  return copied;
}
