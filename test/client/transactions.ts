import { expect, test } from "vitest";
import type { ReceivedMessage } from "../../src/client/message.ts";
import type { TransactionOutcome } from "../../src/client/transaction-producer.ts";
import { stored, texts } from "./sending.ts";
import { type Clients, until } from "./suite.ts";

export function transactionTests(clients: Clients): void {
  test("a message of a transaction is there once its local part has ended well, and never if it has not", async () => {
    const client = clients.client();
    const producer = client.transactionProducer({ group: "PG", check: () => "UNKNOWN" });
    const seen: string[][] = [];
    const look = async () => {
      seen.push(texts((await stored(client, "T")).flat()));
    };
    const committed = await producer.sendMessageInTransaction(
      { topic: "T", body: "committed", tag: "A", properties: { own: "value" }, flag: 3 },
      async (message, sent): Promise<TransactionOutcome> => {
        expect(message.body).toBe("committed");
        expect(sent.status).toBe("SEND_OK");
        await look();
        return "COMMIT";
      },
    );
    expect(committed).toMatchObject({ outcome: "COMMIT", status: "SEND_OK" });
    const rolledBack = await producer.sendMessageInTransaction({ topic: "T", body: "rolled back" }, () => "ROLLBACK");
    expect(rolledBack.outcome).toBe("ROLLBACK");
    await until(async () => (await stored(client, "T")).flat().length > 0, "the committed message");
    await look();
    expect(seen).toEqual([[], ["committed"]]);
    const [message] = (await stored(client, "T")).flat();
    expect(message).toMatchObject({ messageId: committed.messageId, tag: "A", flag: 3 });
    expect(message!.queueId).toBe(committed.queue.queueId);
    expect(message!.properties).toMatchObject({ own: "value", PGROUP: "PG", TRAN_MSG: "true" });
  });

  test("a producer is asked about what it did not know, or failed in, and answers in its time", async () => {
    const errors: string[] = [];
    const client = clients.client({ onError: (error, what) => errors.push(`${what}: ${(error as Error).message}`) });
    const asked: ReceivedMessage[] = [];
    const check = async (message: ReceivedMessage): Promise<TransactionOutcome> => {
      asked.push(message);
      await new Promise((resolve) => setTimeout(resolve, 10));
      return message.tag as TransactionOutcome;
    };
    const producer = client.transactionProducer({ group: "PG", check });
    const unknown = await producer.sendMessageInTransaction(
      { topic: "T", body: "good", tag: "COMMIT" },
      () => "UNKNOWN",
    );
    await producer.sendMessageInTransaction({ topic: "T", body: "bad", tag: "ROLLBACK" }, () => {
      throw new Error("no disk");
    });
    expect(errors).toEqual(["transaction of PG: no disk"]);
    await until(async () => (await stored(client, "T")).flat().length > 0, "the message that was asked about", 40_000);
    await until(() => new Set(asked.map(({ tag }) => tag)).size === 2, "both questions", 40_000);
    expect(texts((await stored(client, "T")).flat())).toEqual(["good"]);
    const question = asked.find(({ tag }) => tag === "COMMIT");
    expect(question).toMatchObject({ topic: "T", messageId: unknown.messageId, queueId: unknown.queue.queueId });
  });

  test("another client's producer of the group is asked when the first one is gone", async () => {
    const [first, second] = [clients.client(), clients.client()];
    const producer = first.transactionProducer({ group: "PG", check: () => "ROLLBACK" });
    await producer.sendMessageInTransaction({ topic: "T", body: "left" }, () => "UNKNOWN");
    await first.close();
    const heir = second.transactionProducer({ group: "PG", check: () => "COMMIT" });
    await heir.sendMessageInTransaction({ topic: "T", body: "own" }, () => "COMMIT");
    const all = async () => texts((await stored(second, "T")).flat()).sort();
    await until(async () => (await all()).length === 2, "what was left", 40_000);
    expect(await all()).toEqual(["left", "own"]);
  });

  test("what can't be a transaction is refused before anything is done", async () => {
    const client = clients.client();
    const producer = client.transactionProducer({ group: "PG", check: () => "UNKNOWN" });
    let executed = 0;
    const execute = (): TransactionOutcome => {
      executed++;
      return "COMMIT";
    };
    const delayed = producer.sendMessageInTransaction({ topic: "T", body: "later", delayLevel: 1 }, execute);
    await expect(delayed).rejects.toMatchObject({ code: "MESSAGE_ILLEGAL" });
    expect(() => client.transactionProducer({ group: "PG", check: () => "UNKNOWN" })).toThrow(/of the group PG/);
    await producer.close();
    const closed = producer.sendMessageInTransaction({ topic: "T", body: "closed" }, execute);
    await expect(closed).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
    expect(executed).toBe(0);
  });
}
