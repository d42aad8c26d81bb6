import { describe, expect, test } from "vitest";
import type { BrokerRules } from "../../src/broker/settings.ts";
import { json, messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { connect, type Start } from "./start.ts";

/** Slots of a fiftieth of a second, so that nobody waits long. */
const rules: Partial<BrokerRules> = { timerPrecisionMs: 20, timerFlushIntervalMs: 20, recallMessageEnable: true };

export function describeTimers(start: Start): void {
  describe("times of delivery", () => {
    const started = (more: Partial<BrokerRules> = {}) => start({ rules: { ...rules, ...more } });

    const next = async (client: RemotingClient, offset = 0, topic = "T") => {
      const answer = await client.pull("G", topic, 0, offset, { suspendMs: 15_000, subscription: "*" });
      return messagesOf(answer)[0]!;
    };
    const deliverAt = (ms: number, more: Record<string, string> = {}) => ({
      properties: { TIMER_DELIVER_MS: String(ms), ...more },
    });
    const recall = (client: RemotingClient, recallHandle: string | undefined, topic = "T") =>
      client.request(370, { producerGroup: "PG", topic, recallHandle });

    test.each([
      ["TIMER_DELAY_MS", (ms: number) => String(ms)],
      ["TIMER_DELIVER_MS", (ms: number) => String(Date.now() + ms)],
    ])("a message with %s comes when its time has come, with what it was sent with", async (name, value) => {
      const { client } = await started();
      await client.send("T", "other", { queueId: 1 });
      const before = Date.now();
      const sent = await client.send("T", "m", { properties: { [name]: value(500), TAGS: "A" } });
      expect(sent.fields).toMatchObject({ queueId: "0", queueOffset: "0" });
      const message = await next(client);
      expect(message).toMatchObject({ topic: "T", body: "m", queueId: 0, queueOffset: 0 });
      expect(message.storeTimestamp - before).toBeGreaterThanOrEqual(500);
      const { properties } = message;
      expect(properties).toMatchObject({
        TAGS: "A",
        REAL_TOPIC: "T",
        REAL_QID: "0",
        UNIQ_KEY: sent.fields["transactionId"],
      });
      const outMs = Number(properties["TIMER_OUT_MS"]);
      expect(message.storeTimestamp).toBeGreaterThanOrEqual(outMs + 20);
      expect(Number(properties["TIMER_ENQUEUE_MS"])).toBeLessThanOrEqual(outMs);
      expect(Number(properties["TIMER_DEQUEUE_MS"])).toBeGreaterThanOrEqual(outMs + 20);
      const [parked] = messagesOf(await client.pull("G", "rmq_sys_wheel_timer", 0, 0, { subscription: "*" }));
      expect(parked).toMatchObject({ body: "m", properties: { REAL_TOPIC: "T", [name]: expect.anything() } });
    });

    test("later ones come later, whatever the order in which they were sent", async () => {
      const { client } = await started();
      const now = Date.now();
      for (const ms of [600, 200, 400]) await client.send("T", String(ms), deliverAt(now + ms));
      const bodies: string[] = [];
      for (let offset = 0; offset < 3; offset++) bodies.push((await next(client, offset)).body);
      expect(bodies).toEqual(["200", "400", "600"]);
    });

    test("a time that is over is now; a delay level goes before a time", async () => {
      const { client } = await started();
      await client.send("T", "past", deliverAt(Date.now() - 1));
      expect(await next(client)).toMatchObject({ body: "past" });
      await client.send("T", "level", deliverAt(Date.now() + 60_000, { DELAY: "1" }));
      const message = await next(client, 1);
      expect(message.body).toBe("level");
      expect(Object.keys(message.properties)).not.toContain("TIMER_DELIVER_MS");
    });

    test("times that can't be are refused, with the limit's name", async () => {
      const { client } = await started();
      await client.send("T", "there");
      const threeDays = 3 * 24 * 3_600;
      for (const properties of [
        { TIMER_DELAY_SEC: String(threeDays + 1) },
        { TIMER_DELAY_MS: String(threeDays * 1_000 + 1) },
        { TIMER_DELIVER_MS: String(Date.now() + threeDays * 1_000 + 60_000) },
        { TIMER_DELIVER_MS: "9223372036854775807" },
        { TIMER_DELAY_SEC: "soon" },
        { TIMER_DELIVER_MS: String(Date.now() - 1), TIMER_DEL_UNIQKEY: "U1" },
      ]) {
        const refused = await client.trySend("T", "m", { properties });
        expect(refused.code, JSON.stringify(properties)).toBe(13);
        expect(refused.remark).toMatch(/max delay 259200000ms \(timerMaxDelaySec: 259200\)/);
      }
      expect((await client.trySend("T", "m", { properties: { TIMER_DELAY_SEC: String(threeDays) } })).code).toBe(0);
      expect((await client.trySend("rmq_sys_wheel_timer", "m")).code).toBe(16);
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }))).toHaveLength(1);
    });

    test("without a wheel, and with a slot that is full, times are refused", async () => {
      const none = await started({ timerWheelEnable: false });
      const refused = await none.client.trySend("T", "m", { properties: { TIMER_DELAY_SEC: "1" } });
      expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("timerWheelEnable") });

      const { client } = await started({ timerCongestNumEachSlot: 1 });
      const at = Date.now() + 600_000;
      await client.send("T", "first", deliverAt(at));
      // It is on the wheel once its successor is.
      await client.send("T", "soon", { properties: { TIMER_DELAY_MS: "1" } });
      await next(client);
      expect(await client.trySend("T", "second", deliverAt(at))).toMatchObject({
        code: 1,
        remark: expect.stringContaining("timerCongestNumEachSlot"),
      });
      await client.send("T", "elsewhere", deliverAt(at + 1_000));
    });

    test("how many wait, and how far the wheel is, is told to tools", async () => {
      const { client } = await started();
      const at = Date.now() + 600_000;
      for (let i = 0; i < 2; i++) await client.send("T", `m${i}`, deliverAt(at));
      const info = async () => {
        const { table } = json(succeeded(await client.request(28))) as { table: Record<string, string> };
        return [table["timerOffsetBehind"], table["timerCongestNum"], table["timerReadBehind"]];
      };
      await expect.poll(info).toEqual(["0", "2", "0"]);
      const metrics = json(succeeded(await client.request(61)));
      expect(metrics).toMatchObject({ dataVersion: { counter: 2 }, timingCount: { T: { count: 2 } } });
      const queueOffset = async () => {
        const { body } = succeeded(await client.request(60));
        expect(body.length).toBe(56);
        return Number(new DataView(body.buffer, body.byteOffset).getBigInt64(16));
      };
      await expect.poll(queueOffset).toBe(2);

      const none = await started({ timerWheelEnable: false });
      for (const code of [60, 61]) expect(await none.client.request(code)).toMatchObject({ code: 1 });
    });

    test("a message that is recalled does not come, and its neighbour does", async () => {
      const { client } = await started();
      const at = Date.now() + 1_500;
      const kept = await client.send("T", "kept", deliverAt(at));
      const recalled = await client.send("T", "recalled", deliverAt(at));
      const handle = recalled.fields["recallHandle"]!;
      const uniqueKey = recalled.fields["transactionId"]!;
      const parts = textOf(handle).split(" ");
      expect(parts).toEqual(["v1", "T", "broker-a", expect.stringMatching(/^\d{11}[02468]1$/), uniqueKey]);
      expect(kept.fields["recallHandle"]).not.toBe(handle);
      expect(succeeded(await recall(client, handle)).fields).toMatchObject({ msgId: uniqueKey });
      await client.send("T", "after", deliverAt(at + 40));
      expect(await next(client)).toMatchObject({ body: "kept" });
      expect(await next(client, 1)).toMatchObject({ body: "after" });
      // Its time is over.
      expect((await recall(client, handle)).code).toBe(604);
    });

    test("what can't be recalled is refused", async () => {
      const { client } = await started();
      const sent = await client.send("T", "m", deliverAt(Date.now() + 60_000));
      const handle = sent.fields["recallHandle"]!;
      expect((await client.send("T", "plain")).fields["recallHandle"]).toBeUndefined();
      await client.send("U", "m");
      expect((await recall(client, handle, "None")).code).toBe(17);
      expect(await recall(client, handle, "U")).toMatchObject({ code: 604, remark: "recall failed, topic not match" });
      for (const none of ["", "%%%", "djEgVA==", "A".repeat(100_000)]) {
        expect(await recall(client, none)).toMatchObject({ code: 604, remark: "recall handle is invalid" });
      }
      const off = await started({ recallMessageEnable: false });
      await off.client.send("T", "m");
      expect(await recall(off.client, handle)).toMatchObject({ code: 16 });
    });

    test.each(["a clean stop", "a kill"])(
      "what waits is delivered after %s, once, and not before its time",
      async (end) => {
        const { broker, client } = await started();
        const at = Date.now() + 1_200;
        await client.send("T", "overdue", { properties: { TIMER_DELAY_MS: "200" } });
        for (const body of ["a", "b"]) await client.send("T", body, deliverAt(at));
        await (end === "a kill" ? broker.kill() : broker.stop());
        await new Promise((resolve) => setTimeout(resolve, 250));
        await broker.start();
        const after = await connect(broker);
        const found: PulledMessage[] = [];
        for (let offset = 0; offset < 3; offset++) found.push(await next(after, offset));
        expect(found.map(({ body }) => body)).toEqual(["overdue", "a", "b"]);
        for (const { storeTimestamp } of found.slice(1)) expect(storeTimestamp).toBeGreaterThanOrEqual(at);
        // Long enough ago to be written down.
        await new Promise((resolve) => setTimeout(resolve, 300));
        await (end === "a kill" ? broker.kill() : broker.stop());
        await broker.start();
        const last = await connect(broker);
        await last.send("T", "last");
        expect(await next(last, 3)).toMatchObject({ body: "last" });
      },
    );

    test("a message that its consumer could not take waits for its level then, and not for its time", async () => {
      const { client } = await start({ rules, messageDelayLevel: "1s 1s 1s" });
      await client.send("T", "m", { properties: { TIMER_DELAY_MS: "50" } });
      await client.consume("G", { T: "*" });
      const { physicalOffset } = await next(client);
      succeeded(
        await client.request(36, {
          ...{ group: "G", offset: String(physicalOffset), delayLevel: "0", originMsgId: "", originTopic: "T" },
          ...{ unitMode: "false", maxReconsumeTimes: "2" },
        }),
      );
      const again = await next(client, 0, "%RETRY%G");
      expect(again).toMatchObject({ body: "m", reconsumeTimes: 1 });
      expect(Object.keys(again.properties)).not.toContain("TIMER_DELAY_MS");
    });
  });
}

/** Base64 with the letters for URLs, as text. */
function textOf(handle: string): string {
  return atob(handle.replaceAll("-", "+").replaceAll("_", "/"));
}
