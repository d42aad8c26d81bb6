import { beforeEach, describe, expect, test } from "vitest";
import { type Answer, frameOf, type RemotingClient, requestFrame } from "../lib/remoting-client.ts";
import {
  asksToBeHeld,
  batchesThatLie,
  bodiesThatAreNoJson,
  heartbeatsThatAreNone,
  jsonBodyCodes,
  latin1,
  mayGoUnread,
  maySucceedEmpty,
  noNumbers,
  parseRequired,
  requestCodes,
  sendHeader,
  strangeBodies,
  strangeHeartbeats,
  strangeNumbers,
  strangeSysFlags,
  unsupportedCodes,
  validHeader,
} from "./hostile-cases.ts";
import { all } from "./queues.ts";
import type { Start } from "./start.ts";

/** Far above what an answer takes on a busy machine. */
const answerMsMax = 3_000;

/** Whole frames that ask for nonsense: each is answered, and the connection goes on. */
export function describeHostileRequests(start: Start): void {
  let client: RemotingClient;

  beforeEach(async () => {
    ({ client } = await start());
    await client.send("Hostile", "plain");
  });

  /** The answer, or undefined if none comes. */
  async function answerTo(code: number, header: object, body = latin1("x")): Promise<Answer | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), answerMsMax);
    });
    const answer = await Promise.race([client.request(code, header, body), late]);
    clearTimeout(timer);
    return answer;
  }

  describe("requests with fields missing or wrong", () => {
    test.each(requestCodes)("code %i with nothing at all", async (code) => {
      const answer = await client.request(code);
      if (!maySucceedEmpty.has(code)) expect(answer.code).not.toBe(0);
      const withoutExtFields = await client.exchange(77, frameOf(0, latin1(`{"code":${code},"opaque":77}`)));
      if (!maySucceedEmpty.has(code)) expect(withoutExtFields.code).not.toBe(0);
    });

    test.each(requestCodes.filter(([, required]) => required !== ""))(
      "code %i without one of its fields",
      async (code, text) => {
        for (const { name } of parseRequired(text)) {
          const { [name]: _dropped, ...header } = validHeader(parseRequired(text));
          // Which of these are refused differs with what Apache happens to look at; all of them are answered.
          expect.soft(await answerTo(code, header), `${code} without ${name}`).toBeDefined();
        }
      },
    );

    test.each(requestCodes.filter(([, required]) => required.includes(":")))(
      "code %i with wrong numbers",
      async (code, text) => {
        for (const { name, numeric } of parseRequired(text)) {
          if (!numeric) continue;
          for (const value of noNumbers) {
            const header = { ...validHeader(parseRequired(text)), [name]: value };
            const answer = await client.request(code, header, latin1("x"));
            if (!mayGoUnread.has(name)) expect.soft(answer.code, `${code} with ${name}=${value}`).not.toBe(0);
          }
          for (const value of strangeNumbers) {
            if (asksToBeHeld(name, value)) continue;
            const header = { ...validHeader(parseRequired(text)), [name]: value };
            expect.soft(await answerTo(code, header), `${code} with ${name}=${value}`).toBeDefined();
          }
        }
      },
    );

    test("an unknown code is answered with 3 and its number", async () => {
      for (const code of unsupportedCodes) {
        const answer = await client.request(code, { topic: "Hostile" });
        expect(answer).toMatchObject({ code: 3, remark: ` request type ${code} not supported` });
      }
    });

    test("a one-way request gets no answer, whatever is wrong with it", async () => {
      for (const code of [9999, -1, ...requestCodes.map(([each]) => each)]) {
        client.oneway(code, {});
        client.oneway(code, { topic: "", queueId: "abc" }, latin1("not a body"));
      }
      expect((await client.request(9999)).code).toBe(3);
      // What is answered after some waiting, as a send is, would come before this.
      await client.send("Hostile", "last");
      expect(client.unasked).toEqual([]);
    });

    test("an answer to a question never asked is dropped", async () => {
      const unasked = frameOf(0, latin1('{"code":0,"flag":1,"opaque":41,"version":513}'), latin1("x"));
      client.push(unasked);
      client.push(unasked.slice());
      expect(await client.exchange(42, requestFrame(9999, 42))).toMatchObject({ code: 3, opaque: 42 });
      expect(client.unasked).toEqual([]);
    });
  });

  describe("bodies that lie", () => {
    test.each(batchesThatLie)("a batch whose items do not add up: %s", async (_, body) => {
      const answer = await client.request(320, { ...sendHeader("HostileBatch"), m: "true" }, body);
      expect(answer.code).not.toBe(0);
      expect((await client.request(30, { topic: "HostileBatch", queueId: "0" })).fields["offset"]).toBe("0");
    });

    test("a heartbeat that is not one", async () => {
      for (const text of heartbeatsThatAreNone) {
        expect.soft((await client.request(34, {}, latin1(text))).code, text.slice(0, 20)).not.toBe(0);
      }
      for (const text of strangeHeartbeats) {
        expect.soft(await answerTo(34, {}, latin1(text)), text.slice(0, 100)).toBeDefined();
      }
    });

    test.each(jsonBodyCodes)("a body of code %i that is not JSON", async (code) => {
      for (const text of bodiesThatAreNoJson) {
        expect.soft((await client.request(code, {}, latin1(text))).code, text.slice(0, 20)).not.toBe(0);
      }
      for (const text of strangeBodies) expect.soft(await answerTo(code, {}, latin1(text)), text).toBeDefined();
    });

    test("a sysFlag that claims longer addresses leaves the queue readable", async () => {
      const topic = "HostileSysFlag";
      for (const sysFlag of strangeSysFlags) {
        expect.soft(await answerTo(310, { ...sendHeader(topic), f: sysFlag }), `sysFlag ${sysFlag}`).toBeDefined();
      }
      expect(await client.request(310, sendHeader(topic), latin1("the last"))).toMatchObject({ code: 0 });
      expect((await all(client, topic)).map(({ body }) => body)).toContain("the last");
    });
  });
}
