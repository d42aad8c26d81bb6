/** What a line tells its owner. */
export interface LineEvents {
  /** Bytes as they arrived, cut anywhere. They may be reused when the call returns. */
  received(bytes: Uint8Array): void;
  /** The line is gone, from whichever side. Called once. */
  closed(): void;
}

/** One open byte stream to a NameServer or a broker. */
export interface Line {
  /** Sends the chunks as one; they are not changed afterwards. On a closed line it does nothing. */
  send(chunks: readonly Uint8Array[]): void;
  /** Bytes sent that still wait to leave. */
  readonly unsentBytes: number;
  /** `closed` of the events follows. */
  close(): void;
}

/**
 * How bytes reach a broker: TCP, WebSocket, MessagePort, tabs of one origin, or a call in the same process. Remoting frames travel
 * over all of them alike, so that one client serves all.
 */
export interface Carrier {
  /**
   * Opens a line to an address as routes name it: `host:port`, or whatever this carrier's brokers call themselves. Rejects with a
   * `WasmqError` ADDRESS_UNUSABLE when nobody answers, with the signal's reason when it is aborted.
   */
  dial(address: string, events: LineEvents, signal?: AbortSignal): Promise<Line>;
}
