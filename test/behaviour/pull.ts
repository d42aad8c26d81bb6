import { beforeEach, describe, expect, test } from "vitest";
import { encodeBatch, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { Start } from "./start.ts";

export function describePulling(start: Start): void {
  describe("pulling", () => {
    let client: RemotingClient;

    beforeEach(async () => {
      ({ client } = await start());
    });

    test("each end of a queue is told apart", async () => {
      for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
      const pull = (offset: number) => client.pull("G", "T", 0, offset, { subscription: "*" });
      expect(await pull(1)).toMatchObject({
        code: 0,
        remark: "FOUND",
        fields: { nextBeginOffset: "3", minOffset: "0", maxOffset: "3", suggestWhichBrokerId: "0" },
      });
      expect(await pull(3)).toMatchObject({ code: 19, fields: { nextBeginOffset: "3" } });
      expect(await pull(9)).toMatchObject({ code: 21, fields: { nextBeginOffset: "3" } });
      expect(await pull(-1)).toMatchObject({ code: 21, fields: { nextBeginOffset: "0" } });
      expect(await client.pull("G", "T", 1, 0, { subscription: "*" })).toMatchObject({ code: 19 });
      expect(await client.pull("G", "T", 1, 5, { subscription: "*" })).toMatchObject({ code: 21 });
      expect(await client.pull("G", "T", 4, 0, { subscription: "*" })).toMatchObject({ code: 29 });
      expect(await client.pull("G", "Nowhere", 0, 0, { subscription: "*" })).toMatchObject({ code: 17 });
    });

    test("one pull brings 32 messages and 256 KiB at most", async () => {
      for (let i = 0; i < 40; i++) await client.send("T", `m${i}`);
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*", maxMessages: 100 })).length).toBe(32);
      expect(messagesOf(await client.pull("G", "T", 0, 5, { subscription: "*", maxMessages: 2 })).length).toBe(2);
      for (let i = 0; i < 3; i++) await client.send("T", "x".repeat(200_000), { queueId: 1 });
      expect(messagesOf(await client.pull("G", "T", 1, 0, { subscription: "*" })).length).toBe(1);
    });

    test("a filter passes over what does not match, and says how far it looked", async () => {
      // As one batch: a queue that is written out meanwhile is looked at in two pulls, up to there and from there.
      const items = Array.from({ length: 1_000 }, (_, i) => ({
        body: `m${i}`,
        properties: { TAGS: i === 900 ? "B" : "A" },
      }));
      succeeded(await client.trySend("T", encodeBatch(items), { batch: true }));
      const none = await client.pull("G", "T", 0, 0, { subscription: "B" });
      expect(none).toMatchObject({ code: 20, fields: { nextBeginOffset: "800" } });
      const found = await client.pull("G", "T", 0, 800, { subscription: "C || B" });
      expect(messagesOf(found).map(({ body }) => body)).toEqual(["m900"]);
      expect(found.fields["nextBeginOffset"]).toBe("1000");
    });

    test("a held pull is answered by the next message that matches", async () => {
      await client.send("T", "m0", { properties: { TAGS: "A" } });
      await client.consume("G", { T: "B" });
      const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000 });
      await client.send("T", "m1", { properties: { TAGS: "A" } });
      await client.send("T", "m2", { properties: { TAGS: "B" } });
      const answer = await held;
      expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m2"]);
      expect(answer.fields["nextBeginOffset"]).toBe("3");
    });

    test("a held pull is not kept waiting for what is there behind a long row that does not match", async () => {
      await client.send("T", "m0", { properties: { TAGS: "A" } });
      await client.consume("G", { T: "B" });
      const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000 });
      const items = Array.from({ length: 1_000 }, (_, i) => ({
        body: `m${i}`,
        properties: { TAGS: i < 999 ? "A" : "B" },
      }));
      succeeded(await client.trySend("T", encodeBatch(items), { batch: true }));
      expect(await held).toMatchObject({ code: 20, fields: { nextBeginOffset: "801" } });
      expect(messagesOf(await client.pull("G", "T", 0, 801)).map(({ body }) => body)).toEqual(["m999"]);
    });

    test("a held pull whose time is up is answered with nothing", async () => {
      await client.send("T", "m0");
      await client.consume("G", { T: "*" });
      const startedAt = performance.now();
      const answer = await client.pull("G", "T", 0, 1, { suspendMs: 150 });
      expect(answer).toMatchObject({ code: 19, fields: { nextBeginOffset: "1" } });
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(140);
    });

    test("without a registered subscription a push consumer is told so", async () => {
      await client.send("T", "m0");
      expect((await client.pull("G", "T", 0, 0)).code).toBe(24);
      await client.consume("G", { Other: "*" });
      expect((await client.pull("G", "T", 0, 0)).code).toBe(24);
      await client.consume("G", { T: "*" }, { version: 5 });
      expect((await client.pull("G", "T", 0, 0)).code).toBe(0);
    });
  });
}
