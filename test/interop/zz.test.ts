import { writeFile } from "node:fs/promises";
import { test } from "vitest";
import { encodeBatch, json, messagesOf } from "../lib/remoting-client.ts";
import { brokers } from "./judged.ts";
import { wireClients } from "./wire-client.ts";

const T = "Inner";
test.each(brokers)("$name", { timeout: 400_000 }, async ({ name, start }) => {
  const broker = await start({ conf: "enabledAppendPropCRC=false\n" });
  const { client } = await wireClients(broker);
  const out: unknown[] = [];
  const say = (what: string, value: unknown) => out.push([what, value]);
  const brief = (a: any) => ({ code: a.code, remark: a.remark, fields: a.fields });
  const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));
  const fields = {
    topic: T,
    defaultTopic: "TBW102",
    readQueueNums: 1,
    writeQueueNums: 1,
    perm: 6,
    topicFilterType: "SINGLE_TAG",
    topicSysFlag: 0,
    order: false,
    attributes: "+queue.type=BatchCQ",
  };
  say("create", brief(await client.request(17, fields)));
  const header = { a: "PG", b: T, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", m: "true" };
  const items = [1, 2, 3].map((i) => ({ body: `b${i}`, properties: { UNIQ_KEY: `UK${i}`, KEYS: `k${i}`, TAGS: "A" } }));
  const key = (k: string, more = "") => ({ i: `UNIQ_KEY\u0001${k}\u0002WAIT\u0001true\u0002${more}` });
  const times: number[] = [];
  const send = async (what: string, given: object, list: any = items, code = 320) => {
    say(
      what,
      brief(await client.request(code, { ...header, ...given }, list instanceof Uint8Array ? list : encodeBatch(list))),
    );
    await wait(50);
  };
  await send("inner 3", key("BK1"));
  await send("inner 2 tags", key("BK2", "TAGS\u0001B\u0002KEYS\u0001outer\u0002"), items.slice(0, 2));
  await send("no key", { i: "" });
  await send("single", { m: "false", ...key("S1", "TAGS\u0001B\u0002") }, new TextEncoder().encode("single"), 310);
  await send("one", key("BK3"), items.slice(0, 1));
  await send("delay", key("BK4", "DELAY\u00013\u0002"));
  await send("timer", key("BK5", "TIMER_DELAY_MS\u00013000\u0002"));
  await send("tran", { ...key("BK6", "TRAN_MSG\u0001true\u0002") });
  await send("innernum", { m: "false", ...key("S2", "INNER_NUM\u00015\u0002") }, new TextEncoder().encode("x"), 310);
  await send("innernum batch", key("BK7", "INNER_NUM\u00015\u0002"));
  await send("sysflag", { ...key("BK8"), f: "192" });
  await send("bad", key("BK9"), encodeBatch(items).slice(0, -1));
  await send("empty", key("BK10"), new Uint8Array(0));
  await send(
    "delayed single",
    { m: "false", ...key("S3", "DELAY\u00011\u0002") },
    new TextEncoder().encode("later"),
    310,
  );
  await send(
    "inner num on simple",
    { b: "Simple", m: "false", ...key("S2", "INNER_NUM\u00015\u0002") },
    new TextEncoder().encode("x"),
    310,
  );
  await wait(3000);
  const pull = async (offset: number, given: object = {}) => {
    const a = await client.pull("G", T, 0, offset, { subscription: "*", ...given });
    say(`pull ${offset} ${JSON.stringify(given)}`, {
      ...brief(a),
      messages: messagesOf(a).map(
        ({ queueOffset, sysFlag, properties, topic, queueId, physicalOffset, storeTimestamp }) => {
          times.push(storeTimestamp);
          return {
            queueOffset,
            sysFlag,
            topic,
            queueId,
            physicalOffset,
            properties: Object.entries(properties).map(String).join(" "),
          };
        },
      ),
    });
  };
  for (const o of [0, 1, 2, 3, 4, 5, 8, 9, 10, 13, 14, 30]) await pull(o);
  for (const m of [1, 2, 3, 4, 5, 6]) await pull(0, { maxMessages: m });
  await pull(0, { subscription: "A" });
  await pull(0, { subscription: "B" });
  await pull(0, { subscription: "TAGS = 'B'", expressionType: "SQL92" });
  for (const code of [30, 31, 32]) say(`${code}`, brief(await client.request(code, { topic: T, queueId: 0 })));
  const first = times[0]!;
  for (const [d, w] of [
    [-1000, "before"],
    [0, "at"],
    [10, "between"],
    [1e6, "after"],
  ] as const)
    for (const boundaryType of ["LOWER", "UPPER"]) {
      const a = await client.request(29, { topic: T, queueId: 0, timestamp: first + d, boundaryType });
      say(`time ${w} ${boundaryType}`, brief(a));
    }
  const qcq = await client.request(321, { topic: T, queueId: 0, index: 0, count: 10 });
  say("321", { ...brief(qcq), body: qcq.body.length > 0 ? json(qcq) : "" });
  const qcq1 = await client.request(321, { topic: T, queueId: 0, index: 1, count: 3 });
  say("321 at 1", { ...brief(qcq1), body: qcq1.body.length > 0 ? json(qcq1) : "" });
  for (const k of ["k1", "UK1", "BK1", "outer"]) {
    const a = await client.request(12, {
      topic: T,
      key: k,
      maxNum: 10,
      beginTimestamp: 0,
      endTimestamp: 9e15,
      _UNIQUE_KEY_QUERY: String(k.startsWith("UK") || k.startsWith("BK")),
    });
    say(`query ${k}`, { ...brief(a), n: a.body.length > 0 ? messagesOf(a).length : 0 });
  }
  const st = await client.request(202, { topic: T });
  say("202", { ...brief(st), body: new TextDecoder().decode(st.body) });
  const h = {
    consumerGroup: "PopG",
    topic: T,
    queueId: 0,
    maxMsgNums: 8,
    invisibleTime: 60000,
    pollTime: 0,
    bornTime: Date.now(),
    initMode: 0,
    expType: "TAG",
    exp: "*",
    order: "false",
  };
  const pop = await client.request(200050, h);
  say("pop", {
    ...brief(pop),
    n:
      pop.code === 0
        ? messagesOf(pop).map(({ queueOffset, properties }) => [
            queueOffset,
            Object.entries(properties).map(String).join(" "),
          ])
        : [],
  });
  const pop2 = await client.request(200050, { ...h, bornTime: Date.now() });
  say("pop2", { ...brief(pop2), n: pop2.code === 0 ? messagesOf(pop2).map(({ queueOffset }) => queueOffset) : [] });
  const popo = await client.request(200050, { ...h, consumerGroup: "PopO", order: "true", bornTime: Date.now() });
  say("pop order", {
    ...brief(popo),
    n: popo.code === 0 ? messagesOf(popo).map(({ queueOffset }) => queueOffset) : [],
  });
  say(
    "36",
    brief(
      await client.request(36, {
        offset: messagesOf(await client.pull("G", T, 0, 0, { subscription: "*" }))[0]!.physicalOffset,
        group: "G",
        delayLevel: 1,
        originMsgId: "UK1",
        originTopic: T,
        unitMode: false,
        maxReconsumeTimes: 16,
      }),
    ),
  );
  await wait(2500);
  const re = await client.pull("G", "%RETRY%G", 0, 0, { subscription: "*" });
  say("retry", {
    ...brief(re),
    n:
      re.code === 0
        ? messagesOf(re).map(({ queueOffset, sysFlag, properties }) => [
            queueOffset,
            sysFlag,
            Object.entries(properties).map(String).join(" "),
          ])
        : [],
  });
  say("create again", brief(await client.request(17, { ...fields, attributes: "+queue.type=SimpleCQ" })));
  say("change", brief(await client.request(17, { ...fields, topic: "Simple", attributes: "+queue.type=BatchCQ" })));
  say("delete", brief(await client.request(215, { topic: T })));
  await wait(1000);
  say("30 after", brief(await client.request(30, { topic: T, queueId: 0 })));
  say("create anew as simple", brief(await client.request(17, { ...fields, attributes: "" })));
  await send("batch to simple", key("BK11"));
  say("30 anew", brief(await client.request(30, { topic: T, queueId: 0 })));
  await writeFile(`/tmp/inner-${name}.txt`, out.map(([w, v]: any) => `${w}: ${JSON.stringify(v)}`).join("\n") + "\n");
  client.close();
  await broker.close();
});
