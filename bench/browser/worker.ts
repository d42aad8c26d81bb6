/** A Worker with the engine on one of the browser's storages or, beside it, that storage alone: the same bytes as one write. */
import { openDB } from "idb";
import { type FlushMode, type StorageKind, startInBrowser } from "../../src/hosts/browser/index.ts";
import { batchFrame, bodyBytes, headersIn, joined, recordBytes, sendFrame } from "../sends.ts";

export interface Run {
  /** Of 1 KB each. */
  readonly batch: number;
  readonly ms: number;
  /** "sends": so many at a time, on one connection; "batch": one message batch of so many. */
  readonly how: "raw" | "sends" | "batch";
  readonly storage: StorageKind;
  readonly flush: FlushMode;
}

export type Measured = { readonly records: number; readonly ms: number } | { readonly failed: string };

const warmUpMs = 500;
/** A run ends with it: OPFS takes a gigabyte a second. */
const runBytesMax = 192 * 1024 * 1024;

addEventListener("message", ({ data: run }: MessageEvent<Run>) => {
  measure(run).then(
    (measured) => postMessage(measured),
    (error: unknown) => postMessage({ failed: String(error) } satisfies Measured),
  );
});

async function measure(run: Run): Promise<Measured> {
  const once = run.how === "raw" ? await raw(run) : await engine(run);
  const write = async (ms: number, bytesMax: number): Promise<{ records: number; ms: number }> => {
    const startMs = performance.now();
    let records = 0;
    while (performance.now() - startMs < ms && records * recordBytes < bytesMax) {
      await once.write();
      records += run.batch;
    }
    return { records, ms: performance.now() - startMs };
  };
  await write(warmUpMs, runBytesMax / 4);
  const measured = await write(run.ms, runBytesMax);
  await once.close();
  return measured;
}

/** `write` ends when the bytes are as safe as the run asks for; `close` removes them. */
interface Once {
  write(): Promise<unknown> | undefined;
  close(): Promise<unknown>;
}

async function raw({ batch, storage, flush }: Run): Promise<Once> {
  // One after the other, of what does not compress.
  const all = incompressible(64 * batch * recordBytes);
  let turn = 0;
  const bytes = () => {
    const at = (turn++ % 64) * batch * recordBytes;
    return all.subarray(at, at + batch * recordBytes);
  };
  const name = crypto.randomUUID();
  let at = 0;
  if (storage === "opfs") {
    const root = await navigator.storage.getDirectory();
    const file = await root.getFileHandle(name, { create: true });
    const handle = await (file as unknown as WorkerFileHandle).createSyncAccessHandle();
    return {
      write() {
        at += handle.write(bytes(), { at });
        if (flush === "sync") handle.flush();
        return undefined;
      },
      async close() {
        handle.close();
        await root.removeEntry(name);
      },
    };
  }
  const database = await openDB(name, 1, { upgrade: (opened) => void opened.createObjectStore("chunks") });
  const durability = flush === "sync" ? "strict" : "relaxed";
  return {
    async write() {
      const transaction = database.transaction("chunks", "readwrite", { durability });
      // A view would be stored with all that it is a view of.
      const chunk = bytes().slice();
      void transaction.store.put(chunk, at);
      at += chunk.length;
      transaction.commit();
      await transaction.done;
    },
    close() {
      database.close();
      return new Promise((resolve) => {
        indexedDB.deleteDatabase(name).onsuccess = resolve;
      });
    },
  };
}

async function engine({ batch, how, storage, flush }: Run): Promise<Once> {
  const name = crypto.randomUUID();
  const broker = await startInBrowser({ name, storage, flush });
  // Several, or one batch would compress by the one before it.
  const requests = Array.from({ length: 64 }, () => {
    const bodies = Array.from({ length: batch }, () => incompressible(bodyBytes));
    return how === "batch" ? batchFrame(bodies) : joined(bodies.map(sendFrame));
  });
  const answersAwaited = how === "batch" ? 1 : batch;
  let answered = (): void => {};
  let refused = (_error: Error): void => {};
  let missing = 0;
  const close = (): void => {};
  const handler = broker.accept({
    ...{ remoteAddress: "127.0.0.1", remotePort: 1, localAddress: "127.0.0.1", localPort: 1, unsentBytes: 0 },
    send(chunks) {
      for (const answer of headersIn(joined(chunks))) {
        if (!answer.includes('"code":0,')) refused(new Error(answer));
        missing--;
      }
      if (missing <= 0) answered();
    },
    ...{ abort: close, close },
  });
  let turn = 0;
  return {
    write() {
      missing = answersAwaited;
      const all = new Promise<void>((resolve, reject) => {
        answered = resolve;
        refused = reject;
      });
      handler.received(requests[turn++ % requests.length]!);
      return all;
    },
    async close() {
      handler.closed();
      await broker.stop();
      if (storage === "opfs") {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("wasmq");
        await folder.removeEntry(name, { recursive: true });
      } else {
        await new Promise((resolve) => {
          indexedDB.deleteDatabase(name).onsuccess = resolve;
        });
      }
    },
  };
}

interface WorkerFileHandle {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    flush(): void;
    close(): void;
  }>;
}

function incompressible(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}
