import { sqlTokensMax } from "../../limits.ts";
import { refused } from "./sql-error.ts";

export type TokenKind = "end" | Keyword | Sign | "integer" | "decimal" | "text" | "name";

const keywords = [
  "NOT",
  "AND",
  "OR",
  "BETWEEN",
  "IN",
  "TRUE",
  "FALSE",
  "NULL",
  "IS",
  "CONTAINS",
  "STARTSWITH",
  "ENDSWITH",
] as const;
type Keyword = (typeof keywords)[number];

/** Longer ones before their beginnings. */
const signs = ["<>", ">=", "<=", "=", ">", "<", "(", ",", ")", "+", "-"] as const;
type Sign = (typeof signs)[number];

/**
 * The tokens of a SQL92 expression, one at a time (SelectorParserTokenManager). What stands behind the last one that is asked for is never
 * looked at, and may be no SQL at all: so it is in Apache RocketMQ.
 */
export class Tokens {
  /** Of the token that is next. */
  kind: TokenKind = "end";
  /** Where it begins, in UTF-16 units. */
  at = 0;
  count = 0;
  readonly #text: string;
  /** Behind it. */
  #end = 0;
  /** A line comment counts only with its line's end. */
  readonly #lastLineEnd: number;

  constructor(text: string) {
    this.#text = text;
    this.#lastLineEnd = Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r"));
    this.next();
  }

  /** The token as it is written. */
  get image(): string {
    return this.#text.slice(this.at, this.#end);
  }

  /** What the token means, if it is a text: without its quotes, of which two within are one. */
  get textValue(): string {
    return this.#text.slice(this.at + 1, this.#end - 1).replaceAll("''", "'");
  }

  next(): void {
    if (++this.count > sqlTokensMax) throw refused(`it has more than ${sqlTokensMax} tokens`);
    this.at = this.#skip();
    this.#end = this.at;
    this.kind = this.#scan();
  }

  /** Behind white space and comments. */
  #skip(): number {
    const text = this.#text;
    let at = this.#end;
    for (;;) {
      if (isWhite(text.charCodeAt(at))) at++;
      else if (text.startsWith("--", at) && at < this.#lastLineEnd) at = lineEnd(text, at);
      else if (text.startsWith("/*", at)) {
        const end = text.indexOf("*/", at + 2);
        if (end < 0) throw refused(`a comment that begins at ${at} has no end`);
        at = end + 2;
      } else return at;
    }
  }

  #scan(): TokenKind {
    const { at } = this;
    const text = this.#text;
    if (at >= text.length) return "end";
    const char = text.charCodeAt(at);
    if (isLetter(char)) return this.#name();
    if (isDigit(char) || (char === dot && isDigit(text.charCodeAt(at + 1)))) return this.#number();
    if (char === quote) return this.#quoted();
    for (const sign of signs) {
      if (text.startsWith(sign, at)) {
        this.#end = at + sign.length;
        return sign;
      }
    }
    throw refused(`"${String.fromCodePoint(text.codePointAt(at)!)}" at ${at} is no token`);
  }

  #name(): TokenKind {
    const text = this.#text;
    let end = this.at + 1;
    while (isLetter(text.charCodeAt(end)) || isDigit(text.charCodeAt(end))) end++;
    this.#end = end;
    if (end - this.at > longestKeyword) return "name";
    const upper = text.slice(this.at, end).toUpperCase();
    return keywords.find((keyword) => keyword === upper) ?? "name";
  }

  /** The longest of the forms: 0, 12, 12L; 1.5, 1., .5, each with an exponent or not; 1e5. */
  #number(): TokenKind {
    const text = this.#text;
    const digits = this.#digits(this.at);
    let end = digits;
    if (text.charCodeAt(end) === dot) end = this.#digits(end + 1);
    const exponent = this.#exponent(end);
    if (exponent > digits) {
      this.#end = exponent;
      return "decimal";
    }
    // What follows a leading zero is a token of its own.
    if (text.charCodeAt(this.at) === zero) this.#end = this.at + 1;
    else this.#end = (text.charCodeAt(digits) | 0x20) === letterL ? digits + 1 : digits;
    return "integer";
  }

  /** Behind the digits that begin at `at`. */
  #digits(at: number): number {
    let end = at;
    while (isDigit(this.#text.charCodeAt(end))) end++;
    return end;
  }

  /** Behind the exponent at `at`, or `at` for none. */
  #exponent(at: number): number {
    const text = this.#text;
    if ((text.charCodeAt(at) | 0x20) !== letterE) return at;
    const sign = text.charCodeAt(at + 1);
    const from = sign === plus || sign === minus ? at + 2 : at + 1;
    const end = this.#digits(from);
    return end > from ? end : at;
  }

  /** A text that has no end ends with the first of its last two quotes that stood for one. */
  #quoted(): TokenKind {
    const text = this.#text;
    let ended = -1;
    for (let at = text.indexOf("'", this.at + 1); at >= 0; at = text.indexOf("'", at + 2)) {
      ended = at + 1;
      if (text.charCodeAt(ended) !== quote) break;
    }
    if (ended < 0) throw refused(`a text that begins at ${this.at} has no end`);
    this.#end = ended;
    return "text";
  }
}

const longestKeyword = Math.max(...keywords.map((keyword) => keyword.length));

function lineEnd(text: string, from: number): number {
  for (let at = from; ; at++) {
    const char = text.charCodeAt(at);
    if (char === lineFeed || char === carriageReturn) return at + 1;
  }
}

function isWhite(char: number): boolean {
  return char === 0x20 || char === 0x09 || char === lineFeed || char === carriageReturn || char === 0x0c;
}

function isLetter(char: number): boolean {
  const lower = char | 0x20;
  return (lower >= 0x61 && lower <= 0x7a && char < 0x80) || char === underscore || char === dollar;
}

function isDigit(char: number): boolean {
  return char >= zero && char <= nine;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const dollar = 0x24;
const quote = 0x27;
const plus = 0x2b;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;
const underscore = 0x5f;
const letterE = 0x65;
const letterL = 0x6c;
