import { setFlagsFromString } from "node:v8";
import {
  printConfiguration,
  type Role,
  type RunningBroker,
  type RunningNamesrv,
  startBroker,
  startNamesrv,
  startWasmq,
  type Telemetry,
  type WasmqOptions,
} from "../hosts/node/index.ts";
import { endSoon } from "./end.ts";
import { withEnvironment } from "./environment.ts";
import { told, UsageError } from "./failure.ts";

const common = {
  store: { type: "string" },
  bind: { type: "string" },
  config: { type: "string", short: "c" },
  print: { type: "boolean", short: "p" },
  help: { type: "boolean", short: "h" },
} as const;

const ofNamesrv = { "namesrv-port": { type: "string" } } as const;

const ofBroker = {
  "broker-port": { type: "string" },
  advertise: { type: "string" },
  cluster: { type: "string" },
  "broker-name": { type: "string" },
  namesrv: { type: "string", short: "n" },
  flush: { type: "string" },
  "stop-timeout": { type: "string" },
} as const;

export const startOptions = { ...common, ...ofNamesrv, ...ofBroker } as const;
export const namesrvOptions = { ...common, ...ofNamesrv } as const;
export const brokerOptions = { ...common, ...ofBroker } as const;

type Values = { readonly [name in keyof typeof startOptions]?: string | boolean | undefined };

/** A NameServer and a broker. Runs until a signal ends it; the exit code. */
export function start(values: Values): Promise<number> {
  return serve("both", withEnvironment(values, startOptions), async (options) => {
    const wasmq = await startWasmq(options);
    const { namesrvAddress, store } = wasmq;
    return {
      lines: [
        namesrvLine(wasmq),
        brokerLine(wasmq),
        `Clients: set the name server address to ${namesrvAddress} (store: ${store})`,
      ],
      stop: () => wasmq.stop(),
      goodbye: "The broker has stopped",
    };
  });
}

/** A NameServer alone. */
export function namesrv(values: Values): Promise<number> {
  return serve("namesrv", withEnvironment(values, namesrvOptions), async (options) => {
    const running = await startNamesrv(options);
    return { lines: [namesrvLine(running)], stop: () => running.stop(), goodbye: "The Name Server has stopped" };
  });
}

/** A broker alone. As for RocketMQ's, NAMESRV_ADDR of the environment names its NameServers where nothing else does. */
export function broker(values: Values): Promise<number> {
  const said = withEnvironment(values, brokerOptions);
  return serve("broker", said, async (options) => {
    const running = await startBroker(options);
    return { lines: [brokerLine(running)], stop: () => running.stop(), goodbye: "The broker has stopped" };
  });
}

function namesrvLine({ namesrvAddress }: RunningNamesrv): string {
  return `The Name Server[${namesrvAddress}] boot success`;
}

function brokerLine({ brokerName, brokerAddress, nameServers }: RunningBroker): string {
  const told = nameServers.length === 0 ? "" : `. serializeType=JSON and name server is ${nameServers.join(";")}`;
  return `The broker[${brokerName}, ${brokerAddress}] boot success${told}`;
}

interface Running {
  /** What is said once it serves. */
  readonly lines: readonly string[];
  readonly goodbye: string;
  stop(): Promise<void>;
}

async function serve(role: Role, values: Values, boot: (options: WasmqOptions) => Promise<Running>): Promise<number> {
  // What a request makes is garbage a turn later. A young generation that never grows costs the broker nothing measurable, and keeps
  // some 100 MB from being resident that would only hold garbage.
  setFlagsFromString("--semi-space-growth-factor=1");
  let running: Running;
  try {
    const options = read(role, values);
    if (values.print === true) {
      console.log(await printConfiguration(role, options));
      return 0;
    }
    running = await boot({ ...options, telemetry: standardError });
  } catch (error) {
    return told(error);
  }
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
  for (const line of running.lines) console.log(line);
  await signalled;
  try {
    await running.stop();
  } catch (error) {
    console.error(`wasmq: not stopped cleanly: ${error instanceof Error ? error.message : error}`);
    endSoon();
    return 1;
  }
  console.log(running.goodbye);
  return 0;
}

function read(role: Role, values: Values): WasmqOptions {
  const text = (name: keyof Values): string | undefined => {
    const value = values[name];
    if (value === "") throw new UsageError(`--${name} needs a value`);
    return typeof value === "string" ? value : undefined;
  };
  const flush: string | undefined = text("flush");
  if (flush !== undefined && flush !== "async" && flush !== "sync") {
    throw new UsageError(`--flush is async or sync, not ${flush}`);
  }
  const options = {
    store: text("store"),
    bind: text("bind"),
    namesrvPort: port(text("namesrv-port"), "namesrv-port"),
    brokerPort: port(text("broker-port"), "broker-port"),
    advertise: text("advertise"),
    cluster: text("cluster"),
    brokerName: text("broker-name"),
    namesrv: text("namesrv") ?? (role === "broker" ? rocketmqNameServers() : undefined),
    flush: flush as "async" | "sync" | undefined,
    stopTimeoutSeconds: seconds(text("stop-timeout"), "stop-timeout"),
    config: text("config"),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What RocketMQ's own broker goes by (MixAll.NAMESRV_ADDR_ENV). */
function rocketmqNameServers(): string | undefined {
  const said = process.env["NAMESRV_ADDR"];
  return said === "" ? undefined : said;
}

function port(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw new UsageError(`--${name} is a number from 0 to 65535, not ${text}`);
  return value;
}

function seconds(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`--${name} is a number of seconds, not ${text}`);
  return Number(text);
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
