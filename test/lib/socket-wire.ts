import { connect } from "node:net";
import type { Wire, WireEvents } from "./remoting-client.ts";

export interface SocketWire extends Wire {
  /** Ends the connection at once; nothing more is heard of it but its end. */
  drop(): void;
}

/** A TCP connection to a port of this machine. */
export function openSocket(port: number, events: WireEvents): Promise<SocketWire> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  socket.on("data", (bytes) => events.received(bytes));
  socket.once("close", () => events.closed());
  const wire: SocketWire = {
    send(chunks) {
      for (const chunk of chunks) socket.write(chunk);
    },
    close: () => socket.end(),
    drop() {
      socket.removeAllListeners("data");
      socket.destroy();
    },
  };
  return new Promise((resolve, reject) => {
    socket.once("connect", () => {
      // A connection's own trouble ends it; "close" follows.
      socket.on("error", () => {});
      resolve(wire);
    });
    socket.once("error", reject);
  });
}
