import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { Client } from "../../src/client/client.ts";
import { inProcess } from "../../src/client/in-process.ts";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import { stored, texts } from "./sending.ts";
import { until } from "./suite.ts";

test("a message that waits for its time is taken back", async () => {
  const broker = await startInMemory({
    coreModule: await loadCoreModule(),
    broker: { rules: { recallMessageEnable: true, timerPrecisionMs: 20 } },
  });
  const client = new Client({ nameServers: ["namesrv"], carrier: inProcess(broker) });
  const producer = client.producer({ group: "PG" });
  const deliverAtMs = Date.now() + 800;
  await producer.send({ topic: "T", body: "kept", deliverAtMs });
  const sent = await producer.send({ topic: "T", body: "taken back", deliverAtMs });
  await producer.send({ topic: "T", body: "last", deliverAtMs: deliverAtMs + 100 });
  expect(await producer.recall("T", sent.recallHandle!)).toBe(sent.messageId);
  await until(async () => (await stored(client, "T")).flat().length === 2, "those that were kept");
  expect(texts((await stored(client, "T")).flat()).sort()).toEqual(["kept", "last"]);
  // Its time is over, or will not come.
  await expect(producer.recall("T", sent.recallHandle!)).rejects.toMatchObject({
    code: "ILLEGAL_OPERATION",
    responseCode: 604,
  });
  await client.close();
  await broker.stop();
});
