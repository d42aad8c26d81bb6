import { sqlDepthMax, sqlPartsMax } from "../../limits.ts";
import type { JavaDouble } from "./java-number.ts";
import { refused } from "./sql-error.ts";
import { compare, equals, failed, negated, order, type Truth, type Value } from "./sql-value.ts";

/** The properties of a message by their places in `Expressions.names`; null for one it has not. */
export interface PropertyValues {
  get(place: number): string | null;
}

/** A part of an expression, as Apache tells them apart when it puts others together of them (org.apache.rocketmq.filter.expression). */
export interface Expression {
  readonly kind: "property" | "constant" | "boolean" | "boolean constant" | "negation";
  /** How many lie in each other: evaluating takes as much of the stack. */
  readonly depth: number;
  /** Of constants. */
  readonly value?: string | boolean | number | bigint | JavaDouble | null;
  evaluate(of: PropertyValues): Value;
}

/** One that is worth a truth. */
export interface Condition extends Expression {
  readonly kind: "boolean" | "boolean constant";
  evaluate(of: PropertyValues): Truth;
}

type Order = ">" | ">=" | "<" | "<=";

/** Makes expressions of their parts, and refuses what Apache does when it makes them. Counts them. */
export class Expressions {
  /** Of all properties that are asked for, each once. */
  readonly names: string[] = [];
  count = 0;
  readonly #places = new Map<string, number>();

  property(name: string): Expression {
    const place = this.#places.get(name) ?? this.names.push(name) - 1;
    this.#places.set(name, place);
    return this.#counted({ kind: "property", depth: 1, evaluate: (of) => of.get(place) });
  }

  constant(value: string | number | bigint | JavaDouble): Expression {
    return this.#counted({ kind: "constant", depth: 1, value, evaluate: () => value });
  }

  booleanConstant(value: boolean | null): Condition {
    return this.#counted({ kind: "boolean constant", depth: 1, value, evaluate: () => value });
  }

