/** What a peer may send: frames, headers of both codecs and bodies, by chance and out of what official clients send. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameError } from "../../src/protocol/remoting/frame.ts";
import { jsonHeaders } from "../../src/protocol/remoting/header-json.ts";
import { HeaderMemory } from "../../src/protocol/remoting/header-memory.ts";
import { rocketmqHeaders } from "../../src/protocol/remoting/header-rocketmq.ts";
import { fuzz } from "./fuzz.ts";

/** The same each time, and one of chance: its failure says how to replay it. */
test.each([1, Date.now() % 2 ** 31])("50,000 inputs, seed %i", { timeout: 120_000 }, async (seed) => {
  const { inputs, refused } = await fuzz({ seed, inputs: 50_000 });
  expect(inputs).toBe(50_000);
  // Both ways are gone: frames that end a connection, and frames that are answered.
  expect(refused).toBeGreaterThan(inputs / 50);
  expect(refused).toBeLessThan(inputs * 0.8);
});

const memory = new HeaderMemory();

test.each([
  ["JSON", jsonHeaders],
  ["ROCKETMQ", rocketmqHeaders],
] as const)("no bytes make the %s codec throw anything but a FrameError", (_, codec) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, from) => {
      const at = Math.min(from, bytes.length);
      try {
        codec.read(bytes, at, bytes.length, memory);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }),
    { numRuns: 20_000 },
  );
});
