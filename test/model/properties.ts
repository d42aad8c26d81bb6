import { hashCodeModel } from "./java-string.ts";

/** MessageDecoder.string2messageProperties. */
export function parsePropertiesModel(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const entry of text.split("\u0002")) {
    const separator = entry.indexOf("\u0001");
    if (separator > 0 && separator < entry.length - 1) {
      properties.set(entry.slice(0, separator), entry.slice(separator + 1));
    }
  }
  return properties;
}

/** The ConsumeQueue's tags code: String.hashCode of TAGS, or 0. */
export function tagsCodeModel(text: string): number {
  return hashCodeModel(parsePropertiesModel(text).get("TAGS") ?? "");
}

/** The properties without any `__CRC32#`: MessageUtils.deleteProperty. */
export function withoutCrcModel(text: string): string {
  const lastEnds = text.endsWith("\u0002");
  const entries = (lastEnds ? text.slice(0, -1) : text).split("\u0002");
  let kept = "";
  for (const [index, entry] of entries.entries()) {
    if (entry.startsWith("__CRC32#\u0001")) continue;
    kept += entry + (index < entries.length - 1 || lastEnds ? "\u0002" : "");
  }
  return kept;
}

/** The properties up to the last entry that has a name and 0x01. */
export function entriesModel(text: string): string {
  const entries = text.split("\u0002").map((entry, i, all) => (i < all.length - 1 ? `${entry}\u0002` : entry));
  if (entries.at(-1) === "") entries.pop();
  while (entries.length > 0 && entries.at(-1)!.indexOf("\u0001") <= 0) entries.pop();
  return entries.join("");
}
