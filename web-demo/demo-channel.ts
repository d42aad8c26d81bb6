import type { FlushMode, StorageKind } from "../src/hosts/browser/index.ts";

/** Of the broker, and so of its store. */
export const brokerName = "wasmq-demo";

/** What a tab gives the Worker that it makes for the broker. */
export interface WorkerOptions {
  /** The name of the tab. */
  readonly tab: string;
  readonly storage?: StorageKind;
  readonly flush: FlushMode;
}

export interface BrokerStatus {
  /** The tab whose Worker has the broker. */
  readonly tab: string;
  readonly storageKind: StorageKind;
  readonly flush: FlushMode;
}

/** A message that a group's member had. */
export interface Consumed {
  readonly group: string;
  /** The tab that the member is in. */
  readonly tab: string;
  /** The topic that it came from: the group's own, if it is a retry. */
  readonly from: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly body: string;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly reconsumeTimes: number;
  /** It was given back, to come again later. */
  readonly isFailed: boolean;
}

/** What tabs and the broker's Worker tell each other, besides what clients say to the broker. */
export type DemoMessage =
  | { readonly statusAsked: true }
  | { readonly status: BrokerStatus }
  | { readonly consumed: readonly Consumed[] }
  | { readonly trouble: { readonly code: string; readonly message: string } };

/** Reaches all others of this origin that have one. */
export class DemoChannel {
  readonly #channel = new BroadcastChannel(`${brokerName}:page`);

  post(message: DemoMessage): void {
    this.#channel.postMessage(message);
  }

  listen(listener: (message: DemoMessage) => void): void {
    this.#channel.addEventListener("message", ({ data }: MessageEvent<DemoMessage>) => listener(data));
  }
}
