import { startApache } from "./apache-broker.ts";
import type { StartBroker } from "./running-broker.ts";
import { startWasmq } from "./wasmq-broker.ts";

/** The same tests run against both; what Apache does is what is right. */
export const brokers: readonly { readonly name: string; readonly start: StartBroker }[] = [
  { name: "Apache", start: startApache },
  { name: "wasmq", start: startWasmq },
];

/** What a topic or group name may contain, unique to one client generation. */
export function named(name: string, version: string): string {
  return `${name}-${version.replaceAll(".", "_")}`;
}
