/**
 * JSON as Apache RocketMQ's config files have it: fastjson writes integer map keys without quotes (`{0:10,1:11}`), which
 * JSON.parse refuses; Apache itself reads them with quotes as well, so what we write is plain JSON.
 */
export function parseJavaJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(quoteKeys(text));
  }
}

/** Tab-indented, no space behind the colon, as Apache's files are. */
export function printJavaJson(value: unknown): string {
  return JSON.stringify(value, null, "\t").replaceAll(/^(\t*"(?:[^"\\]|\\.)*":) /gm, "$1");
}

/** Puts integer keys in quotes, and leaves all else, strings above all, as it is. */
function quoteKeys(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|([{,]\s*)(-?\d+)(\s*:)/g, (all, before, key, after) =>
    key === undefined ? all : `${before}"${key}"${after}`,
  );
}
