/** What the settings of a broker.conf make of a broker (BrokerConfig). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { BrokerRules } from "../../src/broker/settings.ts";
import { configurationOf } from "../../src/hosts/node/configuration.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { bodyOf } from "../lib/memory-name-server.ts";
import { pop, poppedOf } from "../lib/popping.ts";
import { messagesOf } from "../lib/remoting-client.ts";

const started: MemoryBroker[] = [];

afterEach(async () => {
  for (const broker of started.splice(0)) await broker.stop();
});

async function start(rules: Partial<BrokerRules>, storage?: MemoryBroker["storage"]) {
  const broker =
    storage === undefined ? await MemoryBroker.start({ rules }) : await MemoryBroker.start({ rules }, storage);
  started.push(broker);
  return broker;
}

test("autoCreateSubscriptionGroup=false: groups that are there consume, others are told so when they pull", async () => {
  const broker = await start({});
  const before = broker.connect();
  await before.send("T", "hello");
  await before.consume("Known", { T: "*" });
  await broker.stop();
  const client = (await start({ autoCreateSubscriptionGroup: false }, broker.storage)).connect();
  await client.consume("Known", { T: "*" });
  await client.consume("Unknown", { T: "*" });
  expect((await client.pull("Known", "T", 0, 0)).code).toBe(0);
  expect(await client.pull("Unknown", "T", 0, 0)).toMatchObject({
    code: 26,
    remark: expect.stringContaining("Unknown"),
  });
  expect(await client.request(38, { consumerGroup: "Unknown" })).toMatchObject({ code: 1 });
  expect(await client.request(105, { topic: "%RETRY%Unknown" })).toMatchObject({ code: 17 });
  expect(await client.request(36, { group: "Unknown", offset: "0", delayLevel: "0" })).toMatchObject({ code: 26 });
});

test("defaultTopicQueueNums holds for a store that is there too", async () => {
  const queues = async (broker: MemoryBroker, topic: string) => {
    await broker.connect().request(310, sendFields(topic, { d: "64" }), new TextEncoder().encode("hello"));
    return bodyOf(await broker.connect().request(105, { topic })).queueDatas[0].writeQueueNums;
  };
  const first = await start({});
  expect(await queues(first, "Usual")).toBe(8);
  await first.stop();
  const second = await start({ defaultTopicQueueNums: 12 }, first.storage);
  expect(await queues(second, "More")).toBe(12);
  expect(await queues(second, "Usual")).toBe(8);
});

test("brokerPermission: nothing is read without 4; without 2 only ordered topics refuse messages", async () => {
  const broker = await start({ brokerPermission: 2 });
  await broker.connect().send("T", "hello");
  expect(await broker.connect().pull("G", "T", 0, 0, { subscription: "*" })).toMatchObject({ code: 16 });
  await broker.stop();
  const readOnly = await start({ brokerPermission: 4 }, broker.storage);
  expect((await readOnly.connect().pull("G", "T", 0, 0, { subscription: "*" })).code).toBe(0);
  expect((await readOnly.connect().trySend("T", "hello")).code).toBe(0);
  expect(bodyOf(await readOnly.connect().request(105, { topic: "T" })).queueDatas).toMatchObject([{ perm: 4 }]);
  expect(await readOnly.connect().request(36, { group: "G", offset: "0", delayLevel: "0" })).toMatchObject({
    code: 16,
  });
});

test("longPollingEnable=false: a pull that finds nothing waits for shortPollingTimeMills", async () => {
  const client = (await start({ longPollingEnable: false, shortPollingTimeMs: 30 })).connect();
  await client.send("T", "hello");
  const before = performance.now();
  expect((await client.pull("G", "T", 0, 1, { subscription: "*", suspendMs: 20_000 })).code).toBe(19);
  expect(performance.now() - before).toBeLessThan(5_000);
});

test("litePullMessageEnable=false and rejectPullConsumerEnable=true", async () => {
  const client = (await start({ litePullMessageEnable: false, rejectPullConsumerEnable: true })).connect();
  await client.send("T", "hello");
  const pull = { consumerGroup: "G", topic: "T", queueId: "0", queueOffset: "0", maxMsgNums: "32", commitOffset: "0" };
  const fields = { ...pull, sysFlag: "4", subVersion: "0", subscription: "*", suspendTimeoutMillis: "0" };
  expect((await client.request(11, fields)).code).toBe(0);
  expect(await client.request(361, fields)).toMatchObject({ code: 16, remark: expect.stringContaining("lite pull") });
  const consumerDataSet = [{ groupName: "Active", consumeType: "CONSUME_ACTIVELY", subscriptionDataSet: [] }];
  expect((await client.request(34, {}, { clientID: "c", consumerDataSet, producerDataSet: [] })).code).toBe(0);
  expect(await client.request(38, { consumerGroup: "Active" })).toMatchObject({ code: 1 });
});

test("enablePropertyFilter=false: only tags filter", async () => {
  const client = (await start({ enablePropertyFilter: false })).connect();
  await client.send("T", "hello", { properties: { a: "1" } });
  const subscriptionData = { topic: "T", subString: "a = 1", expressionType: "SQL92" };
  const refusal = { code: 1, remark: expect.stringContaining("does not support consumer to filter message by SQL92") };
  expect(await client.request(46, {}, { clientId: "c", group: "G", subscriptionData })).toMatchObject(refusal);
  expect(await client.pull("G", "T", 0, 0, { subscription: "a = 1", expressionType: "SQL92" })).toMatchObject(refusal);
  await client.consume("G", { T: "a = 1" }, { expressionType: "SQL92" });
  expect(await client.pull("G", "T", 0, 0)).toMatchObject(refusal);
  expect((await client.pull("G", "T", 0, 0, { subscription: "*" })).code).toBe(0);
});

test("regionId and traceOn are told to producers and stand in messages", async () => {
  const client = (await start({ regionId: "eu-1", traceOn: false })).connect();
  expect((await client.send("T", "hello")).fields).toMatchObject({ MSG_REGION: "eu-1", TRACE_ON: "false" });
  const [message] = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
  expect(message!.properties).toMatchObject({ MSG_REGION: "eu-1", TRACE_ON: "false" });
});

test("maxTransferCountOnMessageInMemory and maxTransferBytesOnMessageInMemory bound what a pull brings", async () => {
  const pulled = async (rules: Partial<BrokerRules>) => {
    const client = (await start(rules)).connect();
    for (let index = 0; index < 50; index++) await client.send("T", `message ${index}`);
    return messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*", maxMessages: 64 })).length;
  };
  expect(await pulled({})).toBe(32);
  expect(await pulled({ maxTransferCountOnMessageInMemory: 64 })).toBe(50);
  expect(await pulled({ maxTransferBytesOnMessageInMemory: 1_000 })).toBeLessThan(10);
});

test("topics of the broker's own: the trace topic, and those named like the cluster and the broker", async () => {
  const rules = {
    traceTopicEnable: true,
    msgTraceTopicName: "Traces",
    clusterTopicEnable: false,
    brokerTopicEnable: false,
  };
  const client = (await start(rules)).connect();
  const permOf = async (topic: string) => bodyOf(await client.request(105, { topic })).queueDatas[0].perm;
  expect(await Promise.all(["Traces", "DefaultCluster", "broker-a"].map(permOf))).toEqual([6, 1, 1]);
  expect((await client.trySend("DefaultCluster", "hello")).code).toBe(16);
});

test("without autoCreateTopicEnable the trace topic is there from the start, unless traceTopicEnable says no", () => {
  const file = join(mkdtempSync(join(tmpdir(), "wasmq-trace-")), "broker.conf");
  const traceTopicEnable = (text: string) => {
    writeFileSync(file, text);
    return configurationOf("broker", { config: file }).broker.traceTopicEnable;
  };
  try {
    expect(traceTopicEnable("")).toBe(false);
    expect(traceTopicEnable("autoCreateTopicEnable=true")).toBe(false);
    expect(traceTopicEnable("autoCreateTopicEnable=false")).toBe(true);
    expect(traceTopicEnable("autoCreateTopicEnable=false\ntraceTopicEnable=false")).toBe(false);
    expect(traceTopicEnable("traceTopicEnable=true")).toBe(true);
  } finally {
    rmSync(dirname(file), { recursive: true });
  }
});

test("storeReplyMessageEnable=false: replies are handed on, and not stored", async () => {
  const client = (await start({ storeReplyMessageEnable: false })).connect();
  const topic = "DefaultCluster_REPLY_TOPIC";
  const fields = sendFields(topic, { i: "REPLY_TO_CLIENT\u0001nobody" });
  expect(await client.request(325, fields, new TextEncoder().encode("yes"))).toMatchObject({
    code: 1,
    fields: { msgId: "0", queueOffset: "0" },
  });
  expect((await client.request(30, { topic, queueId: "0" })).fields).toMatchObject({ offset: "0" });
});

test("notifyConsumerIdsChangedEnable=false: nobody is told of who comes", async () => {
  const broker = await start({ notifyConsumerIdsChangedEnable: false });
  const [first, second] = [broker.connect(), broker.connect()];
  await first.consume("G", { T: "*" }, { clientId: "first" });
  await second.consume("G", { T: "*" }, { clientId: "second" });
  expect(first.notifications).toEqual([]);
  expect(bodyOf(await second.request(38, { consumerGroup: "G" })).consumerIdList).toEqual(["first", "second"]);
});

test("enableRetryTopicV2: popped messages come again by the other topic, and by the first those that are there", async () => {
  const popped = async (broker: MemoryBroker, pollMs: number) => {
    const answer = await pop(broker.connect(), "G", "T", { pollMs, invisibleMs: 1_000 });
    return answer.code === 210 ? [] : poppedOf("G", answer).map(({ realTopic }) => realTopic);
  };
  const first = await start({ popFromRetryProbability: 100 });
  await first.connect().send("T", "hello");
  expect(await popped(first, 0)).toEqual(["T"]);
  expect(await popped(first, 20_000)).toEqual(["%RETRY%G_T"]);
  await first.connect().send("T", "later");
  expect(await popped(first, 0)).toEqual(["T"]);
  await first.stop();
  const second = await start({ enableRetryTopicV2: true }, first.storage);
  const again: string[] = [];
  while (again.length < 2) again.push(...(await popped(second, 20_000)));
  expect(again.sort()).toEqual(["%RETRY%G+T", "%RETRY%G_T"]);
  const route = bodyOf(await second.connect().request(105, { topic: "%RETRY%G+T" }));
  expect(route.queueDatas).toMatchObject([{ readQueueNums: 1 }]);
});

test("defaultMessageRequestMode, defaultPopShareQueueNum, serverLoadBalancerEnable: how the broker shares queues", async () => {
  const shares = async (rules: Partial<BrokerRules>) => {
    const broker = await start(rules);
    await broker.connect().send("T", "hello");
    for (const clientId of ["a", "b", "c"]) await broker.connect().consume("G", { T: "*" }, { clientId });
    const asked = {
      topic: "T",
      consumerGroup: "G",
      clientId: "a",
      messageModel: "CLUSTERING",
      strategyName: "AVG_BY_CIRCLE",
    };
    const { messageQueueAssignments } = bodyOf(await broker.connect().request(400, {}, asked));
    return messageQueueAssignments.map((one: { mode: string; messageQueue: { queueId: number } }) => [
      one.mode,
      one.messageQueue.queueId,
    ]);
  };
  const pulled = [
    ["PULL", 0],
    ["PULL", 3],
  ];
  expect(await shares({})).toEqual(pulled);
  expect(await shares({ defaultMessageRequestMode: "POP" })).toEqual([["POP", -1]]);
  const popped = [
    ["POP", 0],
    ["POP", 3],
    ["POP", 1],
  ];
  expect(await shares({ defaultMessageRequestMode: "POP", defaultPopShareQueueNum: 1 })).toEqual(popped);
  expect((await shares({ serverLoadBalancerEnable: false })).length).toBe(4);
});

function sendFields(topic: string, given: object) {
  const usual = { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0", i: "", j: "0", k: "false" };
  return { ...usual, m: "false", ...given };
}
