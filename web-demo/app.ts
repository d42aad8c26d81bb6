import type { Client } from "../src/client/index.ts";
import { WasmqError } from "../src/client/index.ts";
import type { TabsBroker } from "../src/hosts/browser/index.ts";
import type { DemoChannel } from "./demo-channel.ts";
import type { Settings } from "./settings.ts";
import type { Watch } from "./watch.ts";

/** What the panels of one tab share. */
export interface App {
  /** The name of this tab. */
  readonly tab: string;
  readonly broker: TabsBroker;
  readonly client: Client;
  readonly channel: DemoChannel;
  readonly settings: Settings;
  readonly watch: Watch;
  /** Shows what went wrong, with its stable code. */
  readonly report: (error: unknown, what: string) => void;
}

export const groups = ["warehouse", "billing"] as const;

/** The stable code of an error; what has none is a bug of the page. */
export function codeOf(error: unknown): string {
  return error instanceof WasmqError ? error.code : "SYSTEM_ERROR";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
