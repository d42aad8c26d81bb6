import { Random } from "../simulator/random.ts";

/** What a filter is held against: the properties of one message. */
export type Properties = ReadonlyMap<string, string>;

const names = ["a", "b", "c", "price", "Region_1", "$x", "_y", "TAGS", "KEYS", "missing"];

const values = [
  ..."5 -3 0 00 007 +5 - + -0 5L 2147483647 2147483648 -2147483648 -2147483649 9223372036854775807 9223372036854775808".split(
    " ",
  ),
  ..."-9223372036854775808 -9223372036854775809 99999999999999999999 00000000000000000000000012 1000000000000000 9007199254740993".split(
    " ",
  ),
  ..."1.5 5.0 5. .5 . -0.0 0.0 1e3 1E+3 1e-3 1e 1e400 1e-400 4.9e-324 2e-324 1.7976931348623157e308 1.7976931348623159e308".split(
    " ",
  ),
  ..."5f 5D 1.5F 5l NaN -NaN Infinity -Infinity +Infinity infinity 0x1p3 0x1.8p-1 0X.8P1 0x1.p3 0x1 0x1p 0x0p99999999999 0x1p1024 0x1p-1074".split(
    " ",
  ),
  ..."0x1p-1075 0x1.8p-1075 0x1.fffffffffffff8p0 0x1.00000000000008p0 0x1.000000000000081p0 0x0.00000000000000001p1000 -0x1p2d".split(
    " ",
  ),
  ..."abc ab Abc b true TRUE True tru false FALSE null NULL it's ' '' -- /* TagA TagB Hangzhou 中文 ünï ſ K \u0130".split(
    " ",
  ),
  ...["", " ", " 7 ", "7 ", "\t7", "\u00a07", "7\u0000", "٣", "१२", "\uff15", "1٣", "\u{1d7d6}", "😀", "a b", "a\nb"],
];

const integers = [
  "0",
  "1",
  "3",
  "5",
  "7",
  "12",
  "5L",
  "5l",
  "0L",
  "007",
  "2147483647",
  "2147483648",
  "9223372036854775807",
];
const badIntegers = [
  "0L",
  "007",
  "9223372036854775808",
  "99999999999999999999999999",
  "9223372036854775807L",
  "9223372036854775808l",
];
const decimals = ["1.5", "5.0", "5.", ".5", "1e3", "1E-3", "5.e1", "1e308", "4.9e-324", "05.5", "1e+2"];
const badDecimals = ["0.0", "00e1", ".0", "0.", "0e5", "1e400", "1e-400", "2e-324", "1.8e308"];
const texts = [
  "abc",
  "ab",
  "b",
  "c",
  "TagA",
  "5",
  "5.0",
  "true",
  "it's",
  "",
  " ",
  "中文",
  "--",
  "/*",
  "😀",
  "'",
  "a\nb",
  "1.5",
  "-3",
];
const junk = [
  "#",
  "!",
  "!=",
  "==",
  "*",
  "/",
  "%",
  ".",
  "..",
  '"',
  "`",
  "\\",
  "?",
  ";",
  "é",
  "\u00a0",
  "😀",
  "[",
  "1a",
  "a.b",
  "'",
  "/*",
  "*/",
];
const words =
  "NOT AND OR BETWEEN IN TRUE FALSE NULL IS CONTAINS STARTSWITH ENDSWITH not and Or between iN true False null is contains StartsWith endswith LIKE like".split(
    " ",
  );
const signs = ["=", "<>", ">", ">=", "<", "<=", "(", ")", ",", "+", "-"];

