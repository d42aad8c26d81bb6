import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/** A map whose keys are objects: Java's clients read and write those of message queues so (`{{"topic":"T",...}:5}`). */
export class ObjectMap {
  readonly entries: readonly (readonly [key: object, value: unknown])[];

  constructor(entries: readonly (readonly [key: object, value: unknown])[]) {
    this.entries = entries;
  }
}

/** A body with maps by objects in it, and 64-bit numbers as bigint, as fastjson writes them. Without white space, as `writeBody`. */
export function writeJavaBody(value: unknown): Uint8Array {
  return encodeUtf8(print(value));
}

function print(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(print).join(",")}]`;
  if (value instanceof ObjectMap) {
    return `{${value.entries.map(([key, one]) => `${print(key)}:${print(one)}`).join(",")}}`;
  }
  const members = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${print(one)}`).join(",")}}`;
}

/**
 * The offsets by queue in a body of Java's, wherever they stand in it: no JSON parser takes keys that are objects. What can't be read is
 * left out.
 */
export function readQueueOffsets(body: Uint8Array): readonly (readonly [queue: object, offset: number])[] {
  const found: (readonly [object, number])[] = [];
  for (const [, key, offset] of decodeUtf8(body).matchAll(/(\{[^{}]*\})\s*:\s*(-?\d{1,15})(?!\d)/g)) {
    try {
      const { topic, brokerName, queueId } = JSON.parse(key!) as Readonly<Record<string, unknown>>;
      if (typeof topic !== "string" || typeof brokerName !== "string" || typeof queueId !== "number") continue;
      found.push([{ brokerName, queueId, topic }, Number(offset)]);
    } catch {
      // Not a queue.
    }
  }
  return found;
}
