import { expect, test } from "vitest";
import { Routes } from "../../src/client/routes.ts";
import { queuesPerTopicMax } from "../../src/limits.ts";

/** The route of T that a NameServer answers with those counts of queues. */
function routeOf(counts: readonly object[]) {
  const route = {
    brokerDatas: [{ brokerName: "b", brokerAddrs: { 0: "b:1" } }],
    queueDatas: counts.map((count) => ({ brokerName: "b", perm: 6, ...count })),
  };
  const body = new TextEncoder().encode(JSON.stringify(route));
  return new Routes(async () => ({ code: 0, remark: undefined, fields: {}, body })).get("T");
}

test("a route has as many queues as it says", async () => {
  const route = await routeOf([{ readQueueNums: 3, writeQueueNums: 2 }]);
  expect(route!.readQueues.map(({ queueId }) => queueId)).toEqual([0, 1, 2]);
  expect(route!.writeQueues.map(({ queueId }) => queueId)).toEqual([0, 1]);
  const none = await routeOf([{}]);
  expect(none).toMatchObject({ readQueues: [], writeQueues: [] });
  const most = await routeOf([{ readQueueNums: queuesPerTopicMax, writeQueueNums: 1 }]);
  expect(most!.readQueues).toHaveLength(queuesPerTopicMax);
});

test("a route of more queues than a topic may have, or of no number of them, is an error", async () => {
  for (const counts of [
    [{ readQueueNums: queuesPerTopicMax + 1 }],
    [{ writeQueueNums: 2e7 }],
    [{ readQueueNums: queuesPerTopicMax }, { readQueueNums: 1 }],
    [{ readQueueNums: -1 }],
    [{ readQueueNums: 1.5 }],
    [{ readQueueNums: "8" }],
  ]) {
    await expect(routeOf(counts)).rejects.toMatchObject({ name: "ClientError", code: "SYSTEM_ERROR" });
  }
});
