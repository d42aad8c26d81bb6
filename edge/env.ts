import { WasmqError } from "../src/hosts/durable-object/index.ts";
import type { BrokerObject } from "./broker-object.ts";
import type { NameServerObject } from "./name-server-object.ts";

/** What wrangler.toml binds. */
export interface Env {
  readonly BROKER: DurableObjectNamespace<BrokerObject>;
  readonly NAME_SERVER: DurableObjectNamespace<NameServerObject>;
  /** How many broker objects there are: a number, or a text that is one. */
  readonly BROKERS: number | string;
  /** RocketMQ's messageDelayLevel: 18 levels, as `1s 5s 10s`. */
  readonly MESSAGE_DELAY_LEVEL?: string;
  /** A secret: `wrangler secret put TOKEN`. */
  readonly TOKEN?: string;
}

export const cluster = "DefaultCluster";

/** Every broker is asked for its topics once, all at the same time. */
const brokersMax = 256;

/** The names of the brokers, which are those of their objects too. Throws INVALID_PARAMETER for a BROKERS that is no such number. */
export function brokerNames(env: Env): string[] {
  const count = Number(env.BROKERS);
  if (!Number.isInteger(count) || count < 1 || count > brokersMax) {
    throw new WasmqError("INVALID_PARAMETER", `BROKERS is a number from 1 to ${brokersMax}, not ${env.BROKERS}`);
  }
  return Array.from({ length: count }, (_, i) => `broker-${letters(i)}`);
}

/** a to z, then aa and on, as RocketMQ's operators name their brokers. */
function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

/** Where a broker is found below the deployment's origin. */
export function brokerPath(brokerName: string): string {
  return `/brokers/${brokerName}`;
}

export function nameServer(env: Env): DurableObjectStub<NameServerObject> {
  return env.NAME_SERVER.get(env.NAME_SERVER.idFromName(cluster));
}

export function broker(env: Env, brokerName: string): DurableObjectStub<BrokerObject> {
  return env.BROKER.get(env.BROKER.idFromName(brokerName));
}
