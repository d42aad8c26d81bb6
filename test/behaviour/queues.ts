/** Whole queues, filled and read again, for tests of what a store keeps. */
import { expect } from "vitest";
import { messagesOf, type PulledMessage, type RemotingClient } from "../lib/remoting-client.ts";

/** All messages of a queue, in order. */
export async function all(client: RemotingClient, topic: string, queueId = 0): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = [];
  for (let offset = 0; ; ) {
    const answer = await client.pull("G", topic, queueId, offset, { subscription: "*" });
    if (answer.code === 19) return messages;
    expect([0, 20, 21]).toContain(answer.code);
    if (answer.code === 0) messages.push(...messagesOf(answer));
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

/** Sends m0, m1, ... to the first three queues of T in turn. */
export async function fill(client: RemotingClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await client.send("T", `m${i}`, { queueId: i % 3, properties: { TAGS: i % 2 === 0 ? "A" : "B" } });
  }
}

/** What `fill` sent, as far as it is there, each queue's offsets being without a gap. */
export async function bodies(client: RemotingClient): Promise<string[]> {
  const found: string[] = [];
  for (const queueId of [0, 1, 2]) {
    const messages = await all(client, "T", queueId);
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual(messages.map((_, i) => i));
    found.push(...messages.map(({ body }) => body));
  }
  return found.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
}

export const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);
