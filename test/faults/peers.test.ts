/**
 * Bad peers of the real command: those who behave go on, its memory stays within its bounds, and what it acknowledged is there after
 * SIGKILL. With more peers and for longer, and with figures: `npm run faults`. Bounds are far above what is measured there, for a busy
 * machine.
 */
import { describe, expect, test } from "vitest";
import { type FaultFigures, measure } from "./faults.ts";

const mib = 1024 * 1024;
const timeoutMs = 60_000;
const seconds = 1;

function expectService({ resident, sender, reader, refused, acked, missing }: FaultFigures, mibMost: number): void {
  expect((resident.most - resident.before) / mib).toBeLessThan(mibMost);
  expect(refused).toEqual({});
  expect(missing).toBe(0);
  expect(acked).toBeGreaterThan(20);
  for (const { before, meanwhile } of [sender, reader]) {
    expect(before.count).toBeGreaterThan(5);
    expect(meanwhile.count).toBeGreaterThan(5);
    expect(meanwhile.p99).toBeLessThan(5_000);
  }
}

// What a process costs is read from /proc.
describe.skipIf(process.platform !== "linux")("bad peers", { timeout: timeoutMs }, () => {
  test("2,000 idle connections", async () => {
    const figures = await measure({ name: "idle", peers: { kind: "idle", count: 2_000 } }, seconds);
    expect(figures.peers).toMatchObject({ opened: 2_000, closed: 0 });
    expectService(figures, 100);
  });

  test("more connections than it has descriptors for are closed, and the store has its files", async () => {
    const figures = await measure({ name: "beyond", peers: { kind: "idle", count: 600 }, descriptors: 512 }, seconds);
    const { opened, closed } = figures.peers!;
    expect(opened).toBe(600);
    expect(closed).toBeGreaterThan(300);
    expect(closed).toBeLessThan(500);
    expectService(figures, 100);
  });

  test("half-open: peers with held pulls of whom nothing is heard are closed", async () => {
    const figures = await measure(
      {
        name: "silent",
        peers: { kind: "silent", count: 300, areStopped: true },
        settings: "serverChannelMaxIdleTimeSeconds=1\n",
      },
      3,
    );
    expect(figures.peers).toEqual({ opened: 300, failed: 0, closed: 300, answers: {} });
    expectService(figures, 100);
  });

  test("slow-loris: 1,000 that send a frame a byte a second", async () => {
    const figures = await measure({ name: "slow", peers: { kind: "slow-senders", count: 1_000 } }, seconds);
    expect(figures.peers).toMatchObject({ opened: 1_000, closed: 0 });
    expectService(figures, 100);
  });

  test("64 half frames of 12 MiB, 768 in all, do not fill the memory", async () => {
    const figures = await measure({ name: "half", peers: { kind: "half-frames", count: 64 } }, 3);
    expect(figures.peers!.opened).toBe(64);
    expectService(figures, 600);
  });

  test("slow readers: 20 that ask for far more than they read", async () => {
    const figures = await measure(
      { name: "readers", peers: { kind: "slow-readers", count: 20 }, backlog: 1_000 },
      seconds,
    );
    expect(figures.peers!.opened).toBe(20);
    // 4 MiB each, and the piece that went beyond.
    expectService(figures, 200);
  });
});
