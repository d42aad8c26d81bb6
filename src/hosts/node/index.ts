export { type ErrorCode, WasmqError } from "../../ports/error.ts";
export type { LogLevel, Telemetry } from "../../ports/telemetry.ts";
export { startWasmq, type Wasmq, type WasmqOptions } from "./host.ts";
