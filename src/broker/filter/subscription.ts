import { subscriptionTagsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";

/** What a consumer wants of a topic (SubscriptionData). */
export interface Subscription {
  readonly topic: string;
  readonly expressionType: string;
  readonly expression: string;
  /** Set by the client when it subscribes; a newer one replaces an older one. Nanoseconds from some clients. */
  readonly version: bigint;
  /** Hashes of the tags wanted; undefined for all messages. */
  readonly tagHashes: Int32Array | undefined;
}

const subscribeAll = "*";

/**
 * A subscription by tags: `*`, empty, or `A || B` (FilterAPI.buildSubscriptionData). The broker compares hashes only; the
 * client compares the tags themselves. Throws SUBSCRIPTION_PARSE_FAILED for an expression without a tag.
 */
export function subscribeByTags(
  topic: string,
  expression: string,
  version: bigint,
  hashCode: (text: string) => number,
): Subscription {
  const text = expression.trim();
  let tagHashes: Int32Array | undefined;
  if (text !== "" && text !== subscribeAll) {
    const tags = text
      .split("||")
      .map((tag) => tag.trim())
      .filter((tag) => tag !== "");
    if (tags.length === 0) {
      throw new WasmqError("SUBSCRIPTION_PARSE_FAILED", `the consumer's subscription parse failed: ${expression}`);
    }
    if (tags.length > subscriptionTagsMax) {
      throw new WasmqError(
        "SUBSCRIPTION_PARSE_FAILED",
        `a subscription of ${tags.length} tags: allowed are ${subscriptionTagsMax}`,
      );
    }
    tagHashes = new Int32Array(new Set(tags.map(hashCode)));
  }
  return { topic, expressionType: tagExpression, expression, version, tagHashes };
}

export const tagExpression = "TAG";

/** A missing type means tags (ExpressionType.isTagType). */
export function isTagExpression(expressionType: string | undefined): boolean {
  return expressionType === undefined || expressionType === "" || expressionType === tagExpression;
}
