import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Child } from "./child.ts";
import { freePort } from "./ports.ts";
import {
  type BrokerOptions,
  type RunningBroker,
  removeDirectory,
  startTimeoutMs,
  stopTimeoutMs,
  temporaryDirectory,
} from "./running-broker.ts";

const main = path.join(import.meta.dirname, "../../dist/cli/main.js");

/** The wasmq command; ends when it has said of so many roles that they serve. */
export async function startCommand(args: readonly string[], roles: number): Promise<Child> {
  const booted = new Set<string>();
  const watch = (line: string) => {
    const name = /^The (Name Server|broker)\[.*\] boot success/.exec(line)?.[1];
    if (name !== undefined) booted.add(name);
  };
  const child = new Child("wasmq", process.execPath, [main, ...args], watch);
  try {
    await child.until(() => booted.size === roles, `its ${roles} boot success lines`, startTimeoutMs);
  } catch (error) {
    child.signal("SIGKILL");
    await child.ended;
    throw error;
  }
  return child;
}

/** The wasmq command, as a user starts it: one process that is NameServer and broker. */
export async function startWasmq(options: BrokerOptions = {}): Promise<RunningBroker> {
  const directory = await temporaryDirectory("wasmq");
  const store = options.store ?? path.join(directory, "store");
  const namesrvPort = await freePort();
  // The port two below is that of clients with vipChannelEnabled.
  const brokerPort = await freePort([-2, 0]);
  const args = ["--store", store, "--namesrv-port", String(namesrvPort), "--broker-port", String(brokerPort)];
  if (options.flush !== undefined) args.push("--flush", options.flush);
  if (options.conf !== undefined) {
    const file = path.join(directory, "broker.conf");
    await writeFile(file, options.conf);
    args.push("--config", file);
  }

  let broker: Child;
  try {
    broker = await startCommand(args, 2);
  } catch (error) {
    await removeDirectory(directory);
    throw error;
  }

  return {
    namesrv: `127.0.0.1:${namesrvPort}`,
    store,
    async stop() {
      broker.signal("SIGTERM");
      const end = await broker.untilEnd(stopTimeoutMs);
      if (end !== "exit 0") throw new Error(`wasmq ended by ${end} after SIGTERM\n${broker.lastLines()}`);
    },
    async kill() {
      broker.signal("SIGKILL");
      await broker.untilEnd(stopTimeoutMs);
    },
    async restart() {
      broker = await startCommand(args, 2);
    },
    async close() {
      broker.signal("SIGKILL");
      await broker.ended;
      await removeDirectory(directory);
    },
  };
}
