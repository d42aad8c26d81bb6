import { configFileBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import { parseProperties } from "../ports/properties.ts";
import type { Promises } from "./broker-settings.ts";
import type { Said, Settings } from "./setting.ts";

export interface Configuration<S extends Settings> {
  readonly values: Said<S>;
  /** Keys that Apache knows and that have no meaning here. */
  readonly meaningless: readonly string[];
  /** Keys that nobody knows. */
  readonly unknown: readonly string[];
  /** Where a key was given, as file and line. */
  readonly places: ReadonlyMap<string, string>;
}

/**
 * A `broker.conf` or `namesrv.conf`. Throws INVALID_PARAMETER, with the file, the line and the key, for a value that can't be, or that
 * promises what is not kept here.
 */
export function readConfiguration<S extends Settings>(
  given: {
    readonly settings: S;
    readonly promises: Promises;
    /** All keys of Apache's. */
    readonly known: ReadonlySet<string>;
  },
  file: { readonly name: string; readonly bytes: Uint8Array },
): Configuration<S> {
  const { settings, promises, known } = given;
  const { name, bytes } = file;
  if (bytes.length > configFileBytesMax || bytes.includes(0)) {
    throw new WasmqError("INVALID_PARAMETER", `${name} is no properties file of ${configFileBytesMax} bytes or less`);
  }
  const values: Record<string, string | number | boolean> = {};
  const meaningless = new Set<string>();
  const unknown = new Set<string>();
  const places = new Map<string, string>();
  // Of two lines with one key the later holds.
  for (const [key, { value, line }] of new Map(parseProperties(bytes).map((property) => [property.key, property]))) {
    const text = value.trim();
    const place = `${name}:${line}`;
    places.set(key, place);
    const refuse = (why: string): never => {
      throw new WasmqError("INVALID_PARAMETER", `${place}: ${why}`);
    };
    const promise = Object.hasOwn(promises, key) ? promises[key] : undefined;
    if (Object.hasOwn(settings, key)) {
      const { read, what } = settings[key]!;
      values[key] = read(text) ?? refuse(`${key} is ${what}, not ${JSON.stringify(text)}`);
    } else if (promise !== undefined) {
      if (text !== promise.value) refuse(`${key} is ${JSON.stringify(promise.value)} here: ${promise.why}`);
    } else if (known.has(key)) meaningless.add(key);
    else unknown.add(key);
  }
  return { values: values as Said<S>, meaningless: [...meaningless], unknown: [...unknown], places };
}
