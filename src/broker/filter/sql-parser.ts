import { sqlCharsMax, sqlDepthMax } from "../../limits.ts";
import { JavaDouble, longMax } from "./java-number.ts";
import { refused } from "./sql-error.ts";
import { type Condition, type Expression, Expressions } from "./sql-expression.ts";
import { type TokenKind, Tokens } from "./sql-tokens.ts";

export interface ParsedSql {
  readonly condition: Condition;
  /** The properties by the places that the condition asks for. */
  readonly names: readonly string[];
  readonly tokens: number;
  readonly parts: number;
}

/**
 * Reads a SQL92 filter expression (SelectorParser of Apache RocketMQ 5.5.0):
 *
 *     or         and { OR and }
 *     and        equality { AND equality }
 *     equality   comparison { = comparison | <> comparison | IS [NOT] NULL }
 *     comparison unary { > unary | >= unary | < unary | <= unary | [NOT] BETWEEN unary AND unary | [NOT] IN ( text {, text} )
 *                      | [NOT] CONTAINS text | [NOT] STARTSWITH text | [NOT] ENDSWITH text }
 *     unary      + unary | - unary | NOT unary | literal | name | ( or )
 *
 * It ends where no rule goes on; what stands behind that is not looked at. Throws SUBSCRIPTION_PARSE_FAILED.
 */
export function parseSql(text: string): ParsedSql {
  if (text.length > sqlCharsMax) throw refused(`it has ${text.length} characters: allowed are ${sqlCharsMax}`);
  return new Parser(text).parse();
}

class Parser {
  readonly #tokens: Tokens;
  readonly #make = new Expressions();
  #depth = 0;

  constructor(text: string) {
    this.#tokens = new Tokens(text);
  }

  parse(): ParsedSql {
    const condition = this.#make.condition(this.#or());
    return { condition, names: this.#make.names, tokens: this.#tokens.count, parts: this.#make.count };
  }

  #or(): Expression {
    const parts = [this.#and()];
    while (this.#takes("OR")) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : this.#make.or(parts);
  }

  #and(): Expression {
    const parts = [this.#equality()];
    while (this.#takes("AND")) parts.push(this.#equality());
    return parts.length === 1 ? parts[0]! : this.#make.and(parts);
  }

  #equality(): Expression {
    let left = this.#comparison();
    for (;;) {
      if (this.#takes("=")) left = this.#make.equal(left, this.#comparison());
      else if (this.#takes("<>")) left = this.#make.notEqual(left, this.#comparison());
      else if (this.#takes("IS")) {
        const isNot = this.#takes("NOT");
        this.#expect("NULL");
        left = isNot ? this.#make.isNotNull(left) : this.#make.isNull(left);
      } else return left;
    }
  }

  #comparison(): Expression {
    let left = this.#unary();
    for (;;) {
      const { kind } = this.#tokens;
      switch (kind) {
        case ">":
        case ">=":
        case "<":
        case "<=":
          this.#tokens.next();
          left = this.#make.order(left, kind, this.#unary());
          break;
        case "NOT":
          this.#tokens.next();
          left = this.#predicate(left, false);
          break;
        case "BETWEEN":
        case "IN":
        case "CONTAINS":
        case "STARTSWITH":
        case "ENDSWITH":
          left = this.#predicate(left, true);
          break;
        default:
          return left;
      }
    }
  }

  #predicate(left: Expression, holds: boolean): Expression {
    if (this.#takes("BETWEEN")) {
      const low = this.#unary();
      this.#expect("AND");
      const high = this.#unary();
      return holds ? this.#make.between(left, low, high) : this.#make.notBetween(left, low, high);
    }
    if (this.#takes("IN")) return this.#make.in(left, this.#list(), holds);
    if (this.#takes("CONTAINS")) return this.#make.search(left, "includes", this.#text(), holds);
    if (this.#takes("STARTSWITH")) return this.#make.search(left, "startsWith", this.#text(), holds);
    if (this.#takes("ENDSWITH")) return this.#make.search(left, "endsWith", this.#text(), holds);
    throw this.#unexpected("BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH");
  }

  #list(): string[] {
    this.#expect("(");
    const values = [this.#text()];
    while (this.#takes(",")) values.push(this.#text());
    this.#expect(")");
    return values;
  }

  #unary(): Expression {
    if (++this.#depth > sqlDepthMax) throw refused(`it is nested deeper than ${sqlDepthMax}`);
    const expression = this.#nested();
    this.#depth--;
    return expression;
  }

  #nested(): Expression {
    if (this.#takes("+")) return this.#unary();
    if (this.#takes("-")) return this.#make.negate(this.#unary());
    if (this.#takes("NOT")) return this.#make.not(this.#unary());
    if (this.#takes("(")) {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    return this.#primary();
  }

  #primary(): Expression {
    const { kind, image } = this.#tokens;
    switch (kind) {
      case "text":
        return this.#make.constant(this.#text());
      case "integer":
        this.#tokens.next();
        return this.#make.constant(integerOf(image));
      case "decimal":
        this.#tokens.next();
        return this.#make.constant(decimalOf(image));
      case "name":
        this.#tokens.next();
        return this.#make.property(image);
      case "TRUE":
      case "FALSE":
        this.#tokens.next();
        return this.#make.booleanConstant(kind === "TRUE");
      case "NULL":
        this.#tokens.next();
        return this.#make.booleanConstant(null);
      default:
        throw this.#unexpected("a value");
    }
  }

  #text(): string {
    if (this.#tokens.kind !== "text") throw this.#unexpected("a text");
    const { textValue } = this.#tokens;
    this.#tokens.next();
    return textValue;
  }

  #takes(kind: TokenKind): boolean {
    if (this.#tokens.kind !== kind) return false;
    this.#tokens.next();
    return true;
  }

  #expect(kind: TokenKind): void {
    if (!this.#takes(kind)) throw this.#unexpected(kind);
  }

  #unexpected(wanted: string): Error {
    const { kind, at, image } = this.#tokens;
    const found = kind === "end" ? "it ends" : `there is ${image.slice(0, 40)}`;
    return refused(`${found} at ${at} in the place of ${wanted}`);
  }
}

/** An Integer, or a Long where that is too small (ConstantExpression.createFromDecimal). */
function integerOf(image: string): number | bigint {
  const digits = /[lL]$/.test(image) ? image.slice(0, -1) : image;
  if (digits.length > 19) throw refused(`${digits.slice(0, 40)} is more than a Long`);
  const value = BigInt(digits);
  if (value > longMax) throw refused(`${digits} is more than a Long`);
  return value <= 2_147_483_647n ? Number(value) : value;
}

/** Neither nothing nor too much for a Double (ConstantExpression.createFloat). */
function decimalOf(image: string): JavaDouble {
  const value = Number(image);
  if (value === Number.POSITIVE_INFINITY) throw refused(`${image.slice(0, 40)} is more than a Double`);
  if (value === 0) throw refused(`${image.slice(0, 40)} is less than a Double`);
  return new JavaDouble(value);
}
