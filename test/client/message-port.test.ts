import { describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { messagePort, serve } from "../../src/client/message-port.ts";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import type { Connection } from "../../src/ports/network.ts";
import { describeClient, messageDelayLevel, soonAsked, until } from "./suite.ts";

describeClient("over a MessagePort", async () => {
  const broker = await startInMemory({
    coreModule: await loadCoreModule(),
    broker: { messageDelayLevel, rules: soonAsked },
  });
  const connect = (): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    serve(port2, (connection) => broker.accept(connection));
    return port1;
  };
  return { nameServers: ["namesrv"], carrier: () => messagePort({ connect }), stop: () => broker.stop() };
});

describe("a line over a MessagePort", () => {
  /** A line with its broker's end; what each got. */
  async function line() {
    const { port1, port2 } = new MessageChannel();
    const served = { bytes: 0, isClosed: false };
    const dialled = { bytes: 0, isClosed: false };
    let connection: Connection | undefined;
    serve(port2, (made) => {
      connection = made;
      return {
        received: (bytes) => {
          served.bytes += bytes.length;
        },
        closed: () => {
          served.isClosed = true;
        },
      };
    });
    const dialledLine = await messagePort({ connect: () => port1 }).dial("any", {
      received: (bytes) => {
        dialled.bytes += bytes.length;
      },
      closed: () => {
        dialled.isClosed = true;
      },
    });
    return { line: dialledLine, connection: connection!, served, dialled };
  }

  test("keeps what the other side has not taken, and what is sent stays the sender's", async () => {
    const { line: sender, served } = await line();
    const piece = new Uint8Array(300_000).fill(7);
    for (let i = 0; i < 20; i++) sender.send([piece.subarray(0, 100_000), piece.subarray(100_000)]);
    expect(sender.unsentBytes).toBe(20 * 300_000);
    expect(piece[0]).toBe(7);
    await until(() => served.bytes === 20 * 300_000, "all bytes");
    await until(() => sender.unsentBytes === 0, "all bytes taken");
  });

  test("a piece larger than the window goes through", async () => {
    const { connection, dialled } = await line();
    connection.send([new Uint8Array(5_000_000)]);
    await until(() => dialled.bytes === 5_000_000, "all bytes");
  });

  test("the end of either side ends the other, after what was sent before it", async () => {
    const one = await line();
    one.line.send([new Uint8Array(3_000_000)]);
    one.line.send([new Uint8Array(3)]);
    one.line.close();
    await until(() => one.served.isClosed && one.dialled.isClosed, "both ends");
    expect(one.served.bytes).toBe(3_000_003);
    const other = await line();
    other.connection.close();
    await until(() => other.served.isClosed && other.dialled.isClosed, "both ends");
  });
});