  negate(of: Expression): Expression {
    return this.#counted({
      kind: "negation",
      depth: of.depth + 1,
      evaluate: (values) => negated(of.evaluate(values)),
    });
  }

  not(of: Expression): Condition {
    const condition = this.condition(of);
    return this.#not(condition);
  }

  /** Both short-circuit (LogicExpression); many are one, since a row of them may be longer than the stack is deep. */
  or(parts: readonly Expression[]): Condition {
    return this.#junction(parts, true);
  }

  and(parts: readonly Expression[]): Condition {
    return this.#junction(parts, false);
  }

  /** `=` and `<>`. */
  equal(left: Expression, right: Expression): Condition {
    for (const side of [left, right]) if (isNullConstant(side)) throw refused("NULL can't be compared");
    if (left.kind === "boolean constant" && right.kind === "constant") {
      throw refused(`${left.value} can't be compared with ${print(right)}`);
    }
    return this.#equal(left, right);
  }

  notEqual(left: Expression, right: Expression): Condition {
    return this.#not(this.equal(left, right));
  }

  isNull(left: Expression): Condition {
    return this.#equal(left, this.booleanConstant(null));
  }

  isNotNull(left: Expression): Condition {
    return this.#not(this.isNull(left));
  }

  order(left: Expression, sign: Order, right: Expression): Condition {
    for (const side of [left, right]) {
      const isNumber = side.kind === "constant" && typeof side.value !== "string";
      if (!isNumber && side.kind !== "property" && side.kind !== "negation") {
        throw refused(`${print(side)} can't be compared by ${sign}`);
      }
    }
    const holds = orders[sign];
    return this.#condition(Math.max(left.depth, right.depth), (of) => {
      const a = left.evaluate(of);
      if (a === null || a === failed) return a;
      const b = right.evaluate(of);
      if (b === null || b === failed) return b;
      const result = order(a, b);
      return result === failed ? failed : holds(result);
    });
  }

  between(value: Expression, low: Expression, high: Expression): Condition {
    if (isConstant(low) && isConstant(high)) {
      if (isNullConstant(low) || isNullConstant(high)) throw refused("BETWEEN can't have NULL");
      const order = compare(high.value!, low.value!);
      if (order === failed || order < 0) throw refused(`BETWEEN ${print(low)} AND ${print(high)} holds nothing`);
    }
    return this.and([this.order(value, ">=", low), this.order(value, "<=", high)]);
  }

  notBetween(value: Expression, low: Expression, high: Expression): Condition {
    return this.or([this.order(value, "<", low), this.order(value, ">", high)]);
  }

  in(left: Expression, values: readonly string[], isIn: boolean): Condition {
    if (left.kind !== "property") throw refused("what stands before IN must be a property");
    const set = new Set(values);
    return this.#condition(left.depth, (of) => {
      const value = left.evaluate(of);
      return value === null ? null : set.has(value as string) === isIn;
    });
  }

  /** CONTAINS, STARTSWITH, ENDSWITH, with NOT or without: only of texts, and never unknown. */
  search(left: Expression, find: "includes" | "startsWith" | "endsWith", search: string, isFound: boolean): Condition {
    if (search === "") return this.#condition(left.depth, () => false);
    return this.#condition(left.depth, (of) => {
      const value = left.evaluate(of);
      if (value === failed) return failed;
      return typeof value === "string" && value[find](search) === isFound;
    });
  }

  /** An expression where a truth is wanted (SelectorParser.asBooleanExpression). No property is a Boolean, so that none is true. */
  condition(of: Expression): Condition {
    if (isCondition(of)) return of;
    if (of.kind !== "property") throw refused(`${print(of)} is neither true nor false`);
    return this.#condition(of.depth, (values) => (of.evaluate(values) === null ? null : false));
  }

  #equal(left: Expression, right: Expression): Condition {
    return this.#condition(Math.max(left.depth, right.depth), (of) => equals(left.evaluate(of), right.evaluate(of)));
  }

  #not(of: Condition): Condition {
    return this.#condition(of.depth, (values) => {
      const truth = of.evaluate(values);
      return truth === null || truth === failed ? truth : !truth;
    });
  }

  /** `decides`: the truth that decides at once. */
  #junction(parts: readonly Expression[], decides: boolean): Condition {
    const conditions = parts.map((part) => this.condition(part));
    const depth = Math.max(...conditions.map((condition) => condition.depth));
    return this.#condition(depth, (of) => {
      let truth: Truth = !decides;
      for (const condition of conditions) {
        const one = condition.evaluate(of);
        if (one === decides || one === failed) return one;
        if (one === null) truth = null;
      }
      return truth;
    });
  }

  #condition(depth: number, evaluate: (of: PropertyValues) => Truth): Condition {
    return this.#counted({ kind: "boolean", depth: depth + 1, evaluate });
  }

  #counted<T extends Expression>(expression: T): T {
    if (expression.depth > sqlDepthMax) throw refused(`it is nested deeper than ${sqlDepthMax}`);
    if (++this.count > sqlPartsMax) throw refused(`it has more than ${sqlPartsMax} parts`);
    return expression;
  }
}

const orders: Readonly<Record<Order, (order: number) => boolean>> = {
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
};

function isCondition(expression: Expression): expression is Condition {
  return expression.kind === "boolean" || expression.kind === "boolean constant";
}

function isConstant({ kind }: Expression): boolean {
  return kind === "constant" || kind === "boolean constant";
}

function isNullConstant(expression: Expression): boolean {
  return isConstant(expression) && expression.value === null;
}

/** For a message: no more of it than helps. */
function print({ kind, value }: Expression): string {
  if (kind === "boolean" || kind === "property" || kind === "negation") return `a ${kind}`;
  if (typeof value === "string") return value.length > 40 ? `'${value.slice(0, 40)}...'` : `'${value}'`;
  return typeof value === "object" && value !== null ? String(value.value) : String(value);
}
