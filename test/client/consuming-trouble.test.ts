import { expect, test } from "vitest";
import { Client } from "../../src/client/client.ts";
import type { PushConsumerOptions } from "../../src/client/push-consumer.ts";
import { encodeRecordModel } from "../model/record.ts";
import { type Asked, QuickClock, type Scripted, ScriptedBrokers } from "./scripted-broker.ts";
import { utf8 } from "./suite.ts";

const clientId = "me";
/** Of a clock that runs by itself. */
const lookEveryMs = 200;

/** A stored message of queue 0 of the topic T. */
function record(queueOffset: number, reconsumeTimes = 0): Uint8Array {
  const host = Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f);
  const model = {
    ...{ queueId: 0, flag: 0, queueOffset, sysFlag: 0, reconsumeTimes, preparedTransactionOffset: 0 },
    ...{ bornTimestamp: 1, storeTimestamp: 2, bornHost: host, storeHost: host },
    topic: new TextEncoder().encode("T"),
    body: new TextEncoder().encode(`m${queueOffset}`),
    properties: `UNIQ_KEY\u0001U${queueOffset}\u0002`,
  };
  return encodeRecordModel(model, 1_000 + queueOffset, false)!.bytes;
}

const pulled = (code: number, next: number, body?: Uint8Array): Scripted => ({
  code,
  fields: { nextBeginOffset: String(next), minOffset: "0", maxOffset: "99", suggestWhichBrokerId: "0" },
  ...(body === undefined ? {} : { body }),
});

type Answer = (asked: Asked) => Scripted | "drop" | "silent" | undefined;

/** One broker with two queues of T; `answer` says what is not as usual. Queue 1 and the retries have nothing. */
function setUp(answer: Answer, options: Partial<PushConsumerOptions> = {}) {
  const clock = new QuickClock();
  const committed = new Map<string, string>();
  const brokers = new ScriptedBrokers(["a"], (asked) => {
    const special = answer(asked);
    if (special !== undefined) return special;
    const { code, fields } = asked;
    const place = `${fields["topic"]} ${fields["queueId"]}`;
    if (code === 38) return { code: 0, body: { consumerIdList: [clientId] } };
    if (code === 14)
      return committed.has(place) ? { code: 0, fields: { offset: committed.get(place)! } } : { code: 22 };
    if (code === 15) committed.set(place, fields["commitOffset"]!);
    if (code === 11) return "silent";
    return { code: 0, fields: { offset: "7" } };
  });
  const errors: string[] = [];
  const client = new Client({
    nameServers: ["ns"],
    carrier: brokers,
    clock,
    clientId,
    onError: (error, what) => errors.push(`${what}: ${(error as Error).message}`),
  });
  const got: string[] = [];
  const consumer = client.pushConsumer({
    group: "G",
    subscriptions: { T: "*" },
    consumeFrom: "FIRST_OFFSET",
    listener: ([message]) => {
      got.push(`${utf8.decode(message!.body)} x${message!.reconsumeTimes}`);
    },
    ...options,
  });
  const asked = (code: number, queueId?: string): Asked[] =>
    brokers.asked.filter(
      (each) =>
        each.code === code &&
        (queueId === undefined || (each.fields["queueId"] === queueId && each.fields["topic"] === "T")),
    );
  /** Lets the clock go on until it holds. */
  const until = (holds: () => boolean): Promise<void> =>
    clock.run(
      (async () => {
        while (!holds()) await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
      })(),
    );
  return { clock, client, consumer, got, errors, asked, until, committed };
}

const isFirstQueue = ({ fields }: Asked): boolean => fields["queueId"] === "0" && fields["topic"] === "T";

test("an offset the queue does not have is left for one that it has", async () => {
  const { clock, client, consumer, asked, until, committed } = setUp((each) => {
    if (each.code !== 11 || !isFirstQueue(each)) return undefined;
    return each.fields["queueOffset"] === "0" ? pulled(21, 50) : undefined;
  });
  await clock.run(consumer.start());
  await until(() => asked(11, "0").length === 2);
  expect(asked(11, "0").map(({ fields }) => fields["queueOffset"])).toEqual(["0", "50"]);
  expect(committed.get("T 0")).toBe("50");
  await clock.run(client.close());
});

