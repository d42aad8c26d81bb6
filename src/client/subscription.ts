import { subscriptionTagsMax } from "../limits.ts";
import { ClientError } from "./error.ts";
import { javaHash } from "./java-hash.ts";

/** What a group takes of a topic (SubscriptionData): tags divided by `||`, or `*` for all. */
export class Subscription {
  readonly topic: string;
  readonly expression: string;
  /** Brokers keep the subscription with the highest. */
  readonly version: number;
  readonly #tags: ReadonlySet<string>;

  /** Throws SUBSCRIPTION_PARSE_FAILED. */
  constructor(topic: string, expression: string, version: number) {
    this.topic = topic;
    this.version = version;
    const isAll = expression.trim() === "" || expression.trim() === "*";
    this.expression = isAll ? "*" : expression;
    const tags = isAll ? [] : expression.split("||").map((tag) => tag.trim());
    this.#tags = new Set(tags.filter((tag) => tag !== ""));
    if ((!isAll && this.#tags.size === 0) || this.#tags.size > subscriptionTagsMax) {
      throw new ClientError(
        "SUBSCRIPTION_PARSE_FAILED",
        `not a list of tags: ${JSON.stringify(expression.slice(0, 64))}`,
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
      expressionType: "TAG",
      subString: this.expression,
      subVersion: this.version,
      tagsSet: [...this.#tags],
      topic: this.topic,
    };
  }
}
