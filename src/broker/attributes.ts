import { WasmqError } from "../ports/error.ts";

/** Attributes as a request asks for them: `+name` to what it becomes, `-name` to nothing. */
export type AttributeChanges = ReadonlyMap<string, string>;

/** A name that an attribute may have, and what may be behind it (org.apache.rocketmq.common.attribute.Attribute). */
export interface Attribute {
  readonly name: string;
  /** Whether it may be given to what is there already. */
  readonly isChangeable: boolean;
  /** Why a value is none; undefined for one that is. */
  readonly trouble: (value: string) => string | undefined;
}

/** No value of Apache's comes near it: names of topics, numbers, words. */
const valueCharsMax = 1_024;

export const longMax = 2n ** 63n - 1n;

/** `+name=value,-name` (AttributeParser.parseToMap). Throws SYSTEM_ERROR for what is written otherwise. */
export function readAttributeChanges(text: string | undefined): AttributeChanges {
  const changes = new Map<string, string>();
  const parts = text?.split(",") ?? [];
  // Java's split forgets what is empty at the end.
  while (parts.at(-1) === "") parts.pop();
  for (const part of parts) {
    const [key = "", value] = part.split("=");
    if (value === undefined ? !key.includes("-") : !key.includes("+")) {
      throw refused(`${value === undefined ? "delete" : "add/alter"} attribute format is wrong: ${key}`);
    }
    if (changes.has(key)) throw refused(`key duplication: ${key}`);
    changes.set(key, value ?? "");
  }
  return changes;
}

/**
 * Attributes after changes (AttributeUtil.alterCurrentAttributes); `current` is undefined for what is not there yet. Throws
 * SYSTEM_ERROR, with Apache's remark, for changes that can't be.
 */
export function changedAttributes(
  known: readonly Attribute[],
  current: Readonly<Record<string, string>> | undefined,
  changes: AttributeChanges,
): Record<string, string> {
  const changed = new Map(Object.entries(current ?? {}));
  const seen = new Set<string>();
  for (const [key, value] of changes) {
    const sign = key.slice(0, 1);
    const name = key.slice(1);
    if (name === "" || /[+-]/.test(name)) throw refused("kv string format wrong.");
    if (seen.has(name)) throw refused(`alter duplication key. key: ${name}`);
    seen.add(name);
    if (current === undefined && sign !== "+") {
      throw refused(`only add attribute is supported while creating topic. key: ${name}`);
    }
    if (sign !== "+" && sign !== "-") throw refused(`wrong format key: ${name}`);
    if (sign === "-" && !changed.has(name)) throw refused(`attempt to delete a nonexistent key: ${name}`);
    const attribute = known.find((one) => one.name === name);
    if (attribute === undefined) throw refused(`unsupported key: ${name}`);
    if (current !== undefined && !attribute.isChangeable) {
      throw refused(`attempt to update an unchangeable attribute. key: ${name}`);
    }
    if (sign === "-") {
      changed.delete(name);
      continue;
    }
    const trouble = value.length > valueCharsMax ? `a value of ${value.length} characters` : attribute.trouble(value);
    if (trouble !== undefined) throw refused(trouble);
    changed.set(name, value);
  }
  return Object.fromEntries(changed);
}

export function oneOf(...values: readonly string[]): Attribute["trouble"] {
  return (value) => (values.includes(value) ? undefined : `value is not in set: [${values.join(", ")}]`);
}

export function inRange(min: bigint, max: bigint): Attribute["trouble"] {
  return (value) => {
    if (!/^[+-]?\d{1,19}$/.test(value)) return `For input string: "${value.slice(0, 64)}"`;
    const number = BigInt(value.replace(/^\+/, ""));
    return number >= min && number <= max ? undefined : `value is not in range(${min}, ${max})`;
  };
}

export const isFlag: Attribute["trouble"] = (value) =>
  /^(true|false)$/i.test(value) ? undefined : "boolean attribute format is wrong.";

function refused(why: string): WasmqError {
  return new WasmqError("SYSTEM_ERROR", why);
}
