/** What waits in a store when it changes hands, between Apache and wasmq: popped messages, transactions without an end. */
import { describe, expect, test } from "vitest";
import { pop, poppedOf } from "../lib/popping.ts";
import { messagesOf, RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import { OnePlace, type Owner } from "./one-place.ts";
import { missingTool } from "./toolchain.ts";

const testMs = 180_000;
const waitMs = 40_000;

const owners: readonly Owner[] = ["Apache", "wasmq", "Apache", "wasmq"];
type End = "stopped" | "killed";

/** Opens one store in turns; `turn` gets a client of that broker. */
async function takeTurns(
  end: End,
  conf: Readonly<Record<string, number | boolean>>,
  turn: (client: RemotingClient, number: number, owner: Owner) => Promise<void>,
): Promise<void> {
  const place = await OnePlace.make(conf);
  try {
    for (const [number, owner] of owners.entries()) {
      await place.open(owner);
      const client = await RemotingClient.open((events) => openSocket(place.brokerPort, events));
      await turn(client, number, owner);
      client.close();
      if (end === "killed") await place.kill();
      else await place.stop();
    }
  } finally {
    await place.close();
  }
}

describe.skipIf((await missingTool()) !== undefined)("a store that changes hands", () => {
  test.each(["stopped", "killed"] as const)(
    "what was popped and not acknowledged comes again at the next broker, the one before was %s",
    {
      timeout: testMs,
    },
    async (end) => {
      const invisibleMs = 3_000;
      /** Popped in the turn before, and not acknowledged there. */
      let left: string[] = [];
      const acknowledged = new Set<string>();
      const again: string[] = [];
      await takeTurns(end, {}, async (client, number, owner) => {
        const bodies = Array.from({ length: 6 }, (_, i) => `${owner}-${number}-${i}`);
        for (const body of bodies) await client.send("Popped", body);
        await client.consume("G", { Popped: "*" });
        const ack = async (message: ReturnType<typeof poppedOf>[number]) => {
          const { realTopic, queueId, handle, queueOffset, body } = message;
          const fields = { consumerGroup: "G", topic: realTopic, queueId, extraInfo: handle, offset: queueOffset };
          succeeded(await client.request(200_051, fields));
          acknowledged.add(body);
        };
        const isLast = number === owners.length - 1;
        const wanted = new Set([...left, ...bodies]);
        const kept: string[] = [];
        const came = async () => {
          const answer = await pop(client, "G", "Popped", { invisibleMs, pollMs: 1_000, max: 8 });
          for (const message of answer.code === 0 ? poppedOf("G", answer) : []) {
            const { body } = message;
            if (acknowledged.has(body)) again.push(`${body} at ${owner}, turn ${number}`);
            const isOwn = bodies.includes(body);
            // Half of what is new is left for the next broker.
            if (isOwn && !isLast && bodies.indexOf(body) % 2 === 1) {
              if (!kept.includes(body)) kept.push(body);
            } else await ack(message);
            wanted.delete(body);
          }
          return [...wanted];
        };
        await expect.poll(came, { message: `turn ${number}`, timeout: waitMs, interval: 50 }).toEqual([]);
        left = kept;
      });
      expect(acknowledged.size).toBe(6 * owners.length);
      // What a killed broker had yet to read of its acknowledgements, the next one may be too late for.
      if (end === "stopped") expect(again).toEqual([]);
    },
  );

  test.each(["stopped", "killed"] as const)(
    "transactions without an end are asked about by the next broker, and what was ended stays so, the one before was %s",
    { timeout: testMs },
    async (end) => {
      // Whoever stops slowly goes on to ask: what is left for the last turn is not given up before it.
      const more = { transactionOpBatchInterval: 100, transactionCheckMax: 1_000 };
      const conf = { transactionTimeOut: 3_000, transactionCheckInterval: 1_000, ...more };
      const commit = 8;
      const rollback = 12;
      const committed: string[] = [];
      /** Half messages of the turn before. */
      let left: string[] = [];
      /** Of all turns: nobody says their end before the last one. */
      const longLeft: string[] = [];
      await takeTurns(end, conf, async (client, number, owner) => {
        const isLast = number === owners.length - 1;
        const finish = async (
          tranStateTableOffset: string,
          commitLogOffset: string,
          commitOrRollback: number,
          more = {},
        ) => {
          const fields = { producerGroup: "PG", tranStateTableOffset, commitLogOffset, commitOrRollback, msgId: "m" };
          succeeded(await client.request(37, { ...fields, ...more }));
        };
        /** Ends are gathered before they are stored: a broker that is killed before that has forgotten them. */
        const isStored = async (halfOffset: string): Promise<boolean> => {
          const ops: string[] = [];
          for (;;) {
            const answer = await client.pull("Any", "RMQ_SYS_TRANS_OP_HALF_TOPIC", 0, ops.length, {
              subscription: "*",
            });
            const bodies = answer.code === 0 ? messagesOf(answer).map(({ body }) => body) : [];
            if (bodies.length === 0) return ops.some((body) => body.split(",").includes(halfOffset));
            ops.push(...bodies);
          }
        };
        const begin = async (body: string): Promise<[string, string]> => {
          const properties = { TRAN_MSG: "true", PGROUP: "PG", UNIQ_KEY: body };
          const half = { properties, sysFlag: 4, queueId: 0, bornTimestamp: Date.now() };
          const { fields } = succeeded(await client.send("Bought", body, half));
          return [fields["queueOffset"]!, String(BigInt(`0x${fields["msgId"]!.slice(-16)}`))];
        };
        succeeded(await client.request(34, {}, { clientID: "wire", producerDataSet: [{ groupName: "PG" }] }));
        const name = (what: string) => `${what}-${owner}-${number}`;
        const toCommit = await begin(name("committed"));
        await finish(...toCommit, commit);
        committed.push(name("committed"));
        const toRollBack = await begin(name("rolled-back"));
        await finish(...toRollBack, rollback);
        for (const [halfOffset] of [toCommit, toRollBack]) {
          await expect.poll(() => isStored(halfOffset), { timeout: waitMs, interval: 50 }).toBe(true);
        }
        const own = [name("left-commit"), name("left-rollback")];
        for (const body of own) await begin(body);
        await begin(name("long-left"));
        longLeft.push(name("long-left"));

        const asked = new Set<string>();
        let answered = 0;
        const isDue = (body: string): boolean =>
          left.includes(body) || (isLast && (own.includes(body) || longLeft.includes(body)));
        const due = [...left, ...(isLast ? [...own, ...longLeft] : [])];
        const notAsked = async () => {
          for (const { code, fields } of client.notifications.slice(answered)) {
            answered++;
            if (code !== 39) continue;
            const body = fields["transactionId"]!;
            asked.add(body);
            if (!isDue(body)) continue;
            const isCommitted = !body.startsWith("left-rollback");
            if (isCommitted && !committed.includes(body)) committed.push(body);
            const { tranStateTableOffset, commitLogOffset } = fields;
            await finish(tranStateTableOffset!, commitLogOffset!, isCommitted ? commit : rollback, {
              fromTransactionCheck: "true",
            });
          }
          return due.filter((body) => !asked.has(body));
        };
        await expect.poll(notAsked, { message: `turn ${number}, ${owner}`, timeout: waitMs, interval: 50 }).toEqual([]);
        // Ended transactions are asked about by nobody.
        for (const body of asked) expect(body).toMatch(/^l/);
        const seen = async () => {
          const answer = await client.pull("Any", "Bought", 0, 0, { subscription: "*" });
          // Once each: Apache, which may ask twice before it hears, stores what is committed twice.
          return [...new Set(messagesOf(answer).map(({ body }) => body))].sort();
        };
        await expect
          .poll(seen, { message: `turn ${number}, ${owner}`, timeout: waitMs })
          .toEqual([...committed].sort());
        left = own;
      });
      expect(committed).toHaveLength(3 * owners.length);
    },
  );
});
