import { type Answer, messagesOf, type RemotingClient } from "../lib/remoting-client.ts";

/** Messages that a broker said it has, to ask for them later. */
export class Ledger {
  /** By topic, the bodies that were acknowledged. */
  readonly #acked = new Map<string, Set<string>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Sends one message of some 200 bytes; its answer. Acknowledged it is in the ledger. */
  async send(client: RemotingClient, topic: string, queueId = 0): Promise<Answer> {
    const body = `${topic}-${++this.#count}`;
    const answer = await client.trySend(topic, body.padEnd(200, "."), { queueId });
    if (answer.code === 0) {
      const bodies = this.#acked.get(topic) ?? new Set<string>();
      this.#acked.set(topic, bodies.add(body));
    }
    return answer;
  }

  /** Those that the broker does not have any more. */
  async missing(client: RemotingClient): Promise<string[]> {
    const missing: string[] = [];
    for (const [topic, bodies] of this.#acked) {
      const found = new Set<string>();
      for (let queueId = 0; queueId < 4; queueId++)
        for (const body of await readQueue(client, topic, queueId)) found.add(body);
      for (const body of bodies) if (!found.has(body)) missing.push(body);
    }
    return missing;
  }

  get acked(): number {
    let acked = 0;
    for (const bodies of this.#acked.values()) acked += bodies.size;
    return acked;
  }
}

/** All bodies of a queue, without the dots at their ends. */
export async function readQueue(client: RemotingClient, topic: string, queueId: number): Promise<string[]> {
  const bodies: string[] = [];
  for (let offset = 0; ; ) {
    const answer = await client.pull("Reader", topic, queueId, offset, { subscription: "*" });
    for (const { body } of messagesOf(answer)) bodies.push(body.replace(/\.+$/, ""));
    const next = Number(answer.fields["nextBeginOffset"]);
    if (answer.code === 17 || !(next > offset)) return bodies;
    offset = next;
  }
}
