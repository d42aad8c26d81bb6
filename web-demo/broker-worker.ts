/** The dedicated Worker that has the broker; `name` of the Worker has its `WorkerOptions`. */
import { startInBrowser } from "../src/hosts/browser/index.ts";
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
});
tellStatus();

function tellStatus(): void {
  channel.post({ status: { tab, storageKind: broker.storageKind, flush } });
}
