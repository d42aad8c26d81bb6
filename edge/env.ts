import type { BrokerObject } from "./broker-object.ts";
import type { NameServerObject } from "./name-server-object.ts";

/** What wrangler.toml binds. */
export interface Env {
  readonly BROKER: DurableObjectNamespace<BrokerObject>;
  readonly NAME_SERVER: DurableObjectNamespace<NameServerObject>;
  /** How many broker objects there are. */
  readonly BROKERS: number;
  /** A secret: `wrangler secret put TOKEN`. */
  readonly TOKEN?: string;
}

const cluster = "DefaultCluster";

export { cluster };

/** The names of the brokers, which are those of their objects too. */
export function brokerNames(env: Env): string[] {
  return Array.from({ length: env.BROKERS }, (_, i) => `broker-${i}`);
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
