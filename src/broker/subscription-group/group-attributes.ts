import { type Attribute, inRange, isFlag, longMax, oneOf } from "../attributes.ts";

/** org.apache.rocketmq.common.SubscriptionGroupAttributes. They are kept, and nothing here goes by them yet. */
export const groupAttributes: readonly Attribute[] = [
  { name: "priority.factor", isChangeable: true, trouble: inRange(0n, 100n) },
  { name: "lite.bind.topic", isChangeable: true, trouble: () => undefined },
  { name: "lite.sub.model", isChangeable: true, trouble: oneOf("Shared", "Exclusive") },
  { name: "lite.sub.reset.offset.exclusive", isChangeable: true, trouble: isFlag },
  { name: "lite.sub.reset.offset.unsubscribe", isChangeable: true, trouble: isFlag },
  { name: "lite.sub.client.quota", isChangeable: true, trouble: inRange(-1n, longMax) },
  { name: "lite.sub.client.max.event.cnt", isChangeable: true, trouble: inRange(10n, longMax) },
  { name: "lite.sub.wildcard", isChangeable: true, trouble: () => undefined },
];
