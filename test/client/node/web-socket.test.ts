import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { webSocket } from "../../../src/client/web-socket.ts";
import { startInMemory } from "../../../src/hosts/memory/host.ts";
import type { RunningBroker } from "../../../src/wasmq.ts";
import { describeClient, messageDelayLevel, soonAsked } from "../suite.ts";

// Node has no server for WebSockets; this one is there with the tools for tests, without types.
const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  WebSocketServer: new (options: { host: string; port: number }) => Server;
};

interface Server {
  readonly clients: Iterable<Socket>;
  address(): AddressInfo;
  on(event: "connection", listener: (socket: Socket) => void): void;
  once(event: "listening", listener: () => void): void;
  close(done: () => void): void;
}

interface Socket {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: "close", listener: () => void): void;
  send(data: Uint8Array): void;
  close(): void;
  terminate(): void;
}

/** A broker behind WebSockets: each binary message is bytes of remoting, either way. */
async function serve(accept: RunningBroker["accept"]): Promise<{ address: string; close(): Promise<void> }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  server.on("connection", (socket) => {
    const handler = accept({
      remoteAddress: "127.0.0.1",
      remotePort: 0,
      localAddress: "127.0.0.1",
      localPort: 0,
      unsentBytes: 0,
      send: (chunks) => socket.send(Buffer.concat(chunks)),
      abort: () => socket.terminate(),
      close: () => socket.close(),
    });
    socket.on("message", (data, isBinary) => {
      if (isBinary) handler.received(data);
    });
    socket.on("close", () => handler.closed());
  });
  return {
    address: `127.0.0.1:${server.address().port}`,
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      await new Promise<void>((resolve) => server.close(resolve));
    },
  };
}

describeClient("over WebSocket", async () => {
  let broker: RunningBroker | undefined;
  const server = await serve((connection) => broker!.accept(connection));
  broker = await startInMemory({
    coreModule: await loadCoreModule(),
    broker: { messageDelayLevel, rules: soonAsked, brokerAddress: () => server.address },
  });
  return {
    nameServers: [`ws://${server.address}/any/path`],
    carrier: webSocket,
    stop: async () => {
      await broker?.stop();
      await server.close();
    },
  };
});

test("an address where no WebSocket is taken is unusable", async () => {
  const events = { received() {}, closed() {} };
  const server = await serve(() => ({ received() {}, closed() {} }));
  await server.close();
  for (const address of [server.address, "http://\u0000", "::"]) {
    await expect(webSocket().dial(address, events)).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
  }
});