test("a broker that does not know the subscription is told it, then asked again", async () => {
  for (const code of [24, 25]) {
    let refusals = 1;
    const { clock, client, consumer, asked, until } = setUp((each) => {
      if (each.code === 11 && isFirstQueue(each) && refusals-- > 0) return { code };
      return undefined;
    });
    await clock.run(consumer.start());
    await until(() => asked(11, "0").length === 2);
    expect(asked(34).length).toBeGreaterThanOrEqual(2);
    await clock.run(client.close());
  }
});

test("a broker that fails pulls is asked after growing pauses, not hammered", async () => {
  const { clock, client, consumer, asked, until, errors } = setUp((each) =>
    each.code === 11 && isFirstQueue(each) ? { code: 2, remark: "busy" } : undefined,
  );
  await clock.run(consumer.start());
  const startMs = clock.nowMs;
  await until(() => clock.nowMs > startMs + 60_000);
  expect(asked(11, "0").length).toBeGreaterThan(15);
  expect(asked(11, "0").length).toBeLessThan(60);
  expect(errors).toContain("pull (group G): pull of T queue 0: busy");
  await clock.run(client.close());
});

test("a message that can't be given back is sent back as a copy, else tried again here", async () => {
  let copies = 0;
  const tries: number[] = [];
  const { clock, client, consumer, asked, until } = setUp(
    (each) => {
      if (each.code === 11 && isFirstQueue(each) && each.fields["queueOffset"] === "0") return pulled(0, 1, record(0));
      if (each.code === 36) return { code: 1, remark: "the message is gone" };
      if (each.code !== 310) return undefined;
      return copies++ === 0 ? { code: 13 } : { code: 0, fields: { msgId: "ID", queueId: "0", queueOffset: "0" } };
    },
    {
      listener: ([message]) => {
        tries.push(message!.reconsumeTimes);
        return "RECONSUME_LATER";
      },
    },
  );
  await clock.run(client.routes.refresh("T"));
  await clock.run(consumer.start());
  await until(() => asked(310).length === 2);
  expect(tries).toEqual([0, 1]);
  expect(asked(36)[0]!.fields).toMatchObject({
    offset: "1000",
    group: "G",
    originMsgId: "U0",
    maxReconsumeTimes: "16",
  });
  const [, copy] = asked(310);
  expect(copy!.fields).toMatchObject({ a: "CLIENT_INNER_PRODUCER", b: "%RETRY%G", j: "2", l: "16" });
  expect(copy!.fields["i"]).toContain("RETRY_TOPIC\u0001T\u0002");
  expect(copy!.fields["i"]).toContain("ORIGIN_MESSAGE_ID\u0001U0\u0002");
  expect(copy!.fields["i"]).toContain("DELAY\u00014\u0002");
  // Given back, it is behind us.
  await until(() => asked(15, "0").some(({ fields }) => fields["commitOffset"] === "1"));
  await clock.run(client.close());
});

test("an orderly consumer that lost its lock consumes no more of the queue until it has it again", async () => {
  let isGranted = true;
  let lostAtMs = Number.POSITIVE_INFINITY;
  const all = [0, 1].map((queueId) => ({ topic: "T", brokerName: "a", queueId }));
  const { clock, client, consumer, got, asked, until, committed } = setUp(
    (each) => {
      if (each.code === 41) return { code: 0, body: { lockOKMQSet: isGranted ? all : [] } };
      if (each.code !== 11 || !isFirstQueue(each)) return undefined;
      const offset = Number(each.fields["queueOffset"]);
      if (offset === 0) return pulled(0, 1, record(0));
      // Comes once the lock was asked for again, each 20 s, and is another member's by then.
      if (offset === 1) return clock.nowMs > lostAtMs + 20_000 ? pulled(0, 2, record(1)) : pulled(19, 1);
      return offset >= 10 && offset < 12 ? pulled(0, offset + 1, record(offset)) : undefined;
    },
    { orderly: true },
  );
  await clock.run(consumer.start());
  await until(() => got.length === 1);
  expect(consumer.queues).toHaveLength(2);
  isGranted = false;
  lostAtMs = clock.nowMs;
  await until(() => clock.nowMs > lostAtMs + 25_000);
  // Another member went on meanwhile.
  committed.set("T 0", "10");
  isGranted = true;
  await until(() => clock.nowMs > lostAtMs + 120_000);
  expect(got).toEqual(["m0 x0", "m10 x0", "m11 x0"]);
  await clock.run(client.close());
  expect(asked(42).length).toBeGreaterThan(0);
});

