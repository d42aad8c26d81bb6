import { expect, test } from "vitest";
import { WindowedLine } from "../../../src/hosts/browser/window.ts";
import { tabWindowBytes } from "../../../src/limits.ts";

/** Two ends of one line, as a tab and a Worker have them. */
function pair(unsentBytesPausing?: number) {
  const name = crypto.randomUUID();
  const make = (pausing?: number) => {
    const channel = new BroadcastChannel(name);
    const end = { received: [] as Uint8Array[], bytes: 0, closed: 0, isStalled: false, messages: [] as unknown[] };
    const line = new WindowedLine(
      channel,
      {
        received(bytes) {
          end.received.push(bytes);
          end.bytes += bytes.length;
        },
        closed() {
          end.closed++;
        },
      },
      pausing,
    );
    channel.onmessage = ({ data }) => {
      if (end.isStalled) end.messages.push(data);
      else line.message(data);
    };
    const goOn = () => {
      end.isStalled = false;
      for (const data of end.messages.splice(0)) line.message(data as Parameters<typeof line.message>[0]);
    };
    return Object.assign(end, { line, goOn });
  };
  return { near: make(), far: make(unsentBytesPausing) };
}

function pattern(length: number, start: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i) % 251);
}

test("bytes arrive whole and in order, however they are cut, both ways at once", async () => {
  const { near, far } = pair();
  let sent = 0;
  for (let length = 0; sent < 5_000_000; length = (length * 7 + 13) % 300_007) {
    const chunks = [pattern(length, sent), pattern(1, sent + length)];
    near.line.send(chunks);
    far.line.send(chunks);
    sent += length + 1;
  }
  await expect.poll(() => [near.bytes, far.bytes], { timeout: 10_000 }).toEqual([sent, sent]);
  for (const { received } of [near, far]) {
    let at = 0;
    for (const bytes of received) {
      expect(bytes.every((byte, i) => byte === (at + i) % 251)).toBe(true);
      at += bytes.length;
    }
  }
  expect(near.line.unsentBytes).toBe(0);
  near.line.abort();
});

test("beyond a window bytes wait with the sender until the other end has taken some", async () => {
  const { near, far } = pair();
  far.isStalled = true;
  near.line.send([new Uint8Array(5 * tabWindowBytes)]);
  expect(near.line.unsentBytes).toBe(4 * tabWindowBytes);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(near.line.unsentBytes).toBe(4 * tabWindowBytes);
  far.goOn();
  await expect.poll(() => far.bytes).toBe(5 * tabWindowBytes);
  expect(near.line.unsentBytes).toBe(0);
  near.line.abort();
});

test("an end that has too much unsent asks for no more", async () => {
  const { near, far } = pair(tabWindowBytes);
  near.isStalled = true;
  far.line.send([new Uint8Array(3 * tabWindowBytes)]);
  near.line.send([new Uint8Array(2 * tabWindowBytes)]);
  await expect.poll(() => far.bytes).toBe(tabWindowBytes);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(far.bytes).toBe(tabWindowBytes);
  near.goOn();
  await expect.poll(() => [near.bytes, far.bytes]).toEqual([3 * tabWindowBytes, 2 * tabWindowBytes]);
  near.line.abort();
});

test("a close lets what was sent before arrive; an abort does not wait for it; each end hears of it once", async () => {
  const closing = pair();
  closing.near.line.send([new Uint8Array(3 * tabWindowBytes)]);
  closing.near.line.close();
  closing.near.line.send([new Uint8Array(1)]);
  await expect.poll(() => [closing.near.closed, closing.far.closed]).toEqual([1, 1]);
  expect(closing.far.bytes).toBe(3 * tabWindowBytes);

  const aborted = pair();
  aborted.near.line.send([new Uint8Array(3 * tabWindowBytes)]);
  aborted.near.line.abort();
  aborted.near.line.abort();
  await expect.poll(() => [aborted.near.closed, aborted.far.closed]).toEqual([1, 1]);
  expect(aborted.far.bytes).toBeLessThanOrEqual(tabWindowBytes);
  aborted.far.line.send([new Uint8Array(1)]);
  aborted.far.line.close();
  expect(aborted.far.closed).toBe(1);
});
