import { describe, expect, test } from "vitest";
import type { RemotingClient } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { all } from "./queues.ts";
import { connect, killed, restarted, type Start } from "./start.ts";
import { namesIn } from "./store-files.ts";

const anyHour = Array.from({ length: 24 }, (_, hour) => hour);

/** Some 14 records a CommitLog file, 50 units a ConsumeQueue file. */
const small = { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 1000 };
const messages = 120;

const ends = async (client: RemotingClient, topic = "T"): Promise<{ min: number; max: number }> => {
  const queue = { topic, queueId: "0" };
  const min = Number((await client.request(31, queue)).fields["offset"]);
  return { min, max: Number((await client.request(30, queue)).fields["offset"]) };
};

const expectGone = (client: RemotingClient) =>
  expect.poll(async () => (await ends(client)).min, { timeout: 4_000 }).toBeGreaterThan(messages - 20);

async function fill(client: RemotingClient): Promise<void> {
  await client.send("Early", "early");
  for (let i = 0; i < messages; i++) await client.send("T", `m${i}`.padEnd(400, "."));
}

/** All that is left is served, at its own offsets; more may go meanwhile. */
async function expectWhole(client: RemotingClient): Promise<void> {
  const { min, max } = await ends(client);
  const kept = await all(client, "T");
  const first = kept[0]!.queueOffset;
  expect(first).toBeGreaterThanOrEqual(min);
  expect(kept.map(({ queueOffset }) => queueOffset)).toEqual(Array.from({ length: max - first }, (_, i) => first + i));
  for (const { queueOffset, body } of kept) expect(body.replaceAll(".", "")).toBe(`m${queueOffset}`);
}

async function filesOf(broker: HostedBroker): Promise<{ log: string[]; queue: string[] }> {
  return broker.files(async (storage) => ({
    log: await namesIn(storage, "commitlog"),
    queue: await namesIn(storage, "consumequeue/T"),
  }));
}

export function describeRetention(start: Start): void {
  describe("retention", () => {
    test("what is expired goes; consumers behind it are told where to go on; nothing else is changed by it", async () => {
      const store = { ...small, fileReservedTimeMs: 0, deleteWhen: anyHour, cleanResourceIntervalMs: 100 };
      const { broker, client } = await start({ store });
      await fill(client);
      await expectGone(client);
      const behind = await client.pull("G", "T", 0, 1, { subscription: "*" });
      const { min, max } = await ends(client);
      expect(behind).toMatchObject({ code: 21, remark: "OFFSET_TOO_SMALL", fields: { maxOffset: String(messages) } });
      expect(behind.fields["nextBeginOffset"]).toBe(behind.fields["minOffset"]);
      // It may go on.
      expect(Number(behind.fields["minOffset"])).toBeLessThanOrEqual(min);
      expect(max).toBe(messages);
      await expectWhole(client);
      expect(await ends(client, "Early")).toEqual({ min: 1, max: 1 });
      const again = await restarted(broker, async (storage) => {
        expect((await namesIn(storage, "commitlog")).length).toBeLessThan(3);
        expect((await namesIn(storage, "consumequeue/T")).length).toBeLessThan(3);
      });
      await expectWhole(again);
      expect((await again.send("Early", "late")).fields["queueOffset"]).toBe("1");
      const last = await killed(broker);
      await expectWhole(last);
      expect(await ends(last, "Early")).toEqual({ min: 1, max: 2 });
    });

    test("an administrator has it done at any hour (329), also of ConsumeQueues (306)", async () => {
      const store = { ...small, fileReservedTimeMs: 0, deleteWhen: [], cleanResourceIntervalMs: 600_000 };
      const { broker, client } = await start({ store });
      await fill(client);
      expect((await ends(client)).min).toBe(0);
      expect((await client.request(329)).code).toBe(0);
      await expectGone(client);
      expect((await client.request(306)).code).toBe(0);
      expect((await client.request(316)).code).toBe(0);
      await expectWhole(client);
      await broker.stop();
      const { log, queue } = await filesOf(broker);
      expect(log.length).toBeLessThan(4);
      expect(queue.length).toBeLessThan(3);
    });

    test("nothing goes before its time", async () => {
      const { broker, client } = await start({
        store: { ...small, cleanResourceIntervalMs: 100, deleteWhen: anyHour },
      });
      await fill(client);
      expect((await client.request(329)).code).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await ends(client)).toEqual({ min: 0, max: messages });
      await broker.stop();
      expect((await filesOf(broker)).log.length).toBeGreaterThan(6);
      await broker.start();
      expect((await all(await connect(broker), "T")).length).toBe(messages);
    });
  });
}
