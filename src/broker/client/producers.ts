import { groupsPerClientMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { checkGroupName } from "../names.ts";
import { SetMap } from "../set-map.ts";
import type { Client, ClientInfo } from "./client.ts";
import type { Memberships } from "./memberships.ts";

/** Who produces for which group (ProducerManager). */
export class Producers {
  readonly #members: Memberships;
  readonly #clients = new Map<Client, Map<string, { info: ClientInfo; seenAtMs: number }>>();
  /** The client that came last under an id. */
  readonly #byId = new Map<string, Client>();
  readonly #groups = new SetMap<string, Client>();
  #turn = 0;

  constructor(members: Memberships) {
    this.#members = members;
  }

  /**
   * Throws INVALID_PARAMETER for a name that no group may have, and for a client with too many groups; SYSTEM_ERROR when all clients
   * together are in too many.
   */
  register(group: string, client: Client, info: ClientInfo, nowMs: number): void {
    checkGroupName(group);
    const groups = this.#clients.get(client) ?? new Map<string, { info: ClientInfo; seenAtMs: number }>();
    if (!groups.has(group)) {
      if (groups.size >= groupsPerClientMax) {
        throw new WasmqError("INVALID_PARAMETER", `a client may have ${groupsPerClientMax} producer groups`);
      }
      this.#members.join();
      this.#groups.add(group, client);
    }
    const before = groups.get(group)?.info.clientId;
    groups.set(group, { info, seenAtMs: nowMs });
    this.#clients.set(client, groups);
    if (before === info.clientId) return;
    this.#byId.set(info.clientId, client);
    if (before !== undefined) this.#forget(before, client);
  }

  /** Each client with its groups (ProducerManager.getProducerTable). */
  all(): { readonly client: Client; readonly group: string; readonly info: ClientInfo; readonly seenAtMs: number }[] {
    return [...this.#clients].flatMap(([client, groups]) =>
      Array.from(groups, ([group, said]) => ({ client, group, ...said })),
    );
  }

  /** The client that says of itself that it is this one, and produces for any group (ProducerManager.findChannel). */
  find(clientId: string): Client | undefined {
    return this.#byId.get(clientId);
  }

  /** A producer of the group, each in its turn; one that reads what it is sent, if there is such (ProducerManager.getAvailableChannel). */
  next(group: string): Client | undefined {
    const clients = [...this.#groups.of(group)];
    if (clients.length === 0) return undefined;
    this.#turn++;
    for (let i = 0; i < clients.length; i++) {
      const client = clients[(this.#turn + i) % clients.length]!;
      if (!client.isBehind) return client;
    }
    return clients[this.#turn % clients.length];
  }

  unregister(group: string, client: Client): void {
    const groups = this.#clients.get(client);
    const left = groups?.get(group);
    if (groups === undefined || left === undefined) return;
    groups.delete(group);
    this.#members.leave();
    this.#groups.delete(group, client);
    if (groups.size === 0) this.#clients.delete(client);
    this.#forget(left.info.clientId, client);
  }

  disconnected(client: Client): void {
    for (const group of [...(this.#clients.get(client)?.keys() ?? [])]) this.unregister(group, client);
  }

  /** Forgets producers of which nothing was heard since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [client, groups] of [...this.#clients]) {
      for (const [group, { seenAtMs }] of [...groups]) {
        if (seenAtMs < beforeMs) this.unregister(group, client);
      }
    }
  }

  /** An id by which a client is in none of its groups any more. */
  #forget(clientId: string, client: Client): void {
    if (this.#byId.get(clientId) !== client) return;
    for (const { info } of this.#clients.get(client)?.values() ?? []) if (info.clientId === clientId) return;
    this.#byId.delete(clientId);
  }
}
