import { readFileSync } from "node:fs";
import {
  connectionIdleMsMax,
  connectionsPerAddressShare,
  descriptorsSpare,
  openFilesMax,
  serverBudget,
} from "../../limits.ts";

/** Which connections a process takes, over all its ports. */
export class ConnectionLimits {
  readonly #max: number;
  readonly #perAddressMax: number;
  /** RocketMQ's serverChannelMaxIdleTimeSeconds: a connection from which nothing arrives for so long is closed. */
  readonly idleMs: number;
  #count = 0;
  readonly #byNetwork = new Map<string, number>();

  constructor(given: { readonly max?: number; readonly perAddressMax?: number; readonly idleMs?: number } = {}) {
    this.#max = given.max ?? serverBudget.connectionsMax;
    this.#perAddressMax = given.perAddressMax ?? Math.ceil(this.#max * connectionsPerAddressShare);
    this.idleMs = given.idleMs ?? connectionIdleMsMax;
  }

  /** Counts one more from an address; the reason if it may not be. */
  enter(address: string): string | undefined {
    if (this.#count >= this.#max) return `${this.#max} are open (connectionsMax)`;
    const network = networkOf(address);
    const before = this.#byNetwork.get(network) ?? 0;
    if (before >= this.#perAddressMax) {
      return `${this.#perAddressMax} from ${network} are open (connectionsPerAddressShare)`;
    }
    this.#count++;
    this.#byNetwork.set(network, before + 1);
    return undefined;
  }

  leave(address: string): void {
    const network = networkOf(address);
    this.#count--;
    const left = this.#byNetwork.get(network)! - 1;
    if (left === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, left);
  }
}

/** An IPv4 address; of IPv6 the first 64 bits, since whoever has one such address has all with the same. */
function networkOf(address: string): string {
  if (address.includes(".")) return address.slice(address.lastIndexOf(":") + 1);
  const [head = [], tail = []] = address.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}

/**
 * How many descriptors connections and files of the store may take at most, so that neither finds none left: as `limits.ts` has it, or
 * less where the process may have fewer (`ulimit -n`, which Node has raised to the hard limit).
 */
export function descriptorShares(limit = descriptorLimit()): { readonly connections: number; readonly files: number } {
  const files = Math.max(8, Math.min(openFilesMax, Math.floor(limit / 4)));
  return { files, connections: Math.max(8, Math.min(serverBudget.connectionsMax, limit - files - descriptorsSpare)) };
}

/** Where the system does not tell, it is taken to be enough; files that find none left close others. */
function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