/** Expressions by chance: most make sense, many nearly do, some are rubbish. */
export class SqlCorpus {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  expression(): string {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.08) return this.#soup(random.between(0, 14));
    const text = this.#or(random.between(1, 4));
    if (kind < 0.72) return text;
    if (kind < 0.82)
      return (
        text +
        random.pick([")", " )", " garbage", " b = 2", " 5", " 'x", " #", " --", " -- x\n", "/* x", " (", " NOT", " IS"])
      );
    return this.#mutated(text, random.between(1, 3));
  }

  properties(): Properties {
    const random = this.#random;
    const properties = new Map<string, string>();
    for (const name of names.slice(0, -1)) if (random.chance(0.75)) properties.set(name, random.pick(values));
    return properties;
  }

  #or(depth: number): string {
    return this.#row(this.#random.pick([1, 1, 1, 2, 2, 3]), "OR", () => this.#and(depth));
  }

  #and(depth: number): string {
    return this.#row(this.#random.pick([1, 1, 1, 2, 2, 3]), "AND", () => this.#condition(depth));
  }

  #row(count: number, word: string, part: () => string): string {
    return Array.from({ length: count }, part).join(this.#space() + this.#cased(word) + this.#space());
  }

  #condition(depth: number): string {
    const random = this.#random;
    const kind = random.next();
    if (depth > 0 && kind < 0.12) return `(${this.#or(depth - 1)})`;
    if (depth > 0 && kind < 0.22)
      return `${this.#cased("NOT")} ${random.chance(0.8) ? `(${this.#or(depth - 1)})` : this.#condition(depth - 1)}`;
    const space = this.#gap();
    if (kind < 0.4) return this.#operand(depth) + space + random.pick(["=", "<>"]) + this.#gap() + this.#operand(depth);
    if (kind < 0.62)
      return this.#number(depth) + space + random.pick([">", ">=", "<", "<="]) + this.#gap() + this.#number(depth);
    const not = random.chance(0.4) ? `${this.#cased("NOT")} ` : "";
    if (kind < 0.7) return `${this.#operand(depth)} ${this.#cased("IS")} ${not}${this.#cased("NULL")}`;
    if (kind < 0.78) {
      return `${this.#number(depth)} ${not}${this.#cased("BETWEEN")} ${this.#number(depth)} ${this.#cased("AND")} ${this.#number(depth)}`;
    }
    if (kind < 0.86) {
      const list = Array.from({ length: random.between(1, 6) }, () =>
        random.chance(0.99) ? this.#text() : this.#number(0),
      );
      const left = random.chance(0.95) ? random.pick(names) : this.#operand(depth);
      return `${left} ${not}${this.#cased("IN")}${this.#gap()}(${list.join(",")})`;
    }
    if (kind < 0.95) {
      const word = random.pick(["CONTAINS", "STARTSWITH", "ENDSWITH"]);
      return `${this.#operand(depth)} ${not}${this.#cased(word)} ${random.chance(0.97) ? this.#text() : this.#operand(depth)}`;
    }
    return random.pick([random.pick(names), random.pick(names), "TRUE", "FALSE", "NULL", "true", this.#operand(depth)]);
  }

  #operand(depth: number): string {
    const kind = this.#random.next();
    if (kind < 0.65) return this.#random.pick(names);
    if (kind < 0.8) return this.#number(depth);
    if (kind < 0.92) return this.#text();
    if (kind < 0.95) return this.#random.pick(["TRUE", "FALSE", "TRUE", "FALSE", "NULL"]);
    return depth > 0 ? `(${this.#or(depth - 1)})` : this.#random.pick(names);
  }

  /** What may stand where a number is compared. */
  #number(depth: number): string {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.4) return random.pick(integers);
    if (kind < 0.6) return random.pick(decimals);
    if (kind < 0.605) return random.pick(badIntegers);
    if (kind < 0.615) return random.pick(badDecimals);
    if (kind < 0.72) return random.pick(["-", "- ", "+", "-+", "- -"]) + this.#number(depth);
    if (kind < 0.985) return random.pick(names);
    return this.#operand(depth);
  }

  #text(): string {
    return `'${this.#random.pick(texts).replaceAll("'", "''")}'`;
  }

  #cased(word: string): string {
    const kind = this.#random.next();
    if (kind < 0.7) return word;
    return kind < 0.9 ? word.toLowerCase() : word[0] + word.slice(1).toLowerCase();
  }

  #space(): string {
    const kind = this.#random.next();
    if (kind < 0.9) return " ";
    return this.#random.pick(["\n", "\t ", "\r\n", " \f", " /* c */ ", "/***/", " -- c\n", "--\r", " /* '*/ "]);
  }

  #gap(): string {
    return this.#random.chance(0.5) ? " " : this.#random.chance(0.5) ? "" : this.#space();
  }

  #soup(length: number): string {
    const random = this.#random;
    const pieces = [names, integers, decimals, badDecimals, junk, words, signs, texts.map((text) => `'${text}'`)];
    return Array.from({ length }, () => random.pick(random.pick(pieces))).join(random.chance(0.8) ? " " : "");
  }

  #mutated(text: string, times: number): string {
    const random = this.#random;
    let mutated = text;
    for (let i = 0; i < times; i++) {
      const at = random.below(mutated.length + 1);
      const end = at + random.pick([0, 0, 1, 1, 2, 5]);
      const put = random.chance(0.5) ? "" : random.pick(random.pick([junk, signs, words, names, integers]));
      mutated = mutated.slice(0, at) + put + mutated.slice(end);
    }
    return mutated;
  }
}
