export type LogLevel = "info" | "warn" | "error";

/** Where the broker says what an operator should know. Silent by default; the engine itself prints nothing. */
export interface Telemetry {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

export const silentTelemetry: Telemetry = { log() {} };
