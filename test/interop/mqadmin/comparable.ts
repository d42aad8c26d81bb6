import type { Place } from "./commands.ts";

export type Mask = readonly [RegExp, string];

/** What a command printed, as lines that two brokers have in common: without times, addresses, ids and the order of maps. */
export function comparable(printed: string, place: Place, masks: readonly Mask[] = []): string[] {
  const named: (readonly [string, string])[] = [
    [place.clientId, "CLIENT"],
    ...place.ids.map((id, i) => [id, `ID${i}`] as const),
    ...place.offsetIds.map((id, i) => [id, `PLACE${i}`] as const),
    [place.namesrv, "NAMESRV"],
    [place.broker, "BROKER"],
    [place.file(""), "FILES/"],
  ];
  let text = printed;
  for (const [value, name] of named) if (value !== "") text = text.replaceAll(value, name);
  for (const [pattern, name] of [...masks, ...usualMasks]) text = text.replaceAll(pattern, name);
  return text
    .split("\n")
    .map((line) => line.replaceAll(/\s+/g, " ").trim())
    .filter((line) => line !== "" && !leftOut.some((pattern) => pattern.test(line)))
    .sort();
}

const usualMasks: readonly Mask[] = [
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d([,:.]\d{3})?/g, "DATE"],
  [/\b1[6-9]\d{11}\b/g, "TIME"],
  [/127\.0\.0\.1:\d+/g, "ADDRESS"],
  [/\b[0-9A-F]{32,56}\b/g, "ID"],
  [/@[0-9a-f]{5,8}\b/g, "@OBJECT"],
];

const leftOut: readonly RegExp[] = [
  // Stack traces, and where users are to look for help: of the client or of Apache's server.
  /^(at |\.\.\. \d+ more)/,
  /^(See|For more information, please visit the url,) https:/,
  // Topics of transactions that are kept in RocksDB.
  /RMQ_SYS_ROCKSDB_TRANS_/,
];
