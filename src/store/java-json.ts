/**
 * JSON as Apache RocketMQ's config files have it: fastjson writes integer map keys without quotes (`{0:10,1:11}`), which
 * JSON.parse refuses; Apache itself reads them with quotes as well, so what we write is plain JSON. Integers that a JavaScript number
 * does not hold (a Go client's versions are nanoseconds) are bigint.
 */
export function parseJavaJson(text: string): unknown {
  try {
    return parseExactly(text);
  } catch {
    return parseExactly(quoteKeys(text));
  }
}

/** Tab-indented, no space behind the colon, as Apache's files are. */
export function printJavaJson(value: unknown): string {
  return stringify(value).replaceAll(/^(\t*"(?:[^"\\]|\\.)*":) /gm, "$1");
}

/** With a function that looks at each value JSON.parse takes several times as long: only where such a number can be. */
function parseExactly(text: string): unknown {
  return /\d{16}/.test(text) ? (JSON.parse as ParseWithSource)(text, exactInteger) : JSON.parse(text);
}

function exactInteger(_key: string, value: unknown, { source }: { readonly source?: string } = {}): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value, null, "\t");
  } catch {
    return JSON.stringify(
      value,
      (_, one: unknown) => (typeof one === "bigint" ? (JSON as unknown as RawJson).rawJSON(String(one)) : one),
      "\t",
    );
  }
}

/** Of ECMAScript 2025 (JSON.parse source text access); the compiler's library does not know them. */
type ParseWithSource = (
  text: string,
  reviver: (key: string, value: unknown, context?: { readonly source?: string }) => unknown,
) => unknown;
interface RawJson {
  rawJSON(text: string): unknown;
}

/** Puts integer keys in quotes, and leaves all else, strings above all, as it is. */
function quoteKeys(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|([{,]\s*)(-?\d+)(\s*:)/g, (all, before, key, after) =>
    key === undefined ? all : `${before}"${key}"${after}`,
  );
}
