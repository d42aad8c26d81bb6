/** A dedicated Worker in which a test has brokers, one at a time. */
import { type BrowserBroker, type BrowserBrokerOptions, startInBrowser } from "../../../src/hosts/browser/host.ts";

/** `start` or, without it, stop. */
export interface BrokerCall {
  readonly id: number;
  readonly start?: BrowserBrokerOptions;
}

export type BrokerReport =
  | { readonly id: number; readonly error?: { readonly code: string; readonly message: string } }
  | { readonly logged: string };

let broker: BrowserBroker | undefined;

addEventListener("message", async ({ data }: MessageEvent<BrokerCall | undefined>) => {
  if (data?.id === undefined) return;
  const { id, start } = data;
  try {
    if (start === undefined) {
      const ending = broker;
      broker = undefined;
      await ending?.stop();
    } else {
      broker = await startInBrowser({
        ...start,
        telemetry: { log: (level, event) => report({ logged: `${level}: ${event}` }) },
      });
    }
    report({ id });
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    report({ id, error: { code, message } });
  }
});

function report(what: BrokerReport): void {
  postMessage(what);
}
