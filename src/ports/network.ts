/** One end of a byte stream between a client and the broker, as the host carries it (TCP, WebSocket, MessagePort, in process). */
export interface Connection {
  /** The client's address, as text: IPv4 dotted or IPv6; a carrier without addresses says 127.0.0.1. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The address the client came by: what it is told to come to again. */
  readonly localAddress: string;
  readonly localPort: number;

  /** Sends the chunks as one; they and their buffers are the host's from then on. Sending on a closed connection does nothing. */
  send(chunks: readonly Uint8Array[]): void;

  /** Bytes sent that the host still holds, since the peer does not read them. */
  readonly unsentBytes: number;

  /**
   * Keeps what is to be given to `accept` when this connection outlives the broker's memory; undefined if nothing can be. Absent where
   * a connection ends with the memory. May be called often.
   */
  keep?(state: Uint8Array | undefined): void;

  /** Ends the connection at once, dropping what is unsent; `closed` of its handler follows. */
  abort(): void;

  /** Ends the connection from this side; `closed` of its handler follows. */
  close(): void;
}

/** What the broker does with one connection. */
export interface ConnectionHandler {
  /** Takes bytes as they arrived, cut anywhere. They may be reused by the host when the call returns. */
  received(bytes: Uint8Array): void;
  /** The connection is gone, from whichever side. Called once. */
  closed(): void;
}

/** Opens connections from this side: to where a broker makes itself known. */
export interface Dialer {
  /**
   * Connects to `host:port` and asks `accept` for who handles the connection, as a listener does with one that came. Ends when it is
   * open; rejects with ADDRESS_UNUSABLE when nobody answers there within seconds.
   */
  dial(address: string, accept: (connection: Connection) => ConnectionHandler): Promise<void>;
}
