import { decodeUtf8 } from "../../ports/text.ts";
import type { RecordFilter } from "../../store/record-filter.ts";
import { type ParsedSql, parseSql } from "./sql-parser.ts";
import { failed } from "./sql-value.ts";

/**
 * A SQL92 expression, ready to be held against messages. Their properties are all it sees, each as a text (MessageEvaluationContext). Throws
 * SUBSCRIPTION_PARSE_FAILED for what is none.
 */
export function compileSql(text: string): SqlFilter {
  return new SqlFilter(text, parseSql(text));
}

export class SqlFilter implements RecordFilter {
  /** About what it takes of the memory. */
  readonly byteLength: number;
  readonly parts: number;
  readonly #sql: ParsedSql;
  readonly #properties: StoredProperties;

  constructor(text: string, sql: ParsedSql) {
    this.#sql = sql;
    this.#properties = new StoredProperties(sql.names);
    this.parts = sql.parts;
    this.byteLength = 1_000 + 2 * text.length + 100 * sql.tokens + 200 * sql.parts;
  }

  matches(bytes: Uint8Array, from: number, to: number): boolean {
    this.#properties.read(bytes, from, to);
    return this.#sql.condition.evaluate(this.#properties) === true;
  }

  /** True, false, null for unknown; undefined where Apache throws an exception. */
  evaluate(properties: ReadonlyMap<string, string>): boolean | null | undefined {
    const { condition, names } = this.#sql;
    const truth = condition.evaluate({ get: (place) => properties.get(names[place]!) ?? null });
    return truth === failed ? undefined : truth;
  }
}

/**
 * The values of some properties of a record, found in one pass over its bytes, and made texts of when they are asked for. As
 * MessageDecoder.string2messageProperties reads them: an empty value is none, and of several the last one counts.
 */
class StoredProperties {
  readonly #places: ReadonlyMap<string, number>;
  readonly #longest: number;
  /** Where the value of each property begins and ends; both 0 for none. */
  readonly #ranges: Int32Array;
  /** Whether a name that is asked for begins with this byte. */
  readonly #firsts = new Uint8Array(256);
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(names: readonly string[]) {
    this.#places = new Map(names.map((name, place) => [name, place]));
    this.#longest = Math.max(0, ...names.map((name) => name.length));
    this.#ranges = new Int32Array(2 * names.length);
    for (const name of names) this.#firsts[name.charCodeAt(0)] = 1;
  }

  read(bytes: Uint8Array, from: number, to: number): void {
    this.#bytes = bytes;
    this.#ranges.fill(0);
    for (let at = from; at < to; ) {
      let nameEnd = -1;
      let end = at;
      for (; end < to; end++) {
        const byte = bytes[end]!;
        if (byte === valueEndByte) break;
        if (byte === nameEndByte && nameEnd < 0) nameEnd = end;
      }
      if (nameEnd > at && nameEnd < end - 1) this.#found(at, nameEnd, end);
      at = end + 1;
    }
  }

  get(place: number): string | null {
    const from = this.#ranges[2 * place]!;
    const to = this.#ranges[2 * place + 1]!;
    return from === to ? null : textOf(this.#bytes, from, to);
  }

  #found(at: number, nameEnd: number, end: number): void {
    if (nameEnd - at > this.#longest || this.#firsts[this.#bytes[at]!] === 0) return;
    const place = this.#places.get(textOf(this.#bytes, at, nameEnd));
    if (place === undefined) return;
    this.#ranges[2 * place] = nameEnd + 1;
    this.#ranges[2 * place + 1] = end;
  }
}

/** Most are short and of ASCII, for which a decoder's call costs more than the text. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > shortText) return decodeUtf8(bytes.subarray(from, to));
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte > lastAscii) return decodeUtf8(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

const nameEndByte = 1;
const valueEndByte = 2;
const lastAscii = 0x7f;
const shortText = 24;
