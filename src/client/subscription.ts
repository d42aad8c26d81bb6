import { subscriptionTagsMax } from "../limits.ts";
import { ClientError } from "./error.ts";
import { javaHash } from "./java-hash.ts";

/** What is taken of a topic: tags divided by `||`, or `*` for all; or a SQL92 expression over properties (`MessageSelector.bySql`). */
export type Filter = string | { readonly sql: string };

/** What a group takes of a topic (SubscriptionData). */
export class Subscription {
  readonly topic: string;
  readonly expressionType: "TAG" | "SQL92";
  readonly expression: string;
  /** Brokers keep the subscription with the highest. */
  readonly version: number;
  readonly #tags: ReadonlySet<string>;

  /** Throws SUBSCRIPTION_PARSE_FAILED for what are no tags. What is no SQL92 the broker tells. */
  constructor(topic: string, filter: Filter, version: number) {
    this.topic = topic;
    this.version = version;
    this.expressionType = typeof filter === "string" ? "TAG" : "SQL92";
    const isAll = typeof filter === "string" && (filter.trim() === "" || filter.trim() === "*");
    this.expression = typeof filter === "string" ? (isAll ? "*" : filter) : filter.sql;
    const tags = isAll || this.expressionType !== "TAG" ? [] : this.expression.split("||").map((tag) => tag.trim());
    this.#tags = new Set(tags.filter((tag) => tag !== ""));
    const isNone = this.expressionType === "TAG" && !isAll && this.#tags.size === 0;
    if (isNone || this.#tags.size > subscriptionTagsMax) {
      throw new ClientError(
        "SUBSCRIPTION_PARSE_FAILED",
        `not a list of tags: ${JSON.stringify(this.expression.slice(0, 64))}`,
      );
    }
  }

  /** The broker compares hashes only: what passed by chance is left out here. */
  matches(tag: string | undefined): boolean {
    return this.#tags.size === 0 || (tag !== undefined && this.#tags.has(tag));
  }

  /** As a heartbeat has it. */
  data(): object {
    return {
      classFilterMode: false,
      codeSet: Array.from(this.#tags, javaHash),
      expressionType: this.expressionType,
      subString: this.expression,
      subVersion: this.version,
      tagsSet: [...this.#tags],
      topic: this.topic,
    };
  }
}
