import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connection, ConnectionHandler } from "../../src/ports/network.ts";
import { concat, type OpenWire, type Wire } from "../lib/remoting-client.ts";

export interface NetworkFactory {
  readonly name: string;
  /** A carrier whose broker's end hands each new connection to `accept`. */
  listen(accept: (connection: Connection) => ConnectionHandler): CarrierUnderTest | Promise<CarrierUnderTest>;
}

export interface CarrierUnderTest {
  /** A new connection, from the client's end. */
  readonly open: OpenWire;
  close(): void | Promise<void>;
}

/** One end of a connection, with what it was told. */
class End {
  bytes: Uint8Array = new Uint8Array(0);
  closedTimes = 0;
  /** Bytes that came after the end. */
  lateBytes = 0;

  received(bytes: Uint8Array): void {
    if (this.closedTimes > 0) this.lateBytes += bytes.length;
    this.bytes = concat([this.bytes, bytes]);
  }

  closed(): void {
    this.closedTimes++;
  }

  has(length: number): Promise<unknown> {
    return expect.poll(() => this.bytes.length, { timeout: 10_000 }).toBe(length);
  }

  isClosed(): Promise<unknown> {
    return expect.poll(() => this.closedTimes, { timeout: 10_000 }).toBe(1);
  }
}

/** What every carrier promises between a client and the broker (src/ports/network.ts). */
export function describeNetwork(factory: NetworkFactory): void {
  describe(`Network: ${factory.name}`, () => {
    let carrier: CarrierUnderTest;
    let connection: Connection;
    let wire: Wire;
    let broker: End;
    let client: End;

    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

    beforeEach(async () => {
      broker = new End();
      client = new End();
      let accepted = (): void => {};
      const acceptedOne = new Promise<void>((resolve) => {
        accepted = resolve;
      });
      carrier = await factory.listen((opened) => {
        connection = opened;
        accepted();
        return broker;
      });
      wire = await carrier.open(client);
      await acceptedOne;
    });

    afterEach(async () => {
      wire.close();
      await carrier.close();
      await Promise.all([broker.isClosed(), client.isClosed()]);
      await pause(5);
      expect([broker.closedTimes, client.closedTimes], "told of its end once").toEqual([1, 1]);
      expect(broker.lateBytes + client.lateBytes, "bytes after the end").toBe(0);
    });

    const numbered = (length: number, seed: number): Uint8Array =>
      Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251);

    test("bytes arrive whole and in order, from the client", async () => {
      const parts = [1, 7, 4_096, 100_000, 3, 300_000].map(numbered);
      for (const part of parts) wire.send([part.slice()]);
      const all = concat(parts);
      await broker.has(all.length);
      expect(broker.bytes).toEqual(all);
    });

    test("bytes arrive whole and in order, from the broker, chunks as one", async () => {
      const parts = [1, 7, 4_096, 100_000, 3, 300_000].map(numbered);
      const all = concat(parts);
      connection.send(parts.slice(0, 3));
      connection.send([parts[3]!]);
      connection.send(parts.slice(4));
      await client.has(all.length);
      expect(client.bytes).toEqual(all);
    });

    test("a view into a larger buffer is sent as itself", async () => {
      const buffer = numbered(100, 5);
      // What is sent is the host's from then on.
      const sent = buffer.slice();
      connection.send([sent.subarray(10, 20), sent.subarray(90)]);
      wire.send([buffer.subarray(30, 40)]);
      await client.has(20);
      await broker.has(10);
      expect(client.bytes).toEqual(concat([buffer.subarray(10, 20), buffer.subarray(90)]));
      expect(broker.bytes).toEqual(buffer.slice(30, 40));
    });

    test("megabytes go both ways at once, and nothing is left unsent", async () => {
      const part = numbered(256 * 1024, 9);
      for (let i = 0; i < 16; i++) {
        connection.send([part.slice()]);
        wire.send([part.slice()]);
      }
      expect(connection.unsentBytes).toBeGreaterThanOrEqual(0);
      await Promise.all([client.has(16 * part.length), broker.has(16 * part.length)]);
      await expect.poll(() => connection.unsentBytes).toBe(0);
    });

    test("what was sent before the broker closes still arrives", async () => {
      connection.send([numbered(50_000, 1)]);
      connection.close();
      await client.isClosed();
      expect(client.bytes.length).toBe(50_000);
      await broker.isClosed();
    });

    test("an abort ends it for both", async () => {
      connection.abort();
      await Promise.all([broker.isClosed(), client.isClosed()]);
    });

    test("a client that closes ends it for both, after what it had sent", async () => {
      wire.send([numbered(50_000, 1)]);
      wire.close();
      await Promise.all([broker.isClosed(), client.isClosed()]);
      expect(broker.bytes.length).toBe(50_000);
    });

    test("on a closed connection sending, closing and aborting do nothing", async () => {
      connection.close();
      connection.send([numbered(10, 1)]);
      await Promise.all([broker.isClosed(), client.isClosed()]);
      connection.send([numbered(10, 1)]);
      connection.close();
      connection.abort();
      await pause(20);
      expect(client.bytes.length).toBe(0);
      expect(connection.unsentBytes).toBe(0);
    });

    test("says where it comes from", () => {
      expect(connection.remoteAddress).toMatch(/^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]+)$/);
      // Whatever leads clients to the broker again, which need not be an address.
      expect(connection.localAddress).not.toBe("");
      for (const port of [connection.remotePort, connection.localPort]) {
        expect(Number.isInteger(port) && port >= 0 && port < 65_536).toBe(true);
      }
    });
  });
}
