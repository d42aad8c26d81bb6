import type { StatsOf } from "../../broker/stats/broker-stats.ts";
import { windows } from "../../broker/stats/tally.ts";
import { jsonBodyBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { parseProperties, printProperty } from "../../ports/properties.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { FieldNames } from "./answer-fields.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { kvTable } from "./kv.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

const versionField = new FieldNames(["version"]);

/** 25 (AdminBrokerProcessor.updateBrokerConfig). */
export function updateBrokerConfig(request: Request, { broker }: BrokerRole): void {
  broker.liveSettings.change(readProperties(request.body));
  request.reply(responseCode.success);
}

/** 26 (getBrokerConfig): what the broker was started with, and what was changed since. */
export function getBrokerConfig(request: Request, { broker, configuration }: BrokerRole): void {
  const shown = new Map([...configuration, ...broker.liveSettings.show()]);
  const lines = Array.from(shown, ([key, value]) => `${printProperty(key, value)}\n`);
  const version = JSON.stringify(broker.topics.version);
  request.reply(responseCode.success, versionField.of(version), undefined, encodeUtf8(lines.join("")));
}

/** 28 (getBrokerRuntimeInfo). */
export async function getBrokerRuntimeInfo({ answer }: Request, { broker }: BrokerRole): Promise<void> {
  answer.reply(responseCode.success, undefined, undefined, kvTable(await broker.runtimeInfo.tell()));
}

/** 315 (ViewBrokerStatsData). */
export function viewBrokerStats(request: Request, { broker }: BrokerRole): void {
  const name = request.header.fields.text("statsName");
  const key = request.header.fields.text("statsKey");
  const found = broker.stats.find(name, key);
  if (found === undefined) throw new WasmqError("SYSTEM_ERROR", `The stats <${name}> <${key}> not exist`);
  const within = (windowMs: number) => statsItem(found, windowMs, broker.stats.within(found.tally, windowMs));
  const body = {
    statsDay: within(windows.day),
    statsHour: within(windows.hour),
    statsMinute: within(windows.minute),
  };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** BrokerStatsItem. */
function statsItem({ unit }: StatsOf, windowMs: number, within: { count: number; bytes: number; times: number }) {
  const sum = within[unit];
  return { avgpt: within.times === 0 ? 0 : sum / within.times, sum, tps: (sum * 1_000) / windowMs };
}

/** A body of `key=value` lines (MixAll.string2Properties). */
export function readProperties(body: Uint8Array): Map<string, string> {
  if (body.length > jsonBodyBytesMax) throw new WasmqError("SYSTEM_ERROR", `a body of ${body.length} bytes`);
  return new Map(parseProperties(body).map(({ key, value }) => [key, value]));
}
