import { WasmqError } from "../../ports/error.ts";

/**
 * The extFields of a request. Values are text by rule; C++ clients send some as JSON numbers and booleans, which read the
 * same. Asking for a value that is missing or of another kind throws SYSTEM_ERROR, as RemotingCommand's decoder does.
 */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: unknown) {
    this.#values = typeof values === "object" && values !== null ? (values as Record<string, unknown>) : {};
  }

  optionalText(name: string): string | undefined {
    const value = this.#values[name];
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    return undefined;
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
    const big = this.big(name);
    if (big > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
    if (big < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
    return Number(big);
  }

  optionalLong(name: string): number | undefined {
    return this.optionalText(name) === undefined ? undefined : this.long(name);
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
    if (!decimal.test(text) || text.length > 20) {
      throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is no long: ${shorten(text)}`);
    }
    return BigInt(text);
  }

  /** Java's Boolean.parseBoolean; a missing one is false. */
  flag(name: string): boolean {
    return this.optionalText(name)?.toLowerCase() === "true";
  }

  #safe(name: string): number | undefined {
    const text = this.text(name);
    const value = Number(text);
    return decimal.test(text) && Number.isSafeInteger(value) ? value : undefined;
  }
}

/** What Java's parseInt and parseLong take; Number would take "0x10" and "1e5" as well. */
const decimal = /^-?\d+$/;

function missing(name: string): never {
  throw new WasmqError("SYSTEM_ERROR", `the custom field <${name}> is null`);
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}
