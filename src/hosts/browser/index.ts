export { type ErrorCode, WasmqError } from "../../ports/error.ts";
export type { LogLevel, Telemetry } from "../../ports/telemetry.ts";
export { tabCarrier } from "./carrier.ts";
export { type BrowserBroker, type BrowserBrokerOptions, startInBrowser } from "./host.ts";
export type { FlushMode, StorageKind } from "./log-storage.ts";
export { openBroker, type TabsBroker, type TabsOptions } from "./tabs.ts";
