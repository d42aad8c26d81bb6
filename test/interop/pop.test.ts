import { describe, expect } from "vitest";
import { JavaClients, type JavaProgram, type PoppedLine } from "./java-client.ts";
import { brokers } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";

const testMs = 240_000;

/** The least that the client allows a push consumer to ask for, and what it first asks for after a failure. */
const firstRetryMs = 10_000;

const known = new KnownFailing("pop.test.ts");

describe.skipIf((await missingTool()) !== undefined)("the official client pops", () => {
  for (const { name, start } of brokers) {
    known.suite(`${name}, client 5.5.0`, { atOnce: "suites", timeoutMs: testMs }, (test) => {
      test("messages shared one by one, retries, time that is up or changed, order, a restart", async () => {
        const clients = await JavaClients.of("5.5.0");
        let broker: RunningBroker | undefined;
        try {
          broker = await start();
          const program = clients.start(broker.namesrv, "Pop", { broker: "broker-a" });
          await judgePops(program, broker);
          await program.stop();
        } finally {
          await clients.close();
          await broker?.close();
        }
      });
    });
  }
  known.checkNames();
});

async function judgePops(program: JavaProgram, broker: RunningBroker): Promise<void> {
  const popped = (by: string, topic: string) =>
    program.all("popped").filter((line) => line.by === by && line.topic === topic);
  const until = (what: string, holds: () => boolean, timeoutMs = 120_000) => program.until(holds, what, timeoutMs);
  const keysOf = (lines: readonly PoppedLine[]) => lines.map(({ keys }) => keys).sort();
  const keys = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`).sort();
  let pops = 0;
  /** One pop, of all queues. */
  const pop = async (
    topic: string,
    given: { max?: number; ms?: number; poll?: number; order?: boolean; attempt?: string } = {},
  ) => {
    const by = `pop${pops++}`;
    const { max = 32, ms = 60_000, poll = 0, order = false, attempt = "-" } = given;
    await program.tell(`pop ${by} ${topic} ${topic} ${max} ${ms} ${poll} ${order} ${attempt}`);
    return popped(by, topic);
  };
  const settle = async (command: string) => {
    await program.tell(command);
    expect(program.last("settled"), command).toMatchObject({ keys: command.split(" ")[3], status: "OK" });
  };

  // A push consumer whose listener fails: the message is its own for ten seconds more, and comes again then.
  await program.tell("send Failing f 3 -1");
  await program.tell("mode Failing Failing POP 0");
  await program.tell("consume failing Failing Failing * 1");

  // Two push consumers share the messages of all queues; tags are compared.
  await program.tell("send Shared before 8 -1");
  await program.tell("mode Shared Shared POP -1");
  await program.tell("consume first Shared Shared TagA 0");
  await program.tell("consume second Shared Shared TagA 0");
  await program.tell("send Shared s 40 -1");

  // Acknowledged, or asked for longer, or for a shorter time: those come again.
  await program.tell("send Held h 6 0");
  const held = await pop("Held", { ms: 20_000 });
  expect(keysOf(held)).toEqual(keys("h", 6));
  expect(await pop("Held")).toEqual([]);
  await settle("change Held Held h2 60000");
  for (const key of ["h4", "h5"]) await settle(`change Held Held ${key} 2000`);
  await settle("ack Held Held h0");
  await settle("ackall Held Held h1,h3");

  // In order: the next come when those before are acknowledged, or their time is up; the same attempt gets the same.
  await program.tell("send Ordered o 4 0");
  const inOrder = (given: { ms?: number; poll?: number; attempt?: string } = {}) =>
    pop("Ordered", { max: 2, order: true, ...given });
  expect(keysOf(await inOrder({ attempt: "one" }))).toEqual(["o0", "o1"]);
  expect(await inOrder({ attempt: "two" })).toEqual([]);
  expect(keysOf(await inOrder({ attempt: "one" }))).toEqual(["o0", "o1"]);
  await settle("ack Ordered Ordered o1");
  expect(await inOrder()).toEqual([]);
  await settle("ack Ordered Ordered o0");
  expect(keysOf(await inOrder({ ms: 1_500 }))).toEqual(["o2", "o3"]);
  const afterTime = await inOrder({ poll: 20_000 });
  expect(keysOf(afterTime)).toEqual(["o2", "o3"]);

  const again: PoppedLine[] = [];
  while (again.length < 2) again.push(...(await pop("Held", { poll: 10_000 })));
  expect(keysOf(again)).toEqual(["h4", "h5"]);
  for (const line of again) {
    expect(line).toMatchObject({ reconsumeTimes: 1, body: line.keys, tags: line.keys === "h4" ? "TagA" : "TagB" });
    expect(line.at - held[0]!.at).toBeGreaterThanOrEqual(1_900);
  }
  await settle("ack Held Held h4");

  await until("all that is shared", () => popped("first", "Shared").length + popped("second", "Shared").length >= 24);
  await until("each failure's second time", () => popped("failing", "Failing").length >= 6);
  const shared = [...popped("first", "Shared"), ...popped("second", "Shared")];
  expect(keysOf(shared)).toEqual(
    [...keys("before", 8), ...keys("s", 40)].filter((key) => Number(/\d+$/.exec(key)) % 2 === 0).sort(),
  );
  for (const key of keys("f", 3)) {
    const [one, two, ...more] = popped("failing", "Failing").filter((line) => line.keys === key);
    expect(more).toEqual([]);
    expect([one!.reconsumeTimes, two!.reconsumeTimes]).toEqual([0, 1]);
    expect(two!.at - one!.at).toBeGreaterThanOrEqual(firstRetryMs - 100);
  }

  // What was popped and acknowledged is so after a restart, too.
  await program.tell("send Kept k 3 0");
  expect(keysOf(await pop("Kept", { ms: 5_000 }))).toEqual(keys("k", 3));
  await settle("ack Kept Kept k1");
  await broker.stop();
  await broker.restart();
  const kept: PoppedLine[] = [];
  while (kept.length < 2) kept.push(...(await pop("Kept", { poll: 10_000 })));
  expect(keysOf(kept)).toEqual(["k0", "k2"]);
  expect(kept.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([1, 1]);
  expect(await pop("Kept")).toEqual([]);
}
