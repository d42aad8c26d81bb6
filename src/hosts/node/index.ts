export type { CheckReport, Finding, FindingCode, RepairReport, Severity } from "../../ports/check.ts";
export { type ErrorCode, WasmqError } from "../../ports/error.ts";
export type { LogLevel, Telemetry } from "../../ports/telemetry.ts";
export { type CheckDirectoryOptions, checkDirectory, repairDirectory } from "./check.ts";
export { printConfiguration, type Role, type WasmqOptions } from "./configuration.ts";
export {
  type RunningBroker,
  type RunningNamesrv,
  startBroker,
  startNamesrv,
  startWasmq,
  type Wasmq,
} from "./host.ts";
