/** One setting of a Java properties file, and the line it begins on, counted from 1. */
export interface Property {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/**
 * What a Java properties file says, in its order (java.util.Properties.load): comments behind `#` or `!`, lines that go on behind a
 * backslash, `key=value`, `key: value` and `key value`, escapes. Of two with one key the later holds. Bytes above 127 are ISO 8859-1.
 */
export function parseProperties(bytes: Uint8Array): Property[] {
  const found: Property[] = [];
  let joined = "";
  let begin = 0;
  let goesOn = false;
  const lines = `${latin1(bytes)}\n`.split(/\r\n|\n|\r/);
  for (let number = 1; number <= lines.length; number++) {
    const line = lines[number - 1]!.replace(/^[ \t\f]+/, "");
    if (!goesOn) {
      if (/^[#!]/.test(line)) continue;
      begin = number;
    }
    joined += line;
    // An odd number of backslashes at the end.
    goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(joined);
    if (goesOn) {
      joined = joined.slice(0, -1);
      continue;
    }
    const [, key, value] = /^((?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(joined) ?? [];
    joined = "";
    if (key !== undefined && key !== "") found.push({ key: unescaped(key), value: unescaped(value!), line: begin });
  }
  return found;
}

/** One line of a properties file, without its end. */
export function printProperty(key: string, value: string): string {
  return `${escaped(key).replace(/[ =:#!]/g, "\\$&")}=${escaped(value).replace(/^ /, "\\ ")}`;
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, char: string) =>
    code === undefined ? (named[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function escaped(text: string): string {
  return text
    .replace(/\\/g, "\\\\")
    .replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
