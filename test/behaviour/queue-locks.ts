import { beforeEach, describe, expect, test } from "vitest";
import { json, type RemotingClient } from "../lib/remoting-client.ts";
import type { Start } from "./start.ts";

export function describeQueueLocks(start: Start): void {
  describe("locked queues", () => {
    let client: RemotingClient;

    beforeEach(async () => {
      ({ client } = await start());
    });

    test("only queues that are there are locked", async () => {
      await client.send("T", "m0");
      const queue = (topic: string, queueId: number) => ({ brokerName: "broker-a", queueId, topic });
      const mqSet = [queue("T", 3), queue("T", 4), queue("T", -1), queue("T", 0.5), queue("Nowhere", 0)];
      const locked = await client.request(41, {}, { clientId: "one", consumerGroup: "G", mqSet });
      expect(json(locked)).toEqual({ lockOKMQSet: [queue("T", 3)] });
      expect((await client.request(41, {}, { clientId: "x".repeat(2_000), consumerGroup: "G", mqSet })).code).toBe(29);
      expect((await client.request(41, {}, { clientId: "one", consumerGroup: "a/b", mqSet })).code).toBe(26);
    });

    test("a queue is locked by one client at a time", async () => {
      await client.send("T", "m0");
      const mqSet = [0, 1].map((queueId) => ({ brokerName: "broker-a", queueId, topic: "T" }));
      const lock = async (clientId: string, code = 41) =>
        (await client.request(code, {}, { clientId, consumerGroup: "G", mqSet })) as never;
      expect(json(await lock("one"))).toEqual({ lockOKMQSet: mqSet });
      expect(json(await lock("two"))).toEqual({ lockOKMQSet: [] });
      await lock("two", 42);
      expect(json(await lock("two"))).toEqual({ lockOKMQSet: [] });
      await lock("one", 42);
      expect(json(await lock("two"))).toEqual({ lockOKMQSet: mqSet });
    });
  });
}
