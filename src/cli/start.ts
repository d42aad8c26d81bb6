import { startWasmq, type Telemetry, type Wasmq } from "../hosts/node/index.ts";
import { told, UsageError } from "./failure.ts";

export const startOptions = {
  store: { type: "string" },
  bind: { type: "string" },
  "namesrv-port": { type: "string" },
  "broker-port": { type: "string" },
  advertise: { type: "string" },
  cluster: { type: "string" },
  "broker-name": { type: "string" },
  flush: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = { readonly [name in keyof typeof startOptions]?: string | boolean | undefined };

/** Runs until a signal ends it; the exit code. */
export async function start(values: Values): Promise<number> {
  let wasmq: Wasmq;
  try {
    wasmq = await startWasmq({ ...read(values), telemetry: standardError });
  } catch (error) {
    return told(error);
  }
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
  const name = typeof values["broker-name"] === "string" ? values["broker-name"] : "broker-a";
  console.log(`The Name Server[${wasmq.namesrvAddress}] boot success`);
  console.log(`The broker[${name}, ${wasmq.brokerAddress}] boot success`);
  console.log(`Clients: set the name server address to ${wasmq.namesrvAddress} (store: ${wasmq.store})`);
  await signalled;
  try {
    await wasmq.stop();
  } catch (error) {
    console.error(`wasmq: not stopped cleanly: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
  console.log("The broker has stopped");
  return 0;
}

function read(values: Values) {
  const text = (name: keyof Values): string | undefined => {
    const value = values[name];
    if (value === "") throw new UsageError(`--${name} needs a value`);
    return typeof value === "string" ? value : undefined;
  };
  const flush: string | undefined = text("flush");
  if (flush !== undefined && flush !== "async" && flush !== "sync") {
    throw new UsageError(`--flush is async or sync, not ${flush}`);
  }
  return defined({
    store: text("store"),
    bind: text("bind"),
    namesrvPort: port(text("namesrv-port"), "namesrv-port"),
    brokerPort: port(text("broker-port"), "broker-port"),
    advertise: text("advertise"),
    cluster: text("cluster"),
    brokerName: text("broker-name"),
    flush: flush as "async" | "sync" | undefined,
  });
}

function port(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw new UsageError(`--${name} is a number from 0 to 65535, not ${text}`);
  return value;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Standard output is for what tools wait for; all else goes here. */
const standardError: Telemetry = {
  log(level, event, fields = {}) {
    const details = Object.entries(fields)
      .map(([name, value]) => ` ${name}=${value}`)
      .join("");
    console.error(`${new Date().toISOString()} ${level.toUpperCase()} ${event}${details}`);
  },
};
