/** What tabs and the broker's Worker of one origin know each other by. Locks tell who is alive: they end with their holder. */
export const addressPrefix = "tab:";

/** The one channel on which a broker is asked for lines and says what becomes of it. */
export function brokerChannel(name: string): BroadcastChannel {
  return new BroadcastChannel(`wasmq:${name}`);
}

export function lineChannel(name: string, line: string): BroadcastChannel {
  return new BroadcastChannel(`wasmq:${name}:line:${line}`);
}

export const lockName = {
  /** Of the tab whose Worker has the broker. */
  leader: (name: string) => `wasmq:${name}:leader`,
  /** Of a running broker. */
  broker: (name: string, broker: string) => `wasmq:${name}:broker:${broker}`,
  /** Of the tab that dialled a line. */
  line: (name: string, line: string) => `wasmq:${name}:line:${line}`,
};

/** What a line is for: remoting frames, or a store's archive one way or the other. */
export type LinePurpose = "remoting" | "export" | "import";

/** What goes over the broker's channel. */
export type BrokerMessage =
  | { readonly dial: string; readonly purpose: LinePurpose }
  | { readonly serving: string }
  | { readonly failed: { readonly code: string; readonly message: string } };

/** Takes a lock that nobody else has; what is returned gives it back. */
export function holdLock(name: string): Promise<() => void> {
  return new Promise((held, failed) => {
    navigator.locks.request(name, () => new Promise<void>((release) => held(release))).catch(failed);
  });
}

/** Calls `gone` when the holder of a lock is, unless the signal is aborted before. */
export function whenReleased(name: string, signal: AbortSignal, gone: () => void): void {
  navigator.locks.request(name, { mode: "shared", signal }, gone).catch(() => {
    if (!signal.aborted) gone();
  });
}
