import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, json, messagesOf, type RemotingClient, requestFrame, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, killed, restarted, type Start } from "./start.ts";

/** What administrators' tools ask of a broker: topics, groups, progress, statistics, settings. */
export function describeAdministration(start: Start): void {
  describe("administration", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    const createTopic = (topic: string, given: object = {}): Promise<Answer> =>
      client.request(17, {
        topic,
        defaultTopic: "TBW102",
        readQueueNums: 2,
        writeQueueNums: 2,
        perm: 6,
        topicFilterType: "SINGLE_TAG",
        topicSysFlag: 0,
        order: "false",
        ...given,
      });
    const topicConfig = async (topic: string) => json(succeeded(await client.request(351, { topic })));
    const group = (groupName: string, given: object = {}): Promise<Answer> =>
      client.request(200, {}, { groupName, ...given });

    describe("topics", () => {
      test("one that is made has its route at once, and after a kill", async () => {
        succeeded(await createTopic("T", { order: "true", attributes: "+message.type=FIFO,+reserve.time=5" }));
        const after = await killed(broker);
        const route = json(succeeded(await after.request(105, { topic: "T" }))) as { queueDatas: unknown[] };
        expect(route.queueDatas).toMatchObject([{ readQueueNums: 2, writeQueueNums: 2, perm: 6 }]);
        expect(json(await after.request(351, { topic: "T" }))).toEqual({
          topicName: "T",
          readQueueNums: 2,
          writeQueueNums: 2,
          perm: 6,
          topicFilterType: "SINGLE_TAG",
          topicSysFlag: 0,
          order: true,
          attributes: { "message.type": "FIFO", "reserve.time": "5" },
        });
      });

      test("one that is changed keeps the attributes that are not named", async () => {
        succeeded(await createTopic("T", { attributes: "+message.type=FIFO,+reserve.time=5" }));
        succeeded(await createTopic("T", { perm: 4, attributes: "-reserve.time" }));
        expect(await topicConfig("T")).toMatchObject({ perm: 4, attributes: { "message.type": "FIFO" } });
        expect(await client.trySend("T", "m")).toMatchObject({ code: 16 });
      });

      test.each([
        ["a name that none may have", { topic: "a b" }, 29, "illegal characters"],
        ["a topic of the broker's own", { topic: "SCHEDULE_TOPIC_XXXX" }, 29, "conflict with system topic"],
        ["the name of the cluster", { topic: "DefaultCluster" }, 29, "conflict with system topic"],
        ["fewer queues than none", { writeQueueNums: -1 }, 29, "queues"],
        ["more queues than there can be", { readQueueNums: 2_000_000 }, 29, "queues"],
        ["perm that is none", { perm: 16 }, 29, "perm"],
        ["an attribute that nobody knows", { attributes: "+some.thing=1" }, 1, "unsupported key: some.thing"],
        ["a value that an attribute can't have", { attributes: "+reserve.time=-2" }, 1, "not in range"],
        ["an attribute to take away from a new topic", { attributes: "-message.type" }, 1, "only add attribute"],
        ["messages of all kinds", { attributes: "+message.type=MIXED" }, 29, "MIXED"],
        ["no filter type", { topicFilterType: "NONE" }, 1, "topicFilterType"],
      ])("%s is refused", async (_, given, code, remark) => {
        expect(await createTopic("T", given)).toMatchObject({ code, remark: expect.stringContaining(remark) });
        expect(await client.request(351, { topic: "T" })).toMatchObject({ code: 17 });
      });

      test("the kind of queues can't be changed", async () => {
        succeeded(await createTopic("T"));
        expect(await createTopic("T", { attributes: "+queue.type=BatchCQ" })).toMatchObject({
          code: 1,
          remark: expect.stringContaining("unchangeable"),
        });
      });

      test("several are made together, or none", async () => {
        const list = (...names: string[]) =>
          client.request(18, {}, { topicConfigList: names.map((topicName) => ({ topicName, readQueueNums: 3 })) });
        expect(await list("A", "b c")).toMatchObject({ code: 29 });
        expect(await client.request(351, { topic: "A" })).toMatchObject({ code: 17 });
        succeeded(await list("A", "B"));
        expect(await topicConfig("B")).toMatchObject({ readQueueNums: 3, writeQueueNums: 16 });
        const all = await client.request(21);
        const { topicConfigTable, dataVersion } = json(all) as {
          topicConfigTable: Record<string, unknown>;
          dataVersion: { counter: number };
        };
        expect(topicConfigTable).toMatchObject({ A: {}, B: {}, TBW102: { perm: 7 } });
        expect(all.fields["totalTopicNum"]).toBe(String(Object.keys(topicConfigTable).length));
        succeeded(await list("C"));
        expect((json(await client.request(21)) as typeof all & { dataVersion: unknown }).dataVersion).toMatchObject({
          counter: dataVersion.counter + 1,
        });
      });

      test("a deleted one has no route, no offsets and no messages, and begins anew", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.consume("G", { T: "*" });
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 2 }));
        succeeded(await client.request(215, { topic: "T" }));
        expect(await client.request(105, { topic: "T" })).toMatchObject({ code: 17 });
        expect(await client.request(351, { topic: "T" })).toMatchObject({ code: 17 });
        expect(json(await client.request(300, { topic: "T" }))).toEqual({ groupList: ["G"] });
        expect(await client.request(14, { consumerGroup: "G", topic: "T", queueId: 0 })).toMatchObject({ code: 22 });
        expect(await client.request(30, { topic: "T", queueId: 0 })).toMatchObject({ fields: { offset: "0" } });
        const sent = await client.send("T", "again");
        expect(sent.fields["queueOffset"]).toBe("0");
        expect(messagesOf(await client.pull("G", "T", 0, 0)).map(({ body }) => body)).toEqual(["again"]);
      });

      test("a deleted one is not there again after a kill, nor what it had when it was made anew", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.send("Other", "m");
        succeeded(await client.request(215, { topic: "T" }));
        client = await killed(broker);
        expect(await client.request(105, { topic: "T" })).toMatchObject({ code: 17 });
        expect((await client.send("T", "again")).fields["queueOffset"]).toBe("0");
        for (const anew of [killed, killed, restarted]) {
          client = await anew(broker);
          const found = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
          expect(found.map(({ body }) => body)).toEqual(["again"]);
          expect(await client.request(30, { topic: "T", queueId: 0 })).toMatchObject({ fields: { offset: "1" } });
          expect(await client.request(30, { topic: "Other", queueId: 0 })).toMatchObject({ fields: { offset: "1" } });
        }
      });

      test("those of the broker's own are not deleted", async () => {
        for (const topic of ["TBW102", "rmq_sys_wheel_timer", " "]) {
          expect(await client.request(215, { topic }), topic).toMatchObject({ code: 29 });
        }
      });

      test("what each queue holds is told", async () => {
        await client.send("T", "m0", { queueId: 1 });
        const sent = await client.send("T", "m1", { queueId: 1 });
        const { storeTimestamp } = messagesOf(await client.pull("G", "T", 1, 1, { subscription: "*" }))[0]!;
        expect(sent.fields["queueOffset"]).toBe("1");
        const body = new TextDecoder().decode(succeeded(await client.request(202, { topic: "T" })).body);
        const queue = '{"brokerName":"broker-a","queueId":1,"topic":"T"}';
        expect(body).toContain(`${queue}:{"minOffset":0,"maxOffset":2,"lastUpdateTimestamp":${storeTimestamp}}`);
        expect(await client.request(202, { topic: "None" })).toMatchObject({ code: 17 });
      });

      test("the broker's own are listed", async () => {
        const { topicList } = json(await client.request(305)) as { topicList: string[] };
        expect(topicList).toEqual(expect.arrayContaining(["TBW102", "SCHEDULE_TOPIC_XXXX", "DefaultCluster"]));
      });
    });

    describe("groups", () => {
      test("one that is made is there after a kill, with what it says", async () => {
        const exponential = {
          type: "EXPONENTIAL",
          exponentialRetryPolicy: { initial: 5_000, max: 6_000, multiplier: 2 },
        };
        succeeded(await group("G", { retryMaxTimes: 3, groupRetryPolicy: exponential, consumeTimeoutMinute: 5 }));
        const after = await killed(broker);
        expect(json(succeeded(await after.request(352, { group: "G" })))).toMatchObject({
          groupName: "G",
          retryMaxTimes: 3,
          consumeTimeoutMinute: 5,
          retryQueueNums: 1,
          groupRetryPolicy: exponential,
          attributes: {},
        });
        const all = await after.request(201);
        const { subscriptionGroupTable, dataVersion } = json(all) as { [name: string]: Record<string, unknown> };
        expect(subscriptionGroupTable).toMatchObject({ G: { retryMaxTimes: 3 }, TOOLS_CONSUMER: {} });
        expect(dataVersion!["counter"]).toBeGreaterThan(0);
        expect(all.fields["totalGroupNum"]).toBe(String(Object.keys(subscriptionGroupTable!).length));
      });

      test("one that may not consume pulls nothing", async () => {
        await client.send("T", "m");
        succeeded(await group("G", { consumeEnable: false }));
        expect(await client.pull("G", "T", 0, 0, { subscription: "*" })).toMatchObject({ code: 16 });
      });

      test("a policy of retries and attributes are checked", async () => {
        expect(await group("a b")).toMatchObject({ code: 29 });
        expect(await group("G", { retryMaxTimes: "many" })).toMatchObject({ code: 29 });
        expect(await group("G", { attributes: { "+priority.factor": "101" } })).toMatchObject({ code: 1 });
        expect(await group("G", { attributes: { "+none": "1" } })).toMatchObject({ code: 1 });
        expect(await group("G", { groupRetryPolicy: { steps: "x".repeat(70_000) } })).toMatchObject({ code: 29 });
        succeeded(await group("G", { attributes: { "+priority.factor": "7" } }));
        expect(json(await client.request(352, { group: "G" }))).toMatchObject({
          attributes: { "priority.factor": "7" },
        });
      });

      test("a deleted one has its offsets as long as nobody asks for theirs too", async () => {
        await client.send("T", "m");
        const offset = () => client.request(14, { consumerGroup: "G", topic: "T", queueId: 0 });
        const commit = () => client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 1 });
        succeeded(await group("G"));
        succeeded(await commit());
        succeeded(await client.request(207, { groupName: "G", cleanOffset: "false" }));
        expect(await commit()).toMatchObject({ code: 26 });
        expect(succeeded(await offset()).fields["offset"]).toBe("1");
        for (const name of ["cleanOffset", "removeOffset"]) {
          succeeded(await group("G"));
          succeeded(await commit());
          succeeded(await client.request(207, { groupName: "G", [name]: "true" }));
          expect(json(await client.request(343, { group: "G" }))).toMatchObject({ topicList: [] });
        }
      });

      test("several are made together, or none", async () => {
        const list = (...names: string[]) =>
          client.request(225, {}, { groupConfigList: names.map((groupName) => ({ groupName, retryMaxTimes: 7 })) });
        expect(await list("A", "b c")).toMatchObject({ code: 29 });
        succeeded(await list("A", "B"));
        expect(json(await client.request(352, { group: "B" }))).toMatchObject({ retryMaxTimes: 7 });
      });

      test("one that is forbidden a topic reads others", async () => {
        await client.send("T", "m");
        await client.send("U", "m");
        await client.consume("G", { T: "*", U: "*" });
        const forbid = (given: object) => client.request(353, { group: "G", topic: "T", ...given });
        expect(json(succeeded(await forbid({ readable: "false" })))).toEqual({
          group: "G",
          topic: "T",
          readable: false,
        });
        expect(await client.pull("G", "T", 0, 0)).toMatchObject({ code: 16 });
        succeeded(await client.pull("G", "U", 0, 0));
        const after = await killed(broker);
        expect(json(await after.request(353, { group: "G", topic: "T" }))).toMatchObject({ readable: false });
        expect(json(await after.request(353, { group: "G", topic: "T", readable: "true" }))).toMatchObject({
          readable: true,
        });
      });
    });

    describe("progress", () => {
      const consumeStats = async (given: object) =>
        new TextDecoder().decode(succeeded(await client.request(208, { consumerGroup: "G", ...given })).body);

      test("of a group is told by queue, in the topics that its members consume", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.send("U", "m");
        await client.consume("G", { T: "*", U: "*" });
        for (const [topic, commitOffset] of [
          ["T", 2],
          ["U", 1],
        ] as const) {
          succeeded(await client.request(15, { consumerGroup: "G", topic, queueId: 0, commitOffset }));
        }
        const messages = messagesOf(await client.pull("G", "T", 0, 0));
        const queue = '{"brokerName":"broker-a","queueId":0,"topic":"T"}';
        const told = `${queue}:{"brokerOffset":3,"consumerOffset":2,"lastTimestamp":${messages[1]!.storeTimestamp},"pullOffset":3}`;
        expect(await consumeStats({})).toContain(told);
        expect(await consumeStats({})).toContain('"topic":"U"');
        expect(await consumeStats({ topic: "T" })).not.toContain('"topic":"U"');
        expect(await consumeStats({ topicList: "U;" })).not.toContain('"topic":"T"');
        await client.consume("G", { U: "*" }, { version: 2 });
        expect(await consumeStats({})).not.toContain('"topic":"T"');
        expect(json(await client.request(300, { topic: "T" }))).toEqual({ groupList: ["G"] });
        const all = new TextDecoder().decode(succeeded(await client.request(317, { isOrder: "false" })).body);
        expect(all).toContain('"totalDiff":0');
        expect(all).toContain('{"G":[{"consumeTps":');
      });

      test("is told as times", async () => {
        for (let i = 0; i < 2; i++) await client.send("T", `m${i}`);
        succeeded(await group("G"));
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 1 }));
        const times = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map((m) => m.storeTimestamp);
        const { consumeTimeSpanSet } = json(await client.request(303, { topic: "T", group: "G" })) as {
          consumeTimeSpanSet: object[];
        };
        expect(consumeTimeSpanSet[0]).toMatchObject({
          minTimeStamp: times[0],
          maxTimeStamp: times[1],
          consumeTimeStamp: times[0],
          messageQueue: { topic: "T", queueId: 0, brokerName: "broker-a" },
        });
        expect(consumeTimeSpanSet[1]).toMatchObject({ minTimeStamp: -1, maxTimeStamp: -1, consumeTimeStamp: -1 });
      });

      test("units of a queue are shown", async () => {
        await client.send("T", "m0", { properties: { TAGS: "A" } });
        await client.send("T", "m1");
        const ask = (given: object) => client.request(321, { topic: "T", queueId: 0, index: 0, count: 10, ...given });
        const { queueData, minQueueIndex, maxQueueIndex } = json(await ask({})) as {
          queueData: { tagsCode: number }[];
          minQueueIndex: number;
          maxQueueIndex: number;
        };
        expect([minQueueIndex, maxQueueIndex]).toEqual([0, 2]);
        expect(queueData.map(({ tagsCode }) => tagsCode)).toEqual(["A".charCodeAt(0), 0]);
        expect((json(await ask({ count: 1 })) as typeof Object & { queueData: object[] }).queueData).toHaveLength(1);
        expect(await ask({ index: 2 })).toMatchObject({ code: 0, remark: expect.stringContaining("Index 2") });
        expect(await ask({ topic: "None" })).toMatchObject({ code: 1, remark: "0@None is not exist!" });
      });
    });

    describe("clients", () => {
      test("consumers and producers are listed with where they come from", async () => {
        expect(await client.request(203, { consumerGroup: "G" })).toMatchObject({ code: 206 });
        expect(await client.request(204, { producerGroup: "P" })).toMatchObject({ code: 1 });
        await client.consume("G", { T: "A || B" }, { clientId: "c" });
        succeeded(
          await client.request(34, {}, { clientID: "c", consumerDataSet: [], producerDataSet: [{ groupName: "P" }] }),
        );
        const connection = {
          clientId: "c",
          language: "JAVA",
          version: 513,
          clientAddr: expect.stringMatching(/.:\d+$/),
        };
        expect(json(await client.request(203, { consumerGroup: "G" }))).toEqual({
          connectionSet: [connection],
          consumeFromWhere: "CONSUME_FROM_FIRST_OFFSET",
          consumeType: "CONSUME_PASSIVELY",
          messageModel: "CLUSTERING",
          subscriptionTable: {
            T: {
              classFilterMode: false,
              codeSet: [65, 66],
              expressionType: "TAG",
              subString: "A || B",
              subVersion: 1,
              tagsSet: ["A", "B"],
              topic: "T",
            },
          },
        });
        expect(json(await client.request(204, { producerGroup: "P" }))).toEqual({ connectionSet: [connection] });
        const { data } = json(await client.request(328)) as { data: object };
        expect(data).toMatchObject({ P: [{ clientId: "c", language: "JAVA", version: 513 }] });
        expect(json(await client.request(345, { group: "G", topic: "T" }))).toMatchObject({
          subscriptionData: { subString: "A || B" },
        });
      });

      test("a consumer is asked what an administrator wants to know of it", async () => {
        await client.consume("G", { T: "*" }, { clientId: "c" });
        const admin = await connect(broker);
        const asked = admin.request(307, { consumerGroup: "G", clientId: "c", jstackEnable: "true" });
        await answerNext(client, 307, '{"properties":{}}');
        expect(await asked).toMatchObject({ code: 0, body: new TextEncoder().encode('{"properties":{}}') });
        expect(client.notifications.find(({ code }) => code === 307)!.fields).toEqual({
          consumerGroup: "G",
          clientId: "c",
          jstackEnable: "true",
        });
        expect(await admin.request(307, { consumerGroup: "G", clientId: "other" })).toMatchObject({
          code: 1,
          remark: "The Consumer <G> <other> not online",
        });
      });

      test("a consumer that goes away answers nothing", async () => {
        await client.consume("G", { T: "*" }, { clientId: "c" });
        const admin = await connect(broker);
        const asked = admin.request(307, { consumerGroup: "G", clientId: "c" });
        await vi.waitFor(() => expect(client.notifications.some(({ code }) => code === 307)).toBe(true));
        client.close();
        expect(await asked).toMatchObject({ code: 1, remark: expect.stringContaining("invoke consumer <G> <c>") });
      });

      test("a consumer is given a message to take at once", async () => {
        const sent = await client.send("T", "m");
        await client.consume("G", { T: "*" }, { clientId: "c" });
        const admin = await connect(broker);
        const direct = (msgId: string) => admin.request(309, { consumerGroup: "G", clientId: "c", msgId, topic: "T" });
        const asked = direct(sent.fields["msgId"]!);
        const question = await answerNext(client, 309, '{"consumeResult":"CR_SUCCESS"}');
        expect(messagesOf(question).map(({ body }) => body)).toEqual(["m"]);
        expect(question.fields).toMatchObject({ brokerName: "broker-a", topicSysFlag: "0", groupSysFlag: "0" });
        expect(json(await asked)).toEqual({ consumeResult: "CR_SUCCESS" });
        expect(await direct("nonsense")).toMatchObject({ code: 1 });
        expect(await direct(`${broker.storeHost}00000000FFFFFFFF`)).toMatchObject({ code: 1 });
      });

      test("members are asked how far they are", async () => {
        await client.consume("G", { T: "*" }, { clientId: "c" });
        const admin = await connect(broker);
        const asked = admin.request(223, { topic: "T", group: "G" });
        const queue = '{"brokerName":"broker-a","queueId":0,"topic":"T"}';
        await answerNext(client, 221, `{"consumerTable":{},"messageQueueTable":{${queue}:5}}`);
        expect(new TextDecoder().decode((await asked).body)).toBe(
          `{"consumerTable":{"c":{${queue}:5}},"messageQueueTable":{}}`,
        );
        expect(await admin.request(223, { topic: "T", group: "None" })).toMatchObject({ code: 1 });
      });
    });

    describe("offsets", () => {
      const reset = (given: object) =>
        client.request(222, { topic: "T", group: "G", timestamp: 0, isForce: "true", ...given });

      test("are reset for a group that is not online", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        succeeded(await group("G"));
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 3 }));
        const body = new TextDecoder().decode(succeeded(await reset({})).body);
        expect(body).toContain('{"brokerName":"broker-a","queueId":0,"topic":"T"}:0');
        const offset = async () => (await client.request(14, { consumerGroup: "G", topic: "T", queueId: 0 })).fields;
        expect(await offset()).toEqual({ offset: "0" });
        // What a member says that has not heard of it is of before.
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 3 }));
        expect(await offset()).toEqual({ offset: "0" });
        expect(await client.pull("G", "T", 0, 3, { subscription: "*" })).toMatchObject({
          code: 21,
          remark: "OFFSET_RESET",
          fields: { nextBeginOffset: "0" },
        });
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 1 }));
        expect(await offset()).toEqual({ offset: "1" });
        expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }))).toHaveLength(3);
      });

      test("are told to a member that waits for messages", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.consume("G", { T: "*" });
        const held = client.pull("G", "T", 0, 3, { suspendMs: 30_000 });
        const admin = await connect(broker);
        succeeded(
          await admin.request(222, { topic: "T", group: "G", timestamp: 0, isForce: "true", queueId: 0, offset: 1 }),
        );
        expect(await held).toMatchObject({ code: 21, fields: { nextBeginOffset: "1", maxOffset: "3" } });
      });

      test("are reset to the end, and to a time", async () => {
        await client.send("T", "m0");
        succeeded(await group("G"));
        const offset = async () => (await client.request(14, { consumerGroup: "G", topic: "T", queueId: 0 })).fields;
        succeeded(await reset({ timestamp: -1 }));
        expect(await offset()).toEqual({ offset: "1" });
        succeeded(await reset({ timestamp: 4_000_000_000_000 }));
        expect(await offset()).toEqual({ offset: "1" });
        succeeded(await reset({ timestamp: 1 }));
        expect(await offset()).toEqual({ offset: "0" });
      });

      test("that can't be are refused", async () => {
        expect(await reset({})).toMatchObject({ code: 17 });
        await client.send("T", "m");
        expect(await reset({})).toMatchObject({ code: 26 });
        succeeded(await group("G"));
        expect(await reset({ queueId: 0, offset: 7 })).toMatchObject({ code: 1, remark: expect.stringContaining("7") });
        expect(await reset({ queueId: 99 })).toMatchObject({ code: 29 });
      });

      test("of one group are another's too", async () => {
        await client.send("T", "m");
        succeeded(await group("G"));
        succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: 0, commitOffset: 1 }));
        succeeded(await client.request(314, { srcGroup: "G", destGroup: "H", topic: "T", offline: "true" }));
        expect((await client.request(14, { consumerGroup: "H", topic: "T", queueId: 0 })).fields).toEqual({
          offset: "1",
        });
      });
    });

    describe("what the broker says of itself", () => {
      test("messages are counted as they come and go", async () => {
        const stats = async (statsName: string, statsKey: string) => client.request(315, { statsName, statsKey });
        expect(await stats("TOPIC_PUT_NUMS", "T")).toMatchObject({ code: 1 });
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.pull("G", "T", 0, 0, { subscription: "*" });
        for (const [name, key] of [
          ["TOPIC_PUT_NUMS", "T"],
          ["GROUP_GET_NUMS", "T@G"],
          ["BROKER_PUT_NUMS", "DefaultCluster"],
          ["BROKER_GET_NUMS", "DefaultCluster"],
        ] as const) {
          expect(json(await stats(name, key)), name).toMatchObject({
            statsMinute: { sum: 3, tps: 3 / 60 },
            statsHour: { sum: 3 },
            statsDay: { sum: 3 },
          });
        }
        expect(await stats("NONE", "T")).toMatchObject({ code: 1, remark: "The stats <NONE> <T> not exist" });
      });

      test("its state has what tools read", async () => {
        for (let i = 0; i < 3; i++) await client.send("T", `m${i}`);
        await client.send("T", "later", { properties: { DELAY: "18" } });
        const { table } = json(succeeded(await client.request(28))) as { table: Record<string, string> };
        expect(table).toMatchObject({
          brokerActive: "true",
          brokerVersionDesc: "V5_5_0",
          putMessageTimesTotal: "4",
          msgPutTotalTodayNow: "4",
          msgGetTotalTodayNow: "0",
          scheduleMessageOffset_18: "0,1",
          sendThreadPoolQueueSize: "0",
          commitLogMinOffset: "0",
        });
        for (const name of ["putTps", "getTotalTps", "getTransferredTps"]) {
          expect(table[name], name).toMatch(/^\d+\.\d+ \d+\.\d+ \d+\.\d+$/);
        }
        expect(Number(table["earliestMessageTimeStamp"])).toBeGreaterThan(0);
        expect(table["runtime"]).toMatch(/^\[ 0 days, 0 hours, \d+ minutes, \d+ seconds \]$/);
      });

      test("only settings that harm nobody are changed, all or none", async () => {
        const change = (text: string) => client.request(25, {}, new TextEncoder().encode(text));
        const shown = async () => new TextDecoder().decode(succeeded(await client.request(26)).body);
        expect(await shown()).toContain("autoCreateTopicEnable=true\n");
        for (const line of [
          "brokerConfigPath=/tmp/x",
          "rocketmqHome=/tmp",
          "filterServerNums=1",
          "storePathRootDir=/x",
        ]) {
          expect(await change(`autoCreateTopicEnable=false\n${line}\n`), line).toMatchObject({
            code: 16,
            remark: expect.stringContaining(line.split("=")[0]!),
          });
        }
        expect(await change("brokerPermission=9")).toMatchObject({ code: 29 });
        succeeded(await client.trySend("T", "m"));
        succeeded(await change("autoCreateTopicEnable=false\nbrokerPermission=4\n"));
        expect(await shown()).toContain("brokerPermission=4\n");
        expect(await client.trySend("U", "m")).toMatchObject({ code: 17 });
        const { queueDatas } = json(await client.request(105, { topic: "T" })) as { queueDatas: object[] };
        expect(queueDatas).toMatchObject([{ perm: 4 }]);
      });
    });
  });
}

/** Answers what the broker asks a client next; the question. */
async function answerNext(client: RemotingClient, code: number, body: string): Promise<Answer> {
  const question = await vi.waitFor(() => {
    const found = client.notifications.find((notification) => notification.code === code);
    if (found === undefined) throw new Error(`the broker asked no ${code}`);
    return found;
  });
  client.push(requestFrame(0, question.opaque, 1, {}, new TextEncoder().encode(body)));
  return question;
}
