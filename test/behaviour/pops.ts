import { beforeEach, describe, expect, test } from "vitest";
import { type PopGiven, type Popped, pollingTimeout, pop, poppedOf } from "../lib/popping.ts";
import { json, messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, killed, restarted, type Start } from "./start.ts";

export function describePops(start: Start): void {
  describe("pops", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    const take = async (given: PopGiven & { by?: RemotingClient; group?: string } = {}): Promise<Popped[]> => {
      const { by = client, group = "G" } = given;
      const answer = await pop(by, group, "T", given);
      return answer.code === pollingTimeout ? [] : poppedOf(group, succeeded(answer));
    };
    const fieldsOf = (message: Popped, group = "G") => ({
      consumerGroup: group,
      topic: message.realTopic,
      queueId: String(message.queueId),
      offset: String(message.queueOffset),
      extraInfo: message.handle,
    });
    const ack = async (message: Popped) => void succeeded(await client.request(200_051, fieldsOf(message)));
    const bodies = (messages: readonly PulledMessage[]) => messages.map(({ body }) => body).sort();
    /** However long a busy machine takes to bring them. */
    const again = async (given: PopGiven = {}): Promise<Popped[]> => {
      for (;;) {
        const messages = await take({ pollMs: 20_000, ...given });
        if (messages.length > 0) return messages;
      }
    };
    /** The message with what acknowledges it from then on. */
    const change = async (message: Popped, invisibleTime: number): Promise<Popped> => {
      const { fields } = succeeded(
        await client.request(200_053, { ...fieldsOf(message), invisibleTime: String(invisibleTime) }),
      );
      const [, , , , ...rest] = message.handle.split(" ");
      const { popTime, invisibleTime: changed, reviveQid } = fields;
      return { ...message, handle: [message.queueOffset, popTime, changed, reviveQid, ...rest].join(" ") };
    };

    test("a message is one consumer's, of every queue, and is not popped again once it is acknowledged", async () => {
      for (let i = 0; i < 8; i++) await client.send("T", `m${i}`, { queueId: i % 4 });
      const second = await connect(broker);
      const first = await take({ max: 5 });
      const others = await take({ by: second });
      expect(bodies([...first, ...others])).toEqual(["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
      expect(first.length).toBe(5);
      expect(await take()).toEqual([]);
      // Another group has its own.
      expect((await take({ group: "H" })).length).toBe(8);
      for (const message of [...first, ...others]) await ack(message);
      client = await restarted(broker);
      expect(await take()).toEqual([]);
    });

    test("pops of a group that look at its queues at one time wait, and keep nobody else waiting", async () => {
      await client.send("T", "m", { queueId: 3 });
      await take();
      for (let count = 2; count <= 7; count++) {
        const waiting = Array.from({ length: count }, (_, i) =>
          take({ pollMs: 1_000, queueId: i % 3 === 2 ? i % 4 : -1 }),
        );
        expect(await client.send("T", `m${count}`, { queueId: count % 4 })).toMatchObject({ code: 0 });
        expect(bodies((await Promise.all(waiting)).flat())).toEqual([`m${count}`]);
      }
    });

    test("what is not acknowledged in time comes again, counted, with the topic that was asked for", async () => {
      await client.send("T", "m", { properties: { TAGS: "A" } });
      const startedAt = Date.now();
      await take({ invisibleMs: 1_500 });
      const [second, ...more] = await again({ invisibleMs: 1_500 });
      expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_490);
      expect(more).toEqual([]);
      expect(second).toMatchObject({ body: "m", topic: "T", realTopic: "%RETRY%G_T", reconsumeTimes: 1 });
      expect(second!.properties).toMatchObject({ TAGS: "A", ORIGIN_GROUP: "G" });
      expect(Number(second!.properties["1ST_POP_TIME"])).toBeGreaterThanOrEqual(startedAt - 1_000);
      const [third] = await again();
      expect(third).toMatchObject({ body: "m", topic: "T", reconsumeTimes: 2 });
      await ack(third!);
      expect(await take()).toEqual([]);
    });

    test("a message is a consumer's for longer, or shorter, when it asks for that", async () => {
      for (const body of ["longer", "shorter", "acked"]) await client.send("T", body, { queueId: 0 });
      const [longer, shorter, acked] = await take();
      const changed = await change(longer!, 90_000);
      // Twice at once: what came of the first change is the second's to acknowledge.
      const changedTwice = await change(await change(shorter!, 30_000), 500);
      await ack(await change(acked!, 500));
      const others = await again();
      expect(bodies(others)).toEqual(["shorter"]);
      expect(others).toMatchObject([{ reconsumeTimes: 1 }]);
      await ack(others[0]!);
      // Too late: it has come again.
      await ack(changedTwice);
      expect(await take()).toEqual([]);
      await ack(changed);
    });

    test("what is popped and what is acknowledged survives a kill", async () => {
      for (const body of ["acked", "held", "next"]) await client.send("T", body, { queueId: 0 });
      const [acked, held] = await take({ queueId: 0, max: 2 });
      await ack(acked!);
      client = await killed(broker);
      const [next, ...none] = await take();
      expect(next).toMatchObject({ body: "next" });
      expect(none).toEqual([]);
      await ack(next!);
      expect(held).toMatchObject({ body: "held" });
      await change(held!, 500);
      const [second] = await again();
      expect(second).toMatchObject({ body: "held", reconsumeTimes: 1 });
      await ack(second!);
      client = await killed(broker);
      expect(await take()).toEqual([]);
    });

    test("many of one pop are acknowledged at once", async () => {
      for (let i = 0; i < 10; i++) await client.send("T", `m${i}`, { queueId: 1 });
      const messages = await take();
      const [so, pt, it, rq] = messages[0]!.handle.split(" ").map(Number);
      // Bits 0, 3 and 9.
      const one = { b: "CQI=", c: "G", it, pt, q: 1, r: "0", rq, so, t: "T" };
      succeeded(await client.request(200_151, {}, { acks: [one], brokerName: "broker-a" }));
      for (const message of messages) if (!["m0", "m3", "m9"].includes(message.body)) await change(message, 500);
      const left: Popped[] = [];
      while (left.length < 7) left.push(...(await again()));
      expect(bodies(left)).toEqual(["m1", "m2", "m4", "m5", "m6", "m7", "m8"]);
      expect((await client.request(200_151, {}, { acks: [] })).code).toBe(208);
      expect((await client.request(200_151, {}, { acks: [{ ...one, b: "?" }] })).code).toBe(13);
    });

    test("a pop waits for messages that it wants; of several that wait one gets each", async () => {
      await client.send("T", "first", { properties: { TAGS: "A" } });
      expect(bodies(await take())).toEqual(["first"]);
      const second = await connect(broker);
      const waiting = [client, second].map((by) => take({ by, pollMs: 20_000, exp: "A || B" }));
      await expect.poll(() => polling(-1)).toBe("2");
      await client.send("T", "other", { properties: { TAGS: "C" } });
      await client.send("T", "a", { queueId: 2, properties: { TAGS: "A" } });
      expect(bodies(await Promise.race(waiting))).toEqual(["a"]);
      await client.send("T", "b", { queueId: 3, properties: { TAGS: "B" } });
      expect((await Promise.all(waiting)).map(bodies).sort()).toEqual([["a"], ["b"]]);
      expect(await polling(-1)).toBe("0");
      expect((await pop(client, "G", "T", { pollMs: 300 })).code).toBe(pollingTimeout);
    });

    const polling = async (queueId: number) =>
      succeeded(await client.request(200_055, { consumerGroup: "G", topic: "T", queueId: String(queueId) })).fields[
        "pollingNum"
      ];

    test("a group that begins at the end gets a young queue's messages from its start", async () => {
      await client.send("T", "m0", { queueId: 0 });
      await client.send("T", "m1", { queueId: 0 });
      expect(bodies(await take({ initMode: 1 }))).toEqual(["m0", "m1"]);
    });

    test("in order: the next come when all before are acknowledged, or their time is up", async () => {
      for (let i = 0; i < 4; i++) await client.send("T", `m${i}`, { queueId: 0 });
      const inOrder = (given: PopGiven = {}) => take({ order: true, max: 2, ...given });
      const [m0, m1] = await inOrder({ attemptId: "a" });
      expect([m0!.body, m1!.body]).toEqual(["m0", "m1"]);
      expect(m0!.handle.split(" ")[3]).toBe("999");
      expect(await inOrder()).toEqual([]);
      // The same attempt again, as a client does that did not hear the answer.
      expect(bodies(await inOrder({ attemptId: "a" }))).toEqual(["m0", "m1"]);
      const [first, second] = await inOrder({ attemptId: "a" });
      await ack(second!);
      expect(await inOrder()).toEqual([]);
      const next = inOrder({ pollMs: 60_000, invisibleMs: 1_000 });
      await expect.poll(() => polling(-1)).toBe("1");
      await ack(first!);
      expect(bodies(await next)).toEqual(["m2", "m3"]);
      const answer = succeeded(await pop(client, "G", "T", { order: true, max: 2, pollMs: 60_000 }));
      expect(bodies(poppedOf("G", answer))).toEqual(["m2", "m3"]);
      expect(answer.fields["orderCountInfo"]).toBe("0 qo0%2 1;0 qo0%3 1;0 0 1");
      const stranger = { ...m0!, queueOffset: 3, handle: m0!.handle.replace(/^\d+ \d+/, "0 1") };
      expect((await client.request(200_051, fieldsOf(stranger))).code).toBe(0);
    });

    test("in order: what is acknowledged, and what is not, survives a kill", async () => {
      for (let i = 0; i < 3; i++) await client.send("T", `m${i}`, { queueId: 0 });
      const [m0] = await take({ order: true, max: 1 });
      await ack(m0!);
      const [m1] = await take({ order: true, max: 1 });
      client = await killed(broker);
      const inOrder = { order: true, max: 1 };
      expect(await take(inOrder)).toEqual([]);
      await change(m1!, 500);
      expect(bodies(await again(inOrder))).toEqual(["m1"]);
    });

    test("in order: an offset that is reset frees what was popped, which counts no more, over a kill too", async () => {
      for (let i = 0; i < 3; i++) await client.send("T", `m${i}`, { queueId: 0 });
      const inOrder = { order: true, max: 1 };
      const [m0] = await take(inOrder);
      await ack(m0!);
      const [m1] = await take(inOrder);
      const waiting = take({ ...inOrder, pollMs: 60_000, by: await connect(broker) });
      await expect.poll(() => polling(-1)).toBe("1");
      succeeded(await client.request(222, { topic: "T", group: "G", timestamp: 0, isForce: "true" }));
      expect(bodies(await waiting)).toEqual(["m0"]);
      // Of before the reset: the group goes on with the first message all the same.
      await ack(m1!);
      expect(await take(inOrder)).toEqual([]);
      succeeded(await client.request(222, { topic: "T", group: "G", timestamp: 0, isForce: "true" }));
      await ack(m1!);
      client = await killed(broker);
      expect(bodies(await again(inOrder))).toEqual(["m0"]);
    });

    test("without a timer wheel, by which they come again, messages are popped in order alone", async () => {
      ({ broker, client } = await start({ rules: { timerWheelEnable: false } }));
      await client.send("T", "m", { queueId: 0 });
      expect(await pop(client, "G", "T")).toMatchObject({
        code: 1,
        remark: expect.stringContaining("timerWheelEnable"),
      });
      const [message] = await take({ order: true });
      await ack(message!);
      expect(await take({ order: true })).toEqual([]);
    });

    test("a look takes nothing, and a notification tells that there is something", async () => {
      await client.send("T", "m");
      const names = { consumerGroup: "G", topic: "T", queueId: "-1" };
      const peek = () => client.request(200_052, { ...names, maxMsgNums: "1" });
      for (let i = 0; i < 2; i++) expect(messagesOf(succeeded(await peek())).map(({ body }) => body)).toEqual(["m"]);
      const notify = async (pollTime: number) =>
        succeeded(await client.request(200_054, { ...names, pollTime: String(pollTime), bornTime: "0" })).fields;
      expect(await notify(0)).toMatchObject({ hasMsg: "true", pollingFull: "false" });
      await take();
      expect((await peek()).code).toBe(19);
      expect(await notify(200)).toMatchObject({ hasMsg: "false" });
      const told = notify(20_000);
      await client.send("T", "n");
      expect(await told).toMatchObject({ hasMsg: "true" });
    });

    test("what can't be is refused, with RocketMQ's codes", async () => {
      await client.send("T", "m", { queueId: 0 });
      const [message] = await take();
      expect((await pop(client, "G", "None")).code).toBe(17);
      expect((await pop(client, "G", "T", { queueId: 64 })).code).toBe(29);
      expect((await pop(client, "G", "T", { max: 33 })).code).toBe(29);
      expect((await pop(client, "a/b", "T")).code).toBe(26);
      expect((await pop(client, "G", "T", { max: 0 })).code).toBe(210);
      expect((await pop(client, "G", "T", { max: -1 })).code).toBe(1);
      expect((await pop(client, "G", "T", { exp: "||" })).code).toBe(23);
      expect((await pop(client, "G", "T", { invisibleMs: 4 * 24 * 3_600_000 })).code).toBe(29);
      for (const code of [200_051, 200_053]) {
        const ask = async (more: object) =>
          (await client.request(code, { ...fieldsOf(message!), invisibleTime: "1000", ...more })).code;
        expect(await ask({ topic: "None" })).toBe(17);
        expect(await ask({ queueId: "64" })).toBe(13);
        expect(await ask({ offset: "77" })).toBe(208);
        expect(await ask({ extraInfo: "none" })).toBe(13);
        expect(await ask({ extraInfo: message!.handle.replace(/^(\d+ \d+ \d+) \d+/, "$1 77") })).toBe(13);
      }
    });

    test("the same codes in 16 bits, of a client with binary headers", async () => {
      await client.send("T", "m");
      client.serializeType = 1;
      const [message] = await take();
      expect(message).toMatchObject({ body: "m" });
      await ack(message!);
      expect((await client.request(200_056, {})).code).toBe(3);
    });

    test("the broker shares queues, in the way that was set for the group", async () => {
      const route = { topic: "T", consumerGroup: "G", messageModel: "CLUSTERING", strategyName: "AVG" };
      const shareOf = async (clientId: string) => {
        const answer = json(succeeded(await client.request(400, {}, { ...route, clientId }))) as {
          messageQueueAssignments?: { mode: string; messageQueue: { brokerName: string; queueId: number } }[];
        };
        return answer.messageQueueAssignments?.map(({ mode, messageQueue }) => `${mode} ${messageQueue.queueId}`);
      };
      const setMode = async (mode: string, popShareQueueNum: number, topic = "T") =>
        (await client.request(401, {}, { topic, consumerGroup: "G", mode, popShareQueueNum })).code;
      expect(await setMode("POP", 0)).toBe(17);
      await client.send("T", "m");
      expect(await shareOf("a")).toBe(undefined);
      const others = await Promise.all([connect(broker), connect(broker), connect(broker)]);
      for (const [i, member] of others.entries()) await member.consume("G", { T: "*" }, { clientId: "abc"[i]! });
      expect(await shareOf("a")).toEqual(["PULL 0", "PULL 1"]);
      expect(await shareOf("b")).toEqual(["PULL 2"]);
      expect(await setMode("POP", 0)).toBe(0);
      for (const member of ["a", "b", "c"]) expect(await shareOf(member)).toEqual(["POP -1"]);
      expect(await setMode("POP", 1)).toBe(0);
      expect(await shareOf("a")).toEqual(["POP 0", "POP 1", "POP 2"]);
      expect(await shareOf("c")).toEqual(["POP 3", "POP 0", "POP 1"]);
      expect(await setMode("POP", 1, "%RETRY%G")).toBe(16);
      expect(await setMode("SHOVE", 1)).toBe(29);
      client = await killed(broker);
      await client.consume("G", { T: "*" }, { clientId: "a" });
      expect(await shareOf("a")).toEqual(["POP -1"]);
      expect(await setMode("PULL", 0)).toBe(0);
      expect(await shareOf("a")).toEqual(["PULL 0", "PULL 1", "PULL 2", "PULL 3"]);
    });
  });
}
