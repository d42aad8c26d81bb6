import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Answer, messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { type CheckedLine, JavaClients } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";
import { wireClients } from "./wire-client.ts";

const setupMs = 240_000;
const testMs = 180_000;
const waitMs = 60_000;

/** A starved client is not asked about the end that it is about to say. */
const timeOutMs = 3_000;
/** Seconds where the usual settings take minutes. */
const conf = `transactionTimeOut=${timeOutMs}
transactionCheckInterval=1000
transactionCheckMax=3
transactionOpBatchInterval=100
`;

const halfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
const opTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
const givenUpTopic = "TRANS_CHECK_MAX_TIME_TOPIC";

const known = new KnownFailing("transactions.test.ts");

describe.skipIf((await missingTool()) !== undefined)("transactions", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      const clientsOf = new Map<string, JavaClients>();

      beforeAll(async () => {
        for (const version of clientVersions) clientsOf.set(version, await JavaClients.of(version));
        broker = await start({ conf });
      }, setupMs);
      afterAll(async () => {
        for (const clients of clientsOf.values()) await clients.close();
        await broker?.close();
      }, setupMs);

      for (const version of clientVersions) {
        known.suite(`${brokerName}, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (test) => {
          test("ends said at once, at a check, and never", async () => {
            const clients = clientsOf.get(version)!;
            await judgeEnds(broker, clients, named("Transactions", version), named("Producers", version));
          });
          if (version !== "5.5.0") return;
          test("an end that another producer of the group says, of another generation", () =>
            judgeHeir(broker, clientsOf.get("4.9.1")!, clientsOf.get(version)!));
        });
      }

      known.suite(`${brokerName}, on the wire`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
        test("what is stored and asked, and the answers to ends that can't be", () => judgeWire(broker)),
      );
    });
  }

  known.checkNames();
});

async function judgeEnds(broker: RunningBroker, clients: JavaClients, topic: string, group: string): Promise<void> {
  const program = clients.start(broker.namesrv, "Transact", {});
  const begin = (outcome: string, keys: string, more = "") =>
    program.tell(`send producer ${topic} ${outcome} ${keys}${more}`);
  const checked = (keys: string): CheckedLine[] => program.all("checked").filter((line) => line.keys === keys);
  const seen = () => program.all("message").map((line) => line.keys ?? "");
  const begun = (keys: string) => program.all("begun").find((line) => line.keys === keys)!;

  await program.tell(`producer producer ${group}`);
  await begin("COMMIT_MESSAGE", "committed");
  await begin("ROLLBACK_MESSAGE", "rolled-back");
  await begin("UNKNOW", "asked-commit");
  await begin("UNKNOW", "asked-rollback");
  await begin("UNKNOW", "never");
  await begin("UNKNOW", "shy-commit", " CHECK_IMMUNITY_TIME_IN_SECONDS 4");
  await program.tell(`consume ${topic} ${topic}`);

  for (const [keys, state] of [
    ["committed", "COMMIT_MESSAGE"],
    ["rolled-back", "ROLLBACK_MESSAGE"],
    ["asked-commit", "UNKNOW"],
  ] as const) {
    expect(begun(keys)).toMatchObject({ status: "SEND_OK", state, transactionId: begun(keys).msgId });
  }
  await program.until(
    () => new Set(seen()).size === 3 && checked("never").length === 3,
    "three messages, and three checks of a fourth",
    waitMs,
  );
  const { client } = await wireClients(broker);
  const givenUp = async () => (await all(client, givenUpTopic)).map(({ properties }) => properties["UNIQ_KEY"]);
  await until(async () => (await givenUp()).includes(begun("never").msgId), "the fourth to be given up");
  expect([...new Set(seen())].sort()).toEqual(["asked-commit", "committed", "shy-commit"]);
  expect(checked("never").map((line) => line.properties["TRANSACTION_CHECK_TIMES"])).toEqual(["1", "2", "3"]);
  const [shy] = checked("shy-commit");
  expect(shy!.atMs - shy!.bornTimestamp).toBeGreaterThanOrEqual(4_000);
  for (const keys of ["committed", "rolled-back"]) expect(checked(keys)).toEqual([]);
  for (const keys of ["asked-commit", "asked-rollback"]) {
    const { msgId, queueId } = begun(keys);
    const [first] = checked(keys);
    expect(first).toMatchObject({
      client: "producer",
      transactionId: msgId,
      topic,
      queueId,
      keys,
      tags: "TagA",
      body: keys,
    });
    expect(first!.atMs - first!.bornTimestamp).toBeGreaterThanOrEqual(timeOutMs);
  }
  for (const keys of ["committed", "asked-commit"]) {
    const { msgId, queueId } = begun(keys);
    const message = program.all("message").find((line) => line.keys === keys)!;
    expect(message).toMatchObject({ msgId, queueId, tags: "TagA", body: keys, reconsumeTimes: 0 });
    const { MIN_OFFSET, MAX_OFFSET, CONSUME_START_TIME, TRANSACTION_CHECK_TIMES, ...properties } = message.properties;
    expect(properties).toEqual({
      ...{ KEYS: keys, TAGS: "TagA", UNIQ_KEY: msgId, WAIT: "true", CLUSTER: "DefaultCluster" },
      ...{ MSG_REGION: "DefaultRegion", TRACE_ON: "true" },
      ...{ TRAN_MSG: "true", PGROUP: group, __transactionId__: msgId },
    });
    if (keys === "committed") expect(message.flag).toBe(7);
    expect(TRANSACTION_CHECK_TIMES === undefined).toBe(keys === "committed");
  }
  client.close();
  await program.stop();
}

/** A producer dies before it is asked. Another one, which a broker knows by what it has sent, answers in its place. */
async function judgeHeir(broker: RunningBroker, older: JavaClients, newer: JavaClients): Promise<void> {
  const heir = newer.start(broker.namesrv, "Transact", {});
  const dying = older.start(broker.namesrv, "Transact", {});
  await Promise.all([heir.tell("producer heir Heirs"), dying.tell("producer dying Heirs")]);
  await heir.tell("send heir Heirs COMMIT_MESSAGE own");
  await dying.tell("send dying Heirs UNKNOW left-commit");
  await dying.kill();
  await heir.tell("consume Heirs Heirs");
  await heir.until(() => new Set(heir.all("message").map(({ keys }) => keys)).size === 2, "both messages", waitMs);
  expect(heir.all("checked")[0]).toMatchObject({ client: "heir", state: "COMMIT_MESSAGE", keys: "left-commit" });
  await heir.stop();
}

/** What no client shows. */
async function judgeWire(broker: RunningBroker): Promise<void> {
  const { client, namesrv } = await wireClients(broker);
  const topic = "OnTheWire";
  const group = "WireProducers";
  const begin = async (uniqueKey: string) => {
    const properties = { UNIQ_KEY: uniqueKey, TAGS: "A", TRAN_MSG: "true", PGROUP: group, own: "value" };
    const sent = await client.send(topic, uniqueKey, { properties, sysFlag: 4, queueId: 2, bornTimestamp: Date.now() });
    expect(sent.fields).toMatchObject({ queueId: "2", transactionId: uniqueKey });
    return {
      tranStateTableOffset: sent.fields["queueOffset"]!,
      commitLogOffset: String(BigInt(`0x${sent.fields["msgId"]!.slice(-16)}`)),
    };
  };
  const end = (half: object, commitOrRollback: number, more: object = {}): Promise<Answer> =>
    client.request(37, { producerGroup: group, msgId: "any", ...half, commitOrRollback, ...more });
  const found = async (of: string, uniqueKey: string): Promise<PulledMessage | undefined> =>
    (await all(client, of)).find(({ properties }) => properties["UNIQ_KEY"] === uniqueKey);
  succeeded(await client.request(34, {}, { clientID: "wire", producerDataSet: [{ groupName: group }] }));

  const half = await begin("committed");
  for (const wrong of [
    { producerGroup: "Others" },
    { tranStateTableOffset: String(Number(half.tranStateTableOffset) + 1) },
    { commitLogOffset: String(Number(half.commitLogOffset) + 1) },
    { commitLogOffset: "9007199254740993" },
    { commitOrRollback: "4" },
  ]) {
    expect((await end(half, 8, wrong)).code, JSON.stringify(wrong)).toBe(1);
  }
  const stored = (await found(halfTopic, "committed"))!;
  const common = { CLUSTER: "DefaultCluster", MSG_REGION: "DefaultRegion", TRACE_ON: "true", TAGS: "A", own: "value" };
  const own = { ...common, TRAN_MSG: "true", PGROUP: group };
  expect(stored).toMatchObject({ sysFlag: 0, queueId: 0, preparedTransactionOffset: 0 });
  expect(stored.properties).toEqual({
    ...own,
    ...{ UNIQ_KEY: "committed", __transactionId__: "committed", REAL_TOPIC: topic, REAL_QID: "2" },
  });
  succeeded(await end(half, 8));
  const [message] = messagesOf(await client.pull("Any", topic, 2, 0, { subscription: "*" }));
  expect(message).toMatchObject({
    ...{ sysFlag: 8, queueId: 2, queueOffset: 0, body: "committed" },
    preparedTransactionOffset: Number(half.commitLogOffset),
  });
  expect(message!.properties).toEqual({ ...own, UNIQ_KEY: "committed", __transactionId__: "committed" });
  const noted = async () => (await all(client, opTopic)).find(({ body }) => names(body, half.tranStateTableOffset));
  await until(async () => (await noted()) !== undefined, "the end to be noted");
  expect(await noted()).toMatchObject({ queueId: 0, sysFlag: 0, reconsumeTimes: 0 });
  expect((await noted())!.properties).toEqual({ TAGS: "d", WAIT: "true" });

  await begin("asked");
  const questions = () => client.notifications.filter((one) => one.fields["transactionId"] === "asked");
  await until(() => questions().length > 0, "a check");
  const [question] = questions();
  const { tranStateTableOffset, commitLogOffset, offsetMsgId, ...fields } = question!.fields;
  expect(question).toMatchObject({ code: 39, flag: 2 });
  expect(fields).toEqual({ topic: halfTopic, msgId: "asked", transactionId: "asked", bname: "broker-a" });
  expect(BigInt(`0x${offsetMsgId!.slice(-16)}`)).toBe(BigInt(commitLogOffset!));
  const [asked] = messagesOf(question!);
  const copy = (await all(client, halfTopic)).find(({ queueOffset }) => queueOffset === Number(tranStateTableOffset))!;
  expect(copy.physicalOffset).toBe(Number(commitLogOffset));
  expect(asked).toMatchObject({
    ...{ topic, queueId: 2, body: "asked", sysFlag: 0, preparedTransactionOffset: 0 },
    ...{ queueOffset: copy.queueOffset, physicalOffset: copy.physicalOffset },
  });
  expect(copy.properties).toEqual({
    ...own,
    ...{ UNIQ_KEY: "asked", __transactionId__: "asked", REAL_TOPIC: topic, REAL_QID: "2" },
    TRANSACTION_CHECK_TIMES: "1",
  });
  expect(asked!.properties).toEqual({ ...copy.properties, WAIT: "false" });
  succeeded(await end({ tranStateTableOffset, commitLogOffset }, 12, { fromTransactionCheck: "true" }));
  const sent = { properties: { TRAN_MSG: "true", PGROUP: group, CHECK_IMMUNITY_TIME_IN_SECONDS: "1" }, queueId: 2 };
  const late = await client.send(topic, "late", sent);
  const lateHalf = {
    tranStateTableOffset: late.fields["queueOffset"]!,
    commitLogOffset: String(BigInt(`0x${late.fields["msgId"]!.slice(-16)}`)),
  };
  expect((await end(lateHalf, 8)).code).toBe(604);
  expect(messagesOf(await client.pull("Any", topic, 2, 0, { subscription: "*" })).map(({ body }) => body)).toEqual([
    "committed",
  ]);
  for (const one of [client, namesrv]) one.close();
}

/** All messages of the one queue of a topic, but none before it is there. */
async function all(client: RemotingClient, topic: string): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = [];
  for (;;) {
    const answer = await client.pull("Any", topic, 0, messages.length, { subscription: "*" });
    if (answer.code !== 0) return messages;
    messages.push(...messagesOf(answer));
  }
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + waitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${waitMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function names(body: string, offset: string): boolean {
  return body.split(",").includes(offset);
}
