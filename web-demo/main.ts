import { Client, WasmqError } from "../src/client/index.ts";
import { type FlushMode, openBroker, type StorageKind } from "../src/hosts/browser/index.ts";
import { type App, groups } from "./app.ts";
import { brokerName, DemoChannel, type WorkerOptions } from "./demo-channel.ts";
import { element } from "./dom.ts";
import { brokerPanel } from "./panels/broker.ts";
import { commitLogPanel } from "./panels/commit-log.ts";
import { groupPanel } from "./panels/group.ts";
import { publishPanel } from "./panels/publish.ts";
import { troublePanel } from "./panels/trouble.ts";
import { Settings } from "./settings.ts";
import { Watch } from "./watch.ts";

const channel = new DemoChannel();
const settings = new Settings();
const trouble = troublePanel(channel);
const main = document.querySelector("main")!;

try {
  if (!isSecureContext) {
    throw new WasmqError("ADDRESS_UNUSABLE", "browsers give what a broker needs to https and to http://127.0.0.1 only");
  }
  // Tabs tell each other apart by it.
  const tab = `tab-${crypto.randomUUID().slice(0, 4)}`;
  const options = workerOptions(tab, new URLSearchParams(location.search));
  const broker = openBroker({
    name: brokerName,
    worker: () =>
      new Worker(new URL("./broker-worker.ts", import.meta.url), { type: "module", name: JSON.stringify(options) }),
    telemetry: {
      log: (level, event, fields) => trouble.show(level, [event, ...Object.values(fields ?? {})].join(", ")),
    },
  });
  const client = new Client({
    nameServers: [broker.address],
    carrier: broker.carrier,
    clientId: `${tab}@${crypto.randomUUID()}`,
    // Another tab may have to take the broker over meanwhile.
    requestTimeoutMs: 10_000,
    onError: trouble.report,
  });
  const watch = new Watch(client, settings, groups, trouble.report);
  const app: App = { tab, broker, client, channel, settings, watch, report: trouble.report };
  main.append(
    trouble.element,
    element("div", { class: "columns" }, publishPanel(app), brokerPanel(app)),
    element("div", { class: "columns" }, ...groups.map((group) => groupPanel(app, group))),
    commitLogPanel(app),
  );
  watch.soon();
} catch (error) {
  main.append(trouble.element);
  trouble.report(error, "start");
}

/** `?storage=opfs|indexeddb&flush=async|sync` are for the broker that this tab may start. Throws INVALID_PARAMETER. */
function workerOptions(tab: string, query: URLSearchParams): WorkerOptions {
  const storage = oneOf<StorageKind>(query, "storage", ["opfs", "indexeddb"]);
  const flush = oneOf<FlushMode>(query, "flush", ["async", "sync"]) ?? "async";
  return { tab, flush, ...(storage === undefined ? {} : { storage }) };
}

function oneOf<Value extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly Value[],
): Value | undefined {
  const given = query.get(name);
  if (given === null) return undefined;
  const value = values.find((each) => each === given);
  if (value === undefined) throw new WasmqError("INVALID_PARAMETER", `${name} is ${values.join(" or ")}, not ${given}`);
  return value;
}
