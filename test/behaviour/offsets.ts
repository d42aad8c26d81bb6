import { beforeEach, describe, expect, test } from "vitest";
import { messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { Start } from "./start.ts";

export function describeOffsets(start: Start): void {
  describe("offsets", () => {
    let client: RemotingClient;

    beforeEach(async () => {
      ({ client } = await start());
    });

    test("a group without an offset begins at 0 of a young or unwritten queue", async () => {
      const query = (more = {}) => client.request(14, { consumerGroup: "G", topic: "T", queueId: "0", ...more });
      expect((await query()).code).toBe(22);
      await client.send("T", "m0", { queueId: 1 });
      expect((await query()).fields["offset"]).toBe("0");
      await client.send("T", "m0");
      expect((await query()).fields["offset"]).toBe("0");
      expect((await query({ setZeroIfNotFound: "false" })).code).toBe(22);
      await client.consume("G", { T: "*" });
      const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
      succeeded(await client.request(15, commit));
      expect((await query()).fields["offset"]).toBe("1");
    });

    test("a pull commits on its way, once", async () => {
      await client.send("T", "m0");
      await client.consume("G", { T: "*" });
      const held = client.pull("G", "T", 0, 1, { suspendMs: 5_000, commit: 1 });
      succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "2" }));
      await client.send("T", "m1");
      await held;
      const offset = await client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" });
      expect(offset.fields["offset"]).toBe("2");
    });

    test("committing for a topic or group that is not there is refused", async () => {
      const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
      expect((await client.request(15, commit)).code).toBe(17);
      await client.send("T", "m0");
      expect((await client.request(15, commit)).code).toBe(26);
      await client.consume("G", { T: "*" });
      expect((await client.request(15, { ...commit, commitOffset: "9007199254740993" })).code).toBe(29);
      expect((await client.request(15, { ...commit, commitOffset: "0x1" })).code).toBe(1);
    });

    test("committing for a queue that is not there is refused, and a negative offset tells nothing", async () => {
      await client.send("T", "m0");
      await client.consume("G", { T: "*" });
      const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
      for (const queueId of ["-1", "4", "2147483647"]) {
        expect((await client.request(15, { ...commit, queueId })).code).toBe(29);
      }
      succeeded(await client.request(15, { ...commit, commitOffset: "-1" }));
      expect((await client.request(14, commit)).fields["offset"]).toBe("0");
      succeeded(await client.request(15, commit));
      succeeded(await client.request(15, { ...commit, commitOffset: "-1" }));
      expect((await client.request(14, commit)).fields["offset"]).toBe("1");
    });

    test("first, end and by time", async () => {
      const at = async (code: number, more: object = {}) => {
        const { fields } = succeeded(await client.request(code, { topic: "T", queueId: "0", ...more }));
        return Number(fields["offset"] ?? fields["timestamp"]);
      };
      expect([await at(31), await at(30), await at(32)]).toEqual([0, 0, -1]);
      for (let i = 0; i < 5; i++) {
        await client.send("T", `m${i}`);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      const times = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map((m) => m.storeTimestamp);
      expect([await at(31), await at(30), await at(32)]).toEqual([0, 5, times[0]]);
      for (const [timestamp, lower, upper] of [
        [times[0]! - 1, 0, 0],
        [times[2]!, 2, 2],
        [times[2]! + 1, 3, 2],
        [times[4]! + 1, 5, 4],
        ["9223372036854775807", 5, 4],
      ] as const) {
        expect(await at(29, { timestamp: String(timestamp) })).toBe(lower);
        expect(await at(29, { timestamp: String(timestamp), boundaryType: "UPPER" })).toBe(upper);
      }
    });

    test("a message is found by its place in the log, and by nothing else", async () => {
      await client.send("T", "m0");
      const { fields } = await client.send("T", "m1");
      const offset = Number.parseInt(fields["msgId"]!.slice(16), 16);
      expect(messagesOf(succeeded(await client.request(33, { offset: String(offset) })))[0]).toMatchObject({
        body: "m1",
      });
      for (const wrong of [offset + 1, 1_000_000_000_000, -5]) {
        expect((await client.request(33, { offset: String(wrong) })).code).toBe(1);
      }
    });
  });
}
