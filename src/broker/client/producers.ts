import type { Client, ClientInfo } from "./client.ts";

/** Who produces for which group (ProducerManager). */
export class Producers {
  readonly #groups = new Map<string, Map<Client, { info: ClientInfo; seenAtMs: number }>>();

  register(group: string, client: Client, info: ClientInfo, nowMs: number): void {
    let members = this.#groups.get(group);
    if (members === undefined) {
      members = new Map();
      this.#groups.set(group, members);
    }
    members.set(client, { info, seenAtMs: nowMs });
  }

  unregister(group: string, client: Client): void {
    const members = this.#groups.get(group);
    members?.delete(client);
    if (members?.size === 0) this.#groups.delete(group);
  }

  disconnected(client: Client): void {
    for (const group of [...this.#groups.keys()]) this.unregister(group, client);
  }

  /** Forgets producers of which nothing was heard since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [group, members] of [...this.#groups]) {
      for (const [client, { seenAtMs }] of [...members]) {
        if (seenAtMs < beforeMs) this.unregister(group, client);
      }
    }
  }
}
