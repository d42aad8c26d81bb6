/** How many connections a port takes, from whom, and how long one may be silent. */
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ConnectionLimits, descriptorShares } from "../../../src/hosts/node/connection-limits.ts";
import { Listener } from "../../../src/hosts/node/network.ts";
import { descriptorsSpare, openFilesMax, serverBudget } from "../../../src/limits.ts";
import type { Connection } from "../../../src/ports/network.ts";

const sockets: Socket[] = [];
const listeners: Listener[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of listeners.splice(0)) await listener.close(0);
});

async function listen(limits: ConnectionLimits) {
  const logged: string[] = [];
  const connections: Connection[] = [];
  const telemetry = {
    log: (_level: string, event: string, fields?: object) => void logged.push(`${event} ${JSON.stringify(fields)}`),
  };
  const listener = await Listener.listen("127.0.0.1", 0, telemetry, limits);
  listeners.push(listener);
  listener.serve((connection) => {
    connections.push(connection);
    return { received() {}, closed() {} };
  });
  return { listener, logged, connections };
}

/** A connection that is read, and whether the port has ended it. */
async function open(listener: Listener, localAddress = "127.0.0.1") {
  const socket = connect({ host: "127.0.0.1", port: listener.port, localAddress });
  sockets.push(socket);
  const peer = { socket, isClosed: false };
  socket.on("error", () => {});
  socket.on("close", () => {
    peer.isClosed = true;
  });
  socket.resume();
  await new Promise((resolve) => socket.once("connect", resolve));
  return peer;
}

test("more connections than there may be, over all ports, are closed as they come; those that end make room", async () => {
  const limits = new ConnectionLimits({ max: 4, perAddressMax: 4 });
  const first = await listen(limits);
  const second = await listen(limits);
  const taken = [
    await open(first.listener),
    await open(first.listener),
    await open(second.listener),
    await open(second.listener),
  ];
  const refused = [await open(first.listener), await open(second.listener)];
  await expect.poll(() => refused.map(({ isClosed }) => isClosed)).toEqual([true, true]);
  expect(first.logged.join()).toContain("4 are open (connectionsMax)");
  expect(taken.map(({ isClosed }) => isClosed)).toEqual([false, false, false, false]);
  taken[0]!.socket.destroy();
  await expect
    .poll(async () => {
      const peer = await open(second.listener);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return peer.isClosed;
    })
    .toBe(false);
});

test("one address has its share, and the others have room besides", async () => {
  const { listener, logged } = await listen(new ConnectionLimits({ max: 4, perAddressMax: 3 }));
  for (let i = 0; i < 3; i++) await open(listener);
  const refused = await open(listener);
  await expect.poll(() => refused.isClosed).toBe(true);
  expect(logged.join()).toContain("3 from 127.0.0.1 are open (connectionsPerAddressShare)");
  // Linux alone has all of 127.0.0.0/8 as it is.
  if (process.platform !== "linux") return;
  const other = await open(listener, "127.0.0.2");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(other.isClosed).toBe(false);
});

test("an address of IPv6 is counted by its first 64 bits, one of IPv4 as itself", () => {
  const limits = new ConnectionLimits({ max: 100, perAddressMax: 1 });
  expect(limits.enter("2001:db8::1")).toBeUndefined();
  expect(limits.enter("2001:db8:0:0:9::1")).toContain("2001:db8:0:0::/64");
  expect(limits.enter("2001:db8::5:6:7:8:9")).toBeUndefined();
  expect(limits.enter("::ffff:10.0.0.1")).toBeUndefined();
  expect(limits.enter("10.0.0.1")).toContain("10.0.0.1");
  expect(limits.enter("::1")).toBeUndefined();
  limits.leave("2001:db8::2");
  expect(limits.enter("2001:db8::3")).toBeUndefined();
});

describe("a connection from which nothing arrives", () => {
  const idleMs = 300;

  test("is closed, also while it is sent something now and then", async () => {
    const { listener, connections } = await listen(new ConnectionLimits({ idleMs }));
    const silent = await open(listener);
    const told = await open(listener);
    const heard = await open(listener);
    const startedAt = performance.now();
    await expect
      .poll(
        () => {
          connections[1]!.send([new Uint8Array(10)]);
          heard.socket.write("x");
          return [silent.isClosed, told.isClosed];
        },
        { interval: 30, timeout: 5_000 },
      )
      .toEqual([true, true]);
    expect(performance.now() - startedAt).toBeGreaterThan(idleMs - 20);
    expect(heard.isClosed).toBe(false);
  });

  test("since it does not read is closed too", async () => {
    const { listener, connections } = await listen(new ConnectionLimits({ idleMs }));
    const peer = await open(listener);
    peer.socket.pause();
    const [connection] = connections;
    for (let i = 0; i < 64; i++) connection!.send([new Uint8Array(1024 * 1024)]);
    expect(connection!.unsentBytes).toBeGreaterThan(1024 * 1024);
    await expect.poll(() => connection!.unsentBytes, { timeout: 5_000 }).toBe(0);
  });
});

test("connections leave the store its files, however few descriptors a process may have", () => {
  expect(descriptorShares(Number.POSITIVE_INFINITY)).toEqual({
    connections: serverBudget.connectionsMax,
    files: openFilesMax,
  });
  expect(descriptorShares(1_048_576)).toEqual({ connections: serverBudget.connectionsMax, files: openFilesMax });
  for (const limit of [128, 256, 1024, 4096, 16_384]) {
    const { connections, files } = descriptorShares(limit);
    expect(connections + files + descriptorsSpare).toBeLessThanOrEqual(limit);
    expect(Math.min(connections, files)).toBeGreaterThan(16);
  }
});
