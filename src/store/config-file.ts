import { WasmqError } from "../ports/error.ts";
import type { LogStorage } from "../ports/log-storage.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { decodeUtf8, decodeUtf8Strictly, encodeUtf8 } from "../ports/text.ts";
import { parseJavaJson, printJavaJson } from "./java-json.ts";

/** A config file larger than this is none that a broker wrote. */
export const configFileBytesMax = 256 * 1024 * 1024;

/** What a file holds, by its members' names. */
export type ConfigValue = Readonly<Record<string, unknown>>;

/**
 * Looks at what a file holds before it is used. Throws for what makes no sense ("has no table"); says what is doubtful: the version before it is
 * preferred then, unless that is doubtful too.
 */
export type ConfigCheck = (value: ConfigValue) => string | undefined;

/**
 * A JSON file below `config/`, as Apache keeps it (ConfigManager): the version before the last one stays beside it as
 * `.bak` and is read when the file itself is missing, empty, torn or damaged.
 *
 * A version is written and flushed under another name before it takes the file's place, so that at every moment one of the
 * two can be read.
 *
 * JSON has no checksum, and one flipped bit makes another offset of one. What is written here ends in a member that Apache does not
 * know, and leaves out when it writes the file again:
 *
 *     ,
 *     <tab>"__CRC32#":"0123456789"
 *     }
 *
 * the CRC-32 of all bytes before this end, in ten digits. What Apache wrote, or a tool that does not end it so, is taken as it is.
 */
export class ConfigFile {
  readonly #storage: LogStorage;
  readonly #telemetry: Telemetry;
  readonly #crc32: (bytes: Uint8Array) => number;
  readonly #file: string;
  #writing: Promise<void> | undefined;
  #next: (() => unknown) | undefined;
  /** Whether the file is there and worth keeping as `.bak`; undefined after a failure, until it is looked up. */
  #keepable: boolean | undefined = false;

  constructor(storage: LogStorage, telemetry: Telemetry, crc32: (bytes: Uint8Array) => number, name: string) {
    this.#storage = storage;
    this.#telemetry = telemetry;
    this.#crc32 = crc32;
    this.#file = `config/${name}`;
  }

  /** The value last written, or undefined if there never was one. Throws STORE_UNREADABLE if neither version can be read. */
  async load(check: ConfigCheck = () => undefined): Promise<ConfigValue | undefined> {
    const before = `${this.#file}.bak`;
    const newest = await this.#read(this.#file, check);
    if (newest?.value !== undefined && newest.trouble === undefined) {
      this.#keepable = true;
      return newest.value;
    }
    const older = await this.#read(before, check);
    if (newest === undefined && older === undefined) return undefined;
    const why = newest?.trouble ?? `there is no ${this.#file}`;
    if (older?.value !== undefined && older.trouble === undefined) {
      // A file that can't be read must not take the place of the version before it.
      this.#keepable = false;
      this.#telemetry.log("warn", "a config file can't be used: the version before it is used", {
        ...{ file: this.#file, why, used: before },
        ...versionOf(older.value),
      });
      return older.value;
    }
    if (newest?.value !== undefined) {
      this.#keepable = true;
      this.#telemetry.log("warn", "a config file is doubtful, and no version before it is better: it is used", {
        ...{ file: this.#file, why },
        ...versionOf(newest.value),
      });
      return newest.value;
    }
    throw new WasmqError("STORE_UNREADABLE", `${why}; and no ${before} can be read in its place`);
  }

  /**
   * Writes the value that `value` gives when its turn comes: calls that come while a write is under way share the next one.
   * Ends when that value, or a later one, is flushed.
   */
  save(value: () => unknown): Promise<void> {
    this.#next = value;
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  /** Ends with what is being written; rejects if it can't be. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** What a file holds, and what is wrong with it: without a value it can't be used. Undefined where there is none. */
  async #read(file: string, check: ConfigCheck): Promise<{ value?: ConfigValue; trouble?: string } | undefined> {
    const stat = (await this.#storage.list("config")).find(({ name }) => name === file);
    if (stat === undefined) return undefined;
    if (stat.sizeBytes === 0 || stat.sizeBytes > configFileBytesMax) {
      return { trouble: `${file} has ${stat.sizeBytes} bytes` };
    }
    const bytes = new Uint8Array(stat.sizeBytes);
    const read = await this.#storage.read(file, 0, bytes);
    try {
      const { [crcMember]: _, ...value } = objectIn(bytes.subarray(0, read), this.#crc32);
      const doubt = check(value);
      return doubt === undefined ? { value } : { value, trouble: `${file} is doubtful: ${doubt}` };
    } catch (error) {
      return { trouble: `${file} ${error instanceof Error ? error.message : error}` };
    }
  }

  async #writeAll(): Promise<void> {
    try {
      // Begins a turn later, when `#writing` is set.
      await undefined;
      for (let next = this.#next; next !== undefined; next = this.#next) {
        this.#next = undefined;
        await this.#write(next());
      }
    } finally {
      // In the turn in which the loop found nothing more: a save from now on begins anew.
      this.#writing = undefined;
    }
  }

  async #write(value: unknown): Promise<void> {
    const fresh = `${this.#file}.tmp`;
    const bytes = withCrc(encodeUtf8(printJavaJson(value)), this.#crc32);
    await this.#storage.delete(fresh);
    await this.#storage.create(fresh, bytes.length);
    await this.#storage.write([{ file: fresh, at: 0, bytes }]);
    await this.#storage.sync([fresh]);
    this.#keepable ??= (await this.#storage.list("config")).some(({ name }) => name === this.#file);
    if (this.#keepable) {
      this.#keepable = undefined;
      await this.#storage.rename(this.#file, `${this.#file}.bak`);
    }
    await this.#storage.rename(fresh, this.#file);
    await this.#storage.sync([this.#file]);
    this.#keepable = true;
  }
}

