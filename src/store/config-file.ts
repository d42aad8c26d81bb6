import { WasmqError } from "../ports/error.ts";
import type { LogStorage } from "../ports/log-storage.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { decodeUtf8, encodeUtf8 } from "../ports/text.ts";
import { parseJavaJson, printJavaJson } from "./java-json.ts";

/** A config file larger than this is none that a broker wrote. */
const configFileBytesMax = 256 * 1024 * 1024;

/**
 * A JSON file below `config/`, as Apache keeps it (ConfigManager): the version before the last one stays beside it as
 * `.bak` and is read when the file itself is missing, empty or torn.
 *
 * A version is written and flushed under another name before it takes the file's place, so that at every moment one of the
 * two can be read.
 */
export class ConfigFile {
  readonly #storage: LogStorage;
  readonly #telemetry: Telemetry;
  readonly #file: string;
  #writing: Promise<void> | undefined;
  #next: (() => unknown) | undefined;
  /** Whether the file is there and worth keeping as `.bak`; undefined after a failure, until it is looked up. */
  #keepable: boolean | undefined = false;

  constructor(storage: LogStorage, telemetry: Telemetry, name: string) {
    this.#storage = storage;
    this.#telemetry = telemetry;
    this.#file = `config/${name}`;
  }

  /** The value last written, or undefined if there never was one. Throws STORE_UNREADABLE if neither version can be read. */
  async load(): Promise<unknown> {
    const stats = await this.#storage.list("config");
    let unreadable: string | undefined;
    for (const file of [this.#file, `${this.#file}.bak`]) {
      const stat = stats.find((candidate) => candidate.name === file);
      if (stat === undefined) continue;
      if (stat.sizeBytes === 0 || stat.sizeBytes > configFileBytesMax) {
        unreadable ??= `${file} has ${stat.sizeBytes} bytes`;
        continue;
      }
      const bytes = new Uint8Array(stat.sizeBytes);
      const read = await this.#storage.read(file, 0, bytes);
      try {
        const value = parseJavaJson(decodeUtf8(bytes.subarray(0, read)));
        if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("it holds no object");
        // A file that can't be read must not take the place of the version before it.
        this.#keepable = file === this.#file;
        if (unreadable !== undefined) {
          this.#telemetry.log("warn", "a config file was unreadable, the version before it is used", {
            file,
            unreadable,
          });
        }
        return value;
      } catch (error) {
        unreadable ??= `${file} is no JSON: ${error instanceof Error ? error.message : error}`;
      }
    }
    if (unreadable === undefined) return undefined;
    throw new WasmqError("STORE_UNREADABLE", `${unreadable}; and no ${this.#file}.bak can be read in its place`);
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
    const bytes = encodeUtf8(printJavaJson(value));
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
