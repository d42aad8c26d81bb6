import { pullUnitsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import type { BrokerSettings } from "../settings.ts";
import { poppedAtOnceMax } from "./check-point.ts";
import { joinBytes } from "./join-bytes.ts";
import type { PopQueues } from "./pop-queues.ts";

/** A look at what a pop would bring (PeekMessageRequestHeader). */
export interface Peek {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly messagesMax: number;
}

export interface Peeked {
  readonly rest: number;
  readonly messages: number;
  /** Stored records, one behind the other. */
  readonly records: Uint8Array;
}

/** Shows a group's next messages and hands none out (PeekMessageProcessor). */
export class Peeks {
  readonly #store: Store;
  readonly #queues: PopQueues;
  readonly #settings: BrokerSettings;

  constructor(given: { store: Store; queues: PopQueues; settings: BrokerSettings }) {
    this.#store = given.store;
    this.#queues = given.queues;
    this.#settings = given.settings;
  }

  /** Rejects with why the group may not read the queue, see `PopQueues.check`. */
  async peek(peek: Peek): Promise<Peeked> {
    const { group, messagesMax } = peek;
    this.#queues.check(peek, "peeking");
    if (messagesMax > poppedAtOnceMax) {
      throw new WasmqError("INVALID_PARAMETER", `peeked are ${poppedAtOnceMax} messages at most`);
    }
    if (messagesMax < 0) throw new WasmqError("SYSTEM_ERROR", `maxMsgNums of ${messagesMax}`);
    const { maxTransferBytesOnMessageInMemory } = this.#settings;
    const parts: Uint8Array[] = [];
    let rest = 0;
    let messages = 0;
    let bytes = 0;
    for (const queue of this.#queues.of({ ...peek, isOrderly: false, attemptId: undefined })) {
      rest += this.#queues.rest(group, queue);
      const { minOffset, maxOffset } = this.#store.range(queue.topic, queue.queueId);
      const offset = Math.max(minOffset, this.#queues.offset(group, queue) ?? minOffset);
      if (messages >= messagesMax || bytes >= maxTransferBytesOnMessageInMemory || offset >= maxOffset) continue;
      const got = await this.#store.get(queue.topic, queue.queueId, offset, {
        messagesMax: messagesMax - messages,
        bytesMax: maxTransferBytesOnMessageInMemory - bytes,
        unitsMax: pullUnitsMax,
        tagHashes: undefined,
      });
      parts.push(got.records);
      messages += got.messages;
      bytes += got.records.length;
    }
    return { rest, messages, records: joinBytes(parts) };
  }
}