/** Members that are not among `known`: of another broker's version, written again as they came. */
export function otherMembers(value: ConfigValue | undefined, ...known: readonly string[]): ConfigValue {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => !known.includes(name)));
}

/** The objects in a member, by name; throws for a member that is none, or is missing. */
export function tableIn(value: ConfigValue, member: string): Readonly<Record<string, unknown>> {
  const table = value[member];
  if (!isObject(table)) throw new Error(`has no ${member}`);
  return table;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const crcMember = "__CRC32#";
const crcDigits = 10;

function endWith(crc: number): string {
  return `,\n\t"${crcMember}":"${String(crc).padStart(crcDigits, "0")}"\n}`;
}

const endLength = endWith(0).length;
/** Whatever its name: that may be damaged. */
const endShape = /^,\n\t".{8}":"\d{10}"\n\}$/s;

/** An object that is not empty is printed as `{\n...\n}`. */
function withCrc(json: Uint8Array, crc32: (bytes: Uint8Array) => number): Uint8Array {
  if (json.length < 4) return json;
  const body = json.subarray(0, json.length - 2);
  const end = encodeUtf8(endWith(crc32(body)));
  const bytes = new Uint8Array(body.length + end.length);
  bytes.set(body);
  bytes.set(end, body.length);
  return bytes;
}

/** What a config file's bytes hold. Throws for bytes that are no JSON object, or are not what was written. */
export function objectIn(bytes: Uint8Array, crc32: (bytes: Uint8Array) => number): Record<string, unknown> {
  const text = decodeUtf8Strictly(bytes);
  if (text === undefined) throw new Error("is no UTF-8");
  let value: unknown;
  try {
    value = parseJavaJson(text);
  } catch (error) {
    throw new Error(`is no JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(value)) throw new Error("holds no object");
  const body = bytes.subarray(0, Math.max(0, bytes.length - endLength));
  const end = decodeUtf8(bytes.subarray(body.length));
  const { [crcMember]: stated } = value;
  const isStated = stated === undefined || (typeof stated === "string" && /^\d{10}$/.test(stated));
  // A tool that writes the file anew puts the member elsewhere, and another text around it.
  if (!isStated || (endShape.test(end) && end !== endWith(crc32(body)))) {
    throw new Error(`has another checksum: it is damaged, or was edited (take ${crcMember} out of it then)`);
  }
  return value;
}

function versionOf({ dataVersion }: ConfigValue): Record<string, number> {
  if (!isObject(dataVersion)) return {};
  const { counter, timestamp } = dataVersion;
  return { counter: Number(counter), timestamp: Number(timestamp) };
}
