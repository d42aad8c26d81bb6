import { expect, test } from "vitest";
import { keptConnectionBytesMax } from "../../src/limits.ts";
import { jsonHeaders } from "../../src/protocol/remoting/header-json.ts";
import { KeptRequests } from "../../src/protocol/remoting/kept.ts";

/** A frame of nothing but its length. */
function frame(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length).fill(seed);
  new DataView(bytes.buffer).setInt32(0, length - 4);
  return bytes;
}

test("requests come back in the order in which they are to be handled, those that wait for an answer last", () => {
  const kept = new KeptRequests();
  kept.held(7, { atMs: 3, frame: frame(30, 3) });
  kept.heartbeat("a", { atMs: 1, frame: frame(20, 1) });
  kept.unregistered({ atMs: 2, frame: frame(25, 2) });
  kept.held(8, { atMs: 4, frame: frame(31, 4) });
  expect(kept.answered(8)).toBe(true);
  expect(kept.answered(9)).toBe(false);
  expect(KeptRequests.decode(kept.encode(jsonHeaders)!)).toEqual([
    { atMs: 1, isAwaited: false, frame: frame(20, 1) },
    { atMs: 2, isAwaited: false, frame: frame(25, 2) },
    { atMs: 3, isAwaited: true, frame: frame(30, 3) },
  ]);
  kept.heartbeat("a", { atMs: 5, frame: frame(21, 5) });
  expect(KeptRequests.decode(kept.encode(jsonHeaders)!).map(({ atMs }) => atMs)).toEqual([5, 3]);
});

test("what is more than a host is asked to keep is let go, and nothing is kept from then on", () => {
  const kept = new KeptRequests();
  kept.heartbeat("a", { atMs: 1, frame: frame(keptConnectionBytesMax - 100) });
  expect(kept.encode(jsonHeaders)).toBeDefined();
  kept.heartbeat("b", { atMs: 2, frame: frame(200) });
  expect(kept.encode(jsonHeaders)).toBeUndefined();
  kept.heartbeat("c", { atMs: 3, frame: frame(20) });
  kept.locked("G", "c", [{ topic: "T", brokerName: "b", queueId: 0 }], 3);
  kept.held(1, { atMs: 3, frame: frame(20) });
  expect(kept.encode(jsonHeaders)).toBeUndefined();
  expect(kept.answered(1)).toBe(false);
});
