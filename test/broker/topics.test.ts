import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InProcessClient } from "../lib/in-process-client.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";

let broker: MemoryBroker;
let client: InProcessClient;

beforeEach(async () => {
  broker = await MemoryBroker.start({ messageDelayLevel: "1s 1s 1s 1s" });
  client = broker.connect();
});

afterEach(() => broker.stop());

describe("names of topics", () => {
  test.each(["%DLQ%/../../x", "%RETRY%..", "../x", ""])("%j is no name, whatever it is made after", async (topic) => {
    for (const c of ["TBW102", "nope"]) {
      const header = { a: "PG", b: topic, c, d: "4", e: "0", f: "0", g: "0", h: "0" };
      expect(await client.request(310, header)).toMatchObject({ code: 29 });
    }
    expect([...broker.storage.files.keys()].filter((file) => file.includes(".."))).toEqual([]);
  });
});
