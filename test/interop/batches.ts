import { expect } from "vitest";
import { encodeBatch, messagesOf } from "../lib/remoting-client.ts";
import type { RunningBroker } from "./running-broker.ts";
import { wireClients } from "./wire-client.ts";

const items = [{ body: "a", properties: { UNIQ_KEY: "1", TAGS: "A" } }, { body: "b" }, { body: "" }];
const batch = encodeBatch(items);

/** What the official clients never send, so that only a wire shows what is made of it. */
const refused: readonly (readonly [name: string, code: number, header: Record<string, string>])[] = [
  ["delayed", 13, { i: "DELAY\u00013\u0002" }],
  ["a delay that is none", 1, { i: "DELAY\u0001x\u0002" }],
  ["of a transaction", 13, { f: "4" }],
  ["that ends a transaction", 13, { f: "8" }],
  ["as a record of batches", 13, { f: "192" }],
  ["to a retry topic", 13, { b: "%RETRY%Batches" }],
  ["to a retry topic with a long name", 13, { b: `%RETRY%${"g".repeat(125)}` }],
  ["to a topic with a long name", 29, { b: "t".repeat(128) }],
  ["to a queue that is not there", 29, { e: "4" }],
  ["to a topic of the broker's own", 16, { b: "SCHEDULE_TOPIC_XXXX" }],
];

const taken: readonly (readonly [name: string, code: number, header: Record<string, string>])[] = [
  ["by 320", 320, {}],
  ["by 310", 310, {}],
  ["with a delay of nothing, and a mark of transactions", 320, { i: "DELAY\u00010\u0002TRAN_MSG\u0001true\u0002" }],
  ["without properties", 320, { i: "" }],
  ["tried before", 320, { j: "3", l: "1" }],
  ["to dead letters", 320, { b: "%DLQ%Batches" }],
  ["of a name as long as may be", 320, { b: "t".repeat(127) }],
];

function patched(offset: number, value: number): Uint8Array {
  const bytes = batch.slice();
  new DataView(bytes.buffer).setInt32(offset, value);
  return bytes;
}

/** Apache's decoder ends in an exception of Java's (SYSTEM_ERROR), wasmq says MESSAGE_ILLEGAL: a client need not try again. */
const unreadable: readonly (readonly [name: string, body: Uint8Array])[] = [
  ["nothing", new Uint8Array(0)],
  ["3 bytes", batch.slice(0, 3)],
  ["the end missing", batch.slice(0, -1)],
  ["a byte too many", new Uint8Array([...batch, 0])],
  ["a body beyond the end", patched(16, 1_000)],
  ["a negative body", patched(16, -1)],
  ["properties beyond the end", patched(20, 0x61_7f_ff_00)],
  ["4 MiB and a byte", encodeBatch([{ body: "x".repeat(4 * 1024 * 1024 - 21) }])],
];

/** The same expectations of Apache's broker and of wasmq. */
export async function judgeBatches(broker: RunningBroker): Promise<void> {
  const { namesrv, client } = await wireClients(broker);
  const header = (given: Record<string, string>) => ({
    ...{ a: "PG", b: "Batches", c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", m: "true" },
    i: "UNIQ_KEY\u0001BATCH\u0002WAIT\u0001true\u0002",
    ...given,
  });
  const sent = new Map<string, number>();
  for (const [name, code, given] of taken) {
    const asked = header(given);
    const { code: answered, fields } = await client.request(code, asked, batch);
    expect(answered, name).toBe(0);
    const before = sent.get(asked.b) ?? 0;
    sent.set(asked.b, before + items.length);
    expect(fields, name).toMatchObject({ queueId: "0", queueOffset: String(before), TRACE_ON: "true" });
    expect(fields["msgId"]!.split(",").length, name).toBe(items.length);
    expect(fields["transactionId"], name).toBe(asked.i.includes("UNIQ_KEY") ? "BATCH" : undefined);
  }
  for (const [name, code, given] of refused) {
    expect((await client.request(320, header(given), batch)).code, name).toBe(code);
  }
  for (const [name, body] of unreadable) {
    expect([1, 13], name).toContain((await client.request(320, header({}), body)).code);
  }
  for (const [topic, count] of sent) {
    const pull = () => client.pull("BatchesJudge", topic, 0, 0, { subscription: "*" });
    await expect.poll(async () => messagesOf(await pull()).length, { timeout: 10_000 }).toBe(count);
    for (const [i, { body, properties }] of messagesOf(await pull()).entries()) {
      const { body: given, properties: own = {} } = items[i % items.length]!;
      expect({ body, properties }, `${topic} ${i}`).toEqual({ body: given, properties: own });
    }
  }
  namesrv.close();
  client.close();
}
