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
 * client compares the tags themselves. Blanks between the bars are no tags, and match nothing. Throws SUBSCRIPTION_PARSE_FAILED for
 * bars alone.
 */
export function subscribeByTags(
  topic: string,
  expression: string,
  version: bigint,
  hashCode: (text: string) => number,
): Subscription {
  let tagHashes: Int32Array | undefined;
  if (expression !== "" && expression !== subscribeAll) {
    const parts = expression.split("||");
    const tags = parts.map((tag) => tag.trim()).filter((tag) => tag !== "");
    if (parts.every((part) => part === "")) {
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
export function isTagExpression(
  expressionType: string | undefined,
): expressionType is undefined | "" | typeof tagExpression {
  return expressionType === undefined || expressionType === "" || expressionType === tagExpression;
}
