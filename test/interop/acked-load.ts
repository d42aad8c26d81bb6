import { expect } from "vitest";
import type { JavaClients, JavaProgram } from "./java-client.ts";

const consumeMs = 120_000;

/** Consumes the topic with a new group: every acked message is there, and no queue has a gap. */
export async function expectAllConsumed(
  clients: JavaClients,
  namesrv: string,
  topic: string,
  group: string,
  acked: readonly string[],
): Promise<{ readonly consumed: number; readonly distinct: number }> {
  const probe = clients.start(namesrv, "Probe", { topic, "ends-only": "true" });
  await probe.finish();
  const ends = probe.all("queue");
  const stored = ends.reduce((sum, queue) => sum + queue.max, 0);

  const consumer = clients.start(namesrv, "Consume", { topic, group, brief: "true" });
  await consumer.untilCaughtUp(stored, consumeMs);
  await consumer.stop();

  const lines = consumer.all("message");
  const keys = new Set(lines.map((line) => line.keys));
  const missing = acked.filter((key) => !keys.has(key));
  expect(missing.slice(0, 10), `${missing.length} of ${acked.length} acked messages are lost`).toEqual([]);
  for (const { queueId, max } of ends) {
    const offsets = new Set(lines.filter((line) => line.queueId === queueId).map((line) => line.queueOffset));
    const gaps = Array.from({ length: max }, (_, offset) => offset).filter((offset) => !offsets.has(offset));
    expect(gaps.slice(0, 10), `${gaps.length} of ${max} offsets of queue ${queueId} gave no message`).toEqual([]);
  }
  return { consumed: lines.length, distinct: keys.size };
}

export function ackedKeys(load: JavaProgram): string[] {
  return load.all("acked").map((line) => line.keys);
}

/** Waits until the load had this many answers more. */
export async function untilAcked(load: JavaProgram, more: number): Promise<void> {
  const before = load.counts.acked;
  await load.until(() => load.counts.acked >= before + more, `${more} more acked messages`);
}
