/** The dedicated Worker that has the broker; `name` of the Worker has its `WorkerOptions`. */
import { exportStore } from "../src/archive/export-store.ts";
import { startInBrowser, WasmqError } from "../src/hosts/browser/index.ts";
import { brokerName, DemoChannel, type WorkerOptions } from "./demo-channel.ts";

const { tab, storage, flush } = JSON.parse(self.name) as WorkerOptions;
const channel = new DemoChannel();

const broker = await startInBrowser({
  name: brokerName,
  flush,
  ...(storage === undefined ? {} : { storage }),
  telemetry: {
    log(level, event, fields) {
      if (level === "info") return;
      const details = Object.entries(fields ?? {}).map(([name, value]) => `${name}: ${value}`);
      channel.post({ trouble: { code: level, message: [event, ...details].join(", ") } });
    },
  },
});

channel.listen((message) => {
  if ("statusAsked" in message) tellStatus();
  else if ("exportAsked" in message) void tellExport(message.exportAsked);
});
tellStatus();

function tellStatus(): void {
  channel.post({ status: { tab, storageKind: broker.storageKind, flush } });
}

async function tellExport(asker: string): Promise<void> {
  try {
    const pieces: Blob[] = [];
    // A Blob is the browser's to keep, on the disk if it is large.
    for await (const piece of exportStore(broker.storage)) pieces.push(new Blob([piece as Uint8Array<ArrayBuffer>]));
    channel.post({ exported: asker, archive: new Blob(pieces, { type: "application/x-tar" }) });
  } catch (error) {
    const code = error instanceof WasmqError ? error.code : "SYSTEM_ERROR";
    channel.post({ exportFailed: asker, code, message: String((error as Error).message) });
  }
}
