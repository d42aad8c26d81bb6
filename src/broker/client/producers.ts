import { producerGroupsPerClientMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { checkGroupName } from "../names.ts";
import type { Client, ClientInfo } from "./client.ts";

/** Who produces for which group (ProducerManager). */
export class Producers {
  readonly #clients = new Map<Client, Map<string, { info: ClientInfo; seenAtMs: number }>>();

  /** Throws INVALID_PARAMETER for a name that no group may have, and for a client with too many groups. */
  register(group: string, client: Client, info: ClientInfo, nowMs: number): void {
    checkGroupName(group);
    let groups = this.#clients.get(client);
    if (groups === undefined) {
      groups = new Map();
      this.#clients.set(client, groups);
    }
    if (groups.size >= producerGroupsPerClientMax && !groups.has(group)) {
      throw new WasmqError("INVALID_PARAMETER", `a client may have ${producerGroupsPerClientMax} producer groups`);
    }
    groups.set(group, { info, seenAtMs: nowMs });
  }

  unregister(group: string, client: Client): void {
    const groups = this.#clients.get(client);
    groups?.delete(group);
    if (groups?.size === 0) this.#clients.delete(client);
  }

  disconnected(client: Client): void {
    this.#clients.delete(client);
  }

  /** Forgets producers of which nothing was heard since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [client, groups] of [...this.#clients]) {
      for (const [group, { seenAtMs }] of [...groups]) {
        if (seenAtMs < beforeMs) this.unregister(group, client);
      }
    }
  }
}
