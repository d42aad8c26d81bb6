import { WasmqError } from "../../ports/error.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { HeaderMemory } from "./header-memory.ts";

/**
 * The extFields of a request. Values are text by rule; C++ clients send some as JSON numbers and booleans, which read the
 * same. Asking for a value that is missing or of another kind throws SYSTEM_ERROR, as RemotingCommand's decoder does.
 */
export abstract class Fields {
  abstract has(name: string): boolean;

  abstract optionalText(name: string): string | undefined;

  /** The value's UTF-8, there until bytes of another field, or header, are asked for. */
  abstract optionalBytes(name: string): Uint8Array | undefined;

  /** The value, where it is plainly a number of at most 15 digits. */
  protected abstract plainNumber(name: string): number | undefined;

  /** Throws for a field that is missing, without a look at what is in it. */
  require(name: string): void {
    if (!this.has(name)) missing(name);
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is null`);
    return value;
  }

  int(name: string): number {
    return this.optionalInt(name) ?? missing(name);
  }

  optionalInt(name: string): number | undefined {
    const plain = this.plainNumber(name);
    if (plain !== undefined && (plain | 0) === plain) return plain;
    const text = this.optionalText(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!decimal.test(text) || (value | 0) !== value) {
      throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is no int: ${shorten(text)}`);
    }
    return value;
  }

  /** A 64-bit number that is only compared: what lies beyond the safe integers is the nearest of them. */
  long(name: string): number {
    const plain = this.plainNumber(name);
    if (plain !== undefined) return plain;
    const big = this.big(name);
    if (big > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
    if (big < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
    return Number(big);
  }

  optionalLong(name: string): number | undefined {
    return this.has(name) ? this.long(name) : undefined;
  }

  /** A 64-bit number that is kept: beyond the safe integers it is refused. */
  exactLong(name: string): number {
    const value = this.#safe(name);
    if (value === undefined) {
      throw new WasmqError("INVALID_PARAMETER", `the custom field <${name}> is too large: ${this.big(name)}`);
    }
    return value;
  }

  /** A 64-bit number whose identity counts. */
  big(name: string): bigint {
    const safe = this.#safe(name);
    if (safe !== undefined) return BigInt(safe);
    const text = this.text(name);
    const value = decimal.test(text) && text.length <= numberCharsMax ? BigInt(text) : undefined;
    if (value === undefined || BigInt.asIntN(64, value) !== value) {
      throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is no long: ${shorten(text)}`);
    }
    return value;
  }

  /** Java's Boolean.parseBoolean; a missing one is false. */
  flag(name: string): boolean {
    return this.optionalText(name)?.toLowerCase() === "true";
  }

  #safe(name: string): number | undefined {
    const plain = this.plainNumber(name);
    if (plain !== undefined) return plain;
    const text = this.text(name);
    const value = Number(text);
    return decimal.test(text) && Number.isSafeInteger(value) ? value : undefined;
  }
}

/** Those of a JSON header. */
export class JsonFields extends Fields {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: unknown) {
    super();
    this.#values = typeof values === "object" && values !== null ? (values as Record<string, unknown>) : {};
  }

  override has(name: string): boolean {
    return this.optionalText(name) !== undefined;
  }

  override optionalText(name: string): string | undefined {
    const value = this.#values[name];
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    return undefined;
  }

  override optionalBytes(name: string): Uint8Array | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : encodeUtf8(text);
  }

  protected override plainNumber(name: string): number | undefined {
    const value = this.#values[name];
    if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
    if (typeof value !== "string" || value.length === 0 || value.length > plainDigitsMax) return undefined;
    let number = 0;
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - zero;
      if (digit < 0 || digit > 9) return undefined;
      number = 10 * number + digit;
    }
    return number;
  }
}

/** Where the fields of a header stand in its bytes. */
export class Places {
  /** For each field where its name begins and ends, and its value. */
  readonly list: number[] = [];
  /** Of names of one letter, as sends have: where in the list the last field of that name is, counted from 1; 0 for none. */
  readonly letters: number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

  add(bytes: Uint8Array, nameAt: number, nameEnd: number, valueAt: number, valueEnd: number): void {
    if (nameEnd - nameAt === 1) {
      const letter = bytes[nameAt]! - letterA;
      if (letter >= 0 && letter < letterCount) this.letters[letter] = this.list.length + 1;
    }
    this.list.push(nameAt, nameEnd, valueAt, valueEnd);
  }
}

/** Fields read where they stand in a header: most are never asked for, or numbers. */
export class PlacedFields extends Fields {
  readonly #bytes: Uint8Array;
  readonly #places: readonly number[];
  readonly #letters: readonly number[];
  readonly #memory: HeaderMemory;
  readonly #isJson: boolean;

  /** `isJson`: values may have JSON's escapes. */
  constructor(bytes: Uint8Array, { list, letters }: Places, memory: HeaderMemory, isJson: boolean) {
    super();
    this.#bytes = bytes;
    this.#places = list;
    this.#letters = letters;
    this.#memory = memory;
    this.#isJson = isJson;
  }

  override has(name: string): boolean {
    return this.#find(name) >= 0;
  }

  override optionalText(name: string): string | undefined {
    const found = this.#find(name);
    if (found < 0) return undefined;
    const text = this.#memory.text(this.#bytes, this.#places[found + 2]!, this.#places[found + 3]!);
    return this.#isJson && text.includes("\\") ? JSON.parse(`"${text}"`) : text;
  }

  override optionalBytes(name: string): Uint8Array | undefined {
    const found = this.#find(name);
    if (found < 0) return undefined;
    const at = this.#places[found + 2]!;
    const end = this.#places[found + 3]!;
    if (!this.#isJson) return this.#bytes.subarray(at, end);
    const into = this.#memory.bytes(end - at);
    const length = unescapeInto(this.#bytes, at, end, into);
    return length < 0 ? encodeUtf8(this.text(name)) : into.subarray(0, length);
  }

  override flag(name: string): boolean {
    const found = this.#find(name);
    if (found < 0) return false;
    const at = this.#places[found + 2]!;
    if (this.#places[found + 3]! - at !== trueText.length) return false;
    for (let i = 0; i < trueText.length; i++) {
      if ((this.#bytes[at + i]! | lowerCaseBit) !== trueText.charCodeAt(i)) return false;
    }
    return true;
  }

  protected override plainNumber(name: string): number | undefined {
    const found = this.#find(name);
    if (found < 0) return undefined;
    const end = this.#places[found + 3]!;
    let at = this.#places[found + 2]!;
    if (end === at || end - at > plainDigitsMax) return undefined;
    let number = 0;
    for (; at < end; at++) {
      const digit = this.#bytes[at]! - zero;
      if (digit < 0 || digit > 9) return undefined;
      number = 10 * number + digit;
    }
    return number;
  }

  /** Of several fields with one name the last counts. -1 if there is none. */
  #find(name: string): number {
    if (name.length === 1) {
      const letter = name.charCodeAt(0) - letterA;
      if (letter >= 0 && letter < letterCount) return this.#letters[letter]! - 1;
    }
    const places = this.#places;
    const bytes = this.#bytes;
    search: for (let i = places.length - 4; i >= 0; i -= 4) {
      const at = places[i]!;
      if (places[i + 1]! - at !== name.length) continue;
      for (let j = 0; j < name.length; j++) if (bytes[at + j] !== name.charCodeAt(j)) continue search;
      return i;
    }
    return -1;
  }
}

/**
 * Writes the bytes of JSON text without its escapes; how many they are, or -1 where it has others than those of the bytes that part
 * properties, 0x01 and 0x02, as all clients write them.
 */
function unescapeInto(bytes: Uint8Array, at: number, end: number, into: Uint8Array): number {
  let length = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte !== backslash) {
      into[length++] = byte;
      continue;
    }
    const isControl =
      bytes[i + 1] === letterU && bytes[i + 2] === zero && bytes[i + 3] === zero && bytes[i + 4] === zero;
    if (!isControl) return -1;
    const digit = bytes[i + 5]! - zero;
    if (digit !== 1 && digit !== 2) return -1;
    into[length++] = digit;
    i += 5;
  }
  return length;
}

const backslash = 0x5c;
const trueText = "true";
const lowerCaseBit = 0x20;
const letterU = 0x75;
const letterA = 0x61;
const letterCount = 26;
const plainDigitsMax = 15;
const zero = 0x30;

/** What Java's parseInt and parseLong take; Number would take "0x10" and "1e5" as well. */
const decimal = /^[+-]?\d+$/;
/** Far more than a long has; zeros before it count. */
const numberCharsMax = 64;

function missing(name: string): never {
  throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is null`);
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}
