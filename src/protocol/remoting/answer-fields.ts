import { type JsonNames, jsonNames } from "./header-json.ts";
import { type RocketmqNames, rocketmqNames } from "./header-rocketmq.ts";

/** Undefined: the field is left out. */
export type FieldValue = string | number | undefined;

/** The extFields of a header of ours. Values are text on every wire: Go and C++ clients read nothing but that. */
export interface AnswerFields {
  readonly names: FieldNames;
  readonly values: readonly FieldValue[];
}

/**
 * The names of one kind of extFields, and those fields that are always the same: what both codecs make ready once, so that a header
 * costs no more than its values.
 */
export class FieldNames {
  readonly json: JsonNames;
  readonly rocketmq: RocketmqNames;

  constructor(names: readonly string[], constants: Readonly<Record<string, string>> = {}) {
    this.json = jsonNames(names, constants);
    this.rocketmq = rocketmqNames(names, constants);
  }

  /** In the order of the names. */
  of(...values: readonly FieldValue[]): AnswerFields {
    return { names: this, values };
  }
}

export const noFields = new FieldNames([]).of();

/** Those of a header that is too rare for names made ready. */
export function fieldsOf(fields: Readonly<Record<string, string | number | boolean | undefined>>): AnswerFields {
  const said = Object.entries(fields).filter(([, value]) => value !== undefined);
  return new FieldNames(said.map(([name]) => name)).of(...said.map(([, value]) => String(value)));
}