test("a new group asks where to begin", async () => {
  const begin = async (consumeFrom: PushConsumerOptions["consumeFrom"] & {}) => {
    const { clock, client, consumer, asked, until } = setUp(() => undefined, { consumeFrom });
    await clock.run(consumer.start());
    await until(() => asked(11, "0").length > 0);
    await clock.run(client.close());
    return { offset: asked(11, "0")[0]!.fields["queueOffset"], last: asked(30).length, byTime: asked(29) };
  };
  expect(await begin("FIRST_OFFSET")).toEqual({ offset: "0", last: 0, byTime: [] });
  expect(await begin("LAST_OFFSET")).toEqual({ offset: "7", last: 2, byTime: [] });
  const byTime = await begin({ timestampMs: 1_234.5 });
  expect(byTime).toMatchObject({ offset: "7", last: 0 });
  expect(byTime.byTime[0]!.fields).toMatchObject({ timestamp: "1234" });
});

test("a stop tells the brokers: offsets, then that the member is gone", async () => {
  const { clock, client, consumer, asked, until } = setUp((each) =>
    each.code === 11 && isFirstQueue(each) && each.fields["queueOffset"] === "0"
      ? pulled(0, 2, Uint8Array.from([...record(0), ...record(1)]))
      : undefined,
  );
  await clock.run(consumer.start());
  await until(() => asked(11, "0").length === 2);
  await clock.run(consumer.stop());
  expect(asked(15, "0").at(-1)!.fields).toMatchObject({ consumerGroup: "G", commitOffset: "2" });
  expect(asked(35).at(-1)!.fields).toMatchObject({ clientID: clientId, consumerGroup: "G" });
  await clock.run(client.close());
});

test("a message whose listener fails at a stop is not behind the group", async () => {
  const { clock, client, consumer, asked, until } = setUp(
    (each) =>
      each.code === 11 && isFirstQueue(each) && each.fields["queueOffset"] === "0"
        ? pulled(0, 1, record(0))
        : undefined,
    {
      listener: async (_, { signal }) => {
        isRunning = true;
        await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
      },
    },
  );
  let isRunning = false;
  await clock.run(consumer.start());
  await until(() => isRunning);
  await clock.run(client.close());
  expect(asked(36)).toEqual([]);
  expect(asked(15, "0").at(-1)!.fields).toMatchObject({ commitOffset: "0" });
});

test("a queue whose lock was lost is begun again only when its listener returned", async () => {
  const all = [0, 1].map((queueId) => ({ topic: "T", brokerName: "a", queueId }));
  const returns: (() => void)[] = [];
  let startMs = Number.POSITIVE_INFINITY;
  let refusals = 0;
  const { clock, client, consumer, until } = setUp(
    (each) => {
      if (each.code === 41) {
        // Locks are asked for again each 20 s.
        const isRefused = clock.nowMs > startMs + 15_000 && clock.nowMs < startMs + 25_000;
        if (isRefused) refusals++;
        return { code: 0, body: { lockOKMQSet: isRefused ? [] : all } };
      }
      if (each.code !== 11 || !isFirstQueue(each)) return undefined;
      return each.fields["queueOffset"] === "0" ? pulled(0, 1, record(0)) : undefined;
    },
    { orderly: true, listener: () => new Promise<void>((resolve) => returns.push(resolve)) },
  );
  await clock.run(consumer.start());
  await until(() => returns.length === 1);
  startMs = clock.nowMs;
  await until(() => clock.nowMs > startMs + 90_000);
  expect(refusals).toBeGreaterThan(0);
  expect(returns).toHaveLength(1);
  // The other queue is had meanwhile.
  expect(consumer.queues).toEqual([all[1]]);
  const returnedMs = clock.nowMs;
  returns[0]!();
  // At once, not when it is time to look again.
  await until(() => returns.length === 2);
  expect(clock.nowMs - returnedMs).toBeLessThanOrEqual(lookEveryMs);
  returns[1]!();
  await clock.run(client.close());
});
