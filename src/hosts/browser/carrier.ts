import type { Carrier, Line, LineEvents } from "../../client/carrier.ts";
import { type ErrorCode, WasmqError } from "../../ports/error.ts";
import {
  addressPrefix,
  type BrokerMessage,
  brokerChannel,
  holdLock,
  type LinePurpose,
  lineChannel,
  lockName,
  whenReleased,
} from "./names.ts";
import { type LineMessage, WindowedLine } from "./window.ts";

/** A broker that starts, or follows one whose tab was closed, serves within this time; a dial waits for it. */
const dialWaitMs = 10_000;

/** Carries bytes to the brokers of this origin, whichever tab has them: `tab:` and the broker's name. */
export const tabCarrier: Carrier = {
  async dial(address: string, events: LineEvents, signal?: AbortSignal): Promise<Line> {
    signal?.throwIfAborted();
    if (!address.startsWith(addressPrefix)) {
      throw new WasmqError("ADDRESS_UNUSABLE", `${address} is no broker of a tab: ${addressPrefix}NAME is`);
    }
    return dialBroker(address.slice(addressPrefix.length), events, signal);
  },
};

async function dialBroker(name: string, events: LineEvents, signal: AbortSignal | undefined): Promise<Line> {
  const id = crypto.randomUUID();
  const releaseLine = await holdLock(lockName.line(name, id));
  const ending = new AbortController();
  const channel = lineChannel(name, id);
  let dialled = false;
  const line = new WindowedLine(channel, {
    received: (bytes) => events.received(bytes),
    closed() {
      ending.abort();
      releaseLine();
      if (dialled) events.closed();
    },
  });
  try {
    const broker = await answerTo(name, id, "remoting", channel, signal);
    channel.onmessage = ({ data }: MessageEvent<LineMessage>) => line.message(data);
    whenReleased(lockName.broker(name, broker), ending.signal, () => line.end());
    dialled = true;
    return line;
  } catch (error) {
    line.abort();
    throw error;
  }
}

/** Dials until a broker takes the line; which one it is. */
export async function answerTo(
  name: string,
  id: string,
  purpose: LinePurpose,
  channel: BroadcastChannel,
  signal: AbortSignal | undefined,
): Promise<string> {
  // It may have been aborted while the lock was awaited.
  signal?.throwIfAborted();
  const calls = brokerChannel(name);
  let ending = () => {};
  return new Promise<string>((resolve, reject) => {
    const unusable = (why: string) => reject(new WasmqError("ADDRESS_UNUSABLE", `the broker ${name} ${why}`));
    const dial = () => calls.postMessage({ dial: id, purpose } satisfies BrokerMessage);
    channel.onmessage = ({ data }: MessageEvent<LineMessage>) => {
      if ("accepted" in data) resolve(data.accepted);
      else if ("closed" in data) unusable("takes no more lines");
    };
    calls.onmessage = ({ data }: MessageEvent<BrokerMessage>) => {
      if ("serving" in data) dial();
      else if ("failed" in data) reject(new WasmqError(data.failed.code as ErrorCode, data.failed.message));
    };
    const timer = setTimeout(() => unusable("does not serve: no tab has it"), dialWaitMs);
    const aborted = () => reject(signal!.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    ending = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    dial();
  }).finally(() => {
    ending();
    calls.close();
  });
}
