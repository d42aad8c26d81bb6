import { queryMessagesMax, queryTurnsShare, uniqueKeyQueryMessagesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { KeyType, QueryResult } from "../../store/index-query.ts";
import type { Store } from "../../store/store.ts";
import type { Client } from "../client/client.ts";
import type { BrokerSettings } from "../settings.ts";
import type { Topics } from "../topic/topics.ts";

/** A request for the messages of a topic that have a key (QueryMessageRequestHeader). */
export interface KeyQuery {
  readonly topic: string;
  readonly key: string;
  readonly messagesMax: number;
  readonly beginMs: number;
  readonly endMs: number;
  readonly indexType: string | undefined;
  /** The key is a unique one: how many are wanted is the broker's to say. */
  readonly isUniqueKey: boolean;
}

/** Told once: what was found, which may be nothing, or why nobody looked. */
export interface QueryListener {
  found(result: QueryResult): void;
  failed(error: unknown): void;
}

interface Waiting {
  readonly query: KeyQuery;
  readonly client: Client;
  readonly listener: QueryListener;
}

/**
 * Finds messages by their keys (QueryMessageProcessor.queryMessage), a few queries at a time: each reads much of the index if its key is
 * in many messages. The others wait in the order they came.
 */
export class Queries {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #atOnceMax: number;
  #running = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(store: Store, topics: Topics, { budget }: BrokerSettings) {
    this.#store = store;
    this.#topics = topics;
    this.#atOnceMax = Math.ceil(budget.readsAtOnceMax * queryTurnsShare);
  }

  /** Throws SYSTEM_ERROR, and never calls the listener, for a number of messages that can't be. */
  query(query: KeyQuery, client: Client, listener: QueryListener): void {
    if (!query.isUniqueKey && query.messagesMax < 0) {
      throw new WasmqError("SYSTEM_ERROR", `Illegal Capacity: ${query.messagesMax}`);
    }
    this.#waiting.add({ query, client, listener });
    this.#next();
  }

  /** A client's connection is gone: its queries are not looked for any more. */
  disconnected(client: Client): void {
    for (const waiting of this.#waiting) {
      if (waiting.client !== client) continue;
      this.#waiting.delete(waiting);
      waiting.listener.failed(new WasmqError("CONNECTION_CLOSED", "the client is gone"));
    }
  }

  #next(): void {
    for (const waiting of this.#waiting) {
      if (this.#running >= this.#atOnceMax) return;
      this.#waiting.delete(waiting);
      this.#running++;
      void this.#answer(waiting).then(() => {
        this.#running--;
        this.#next();
      });
    }
  }

  async #answer({ query, listener }: Waiting): Promise<void> {
    const { topic, key, endMs, isUniqueKey } = query;
    const beginMs = Math.max(query.beginMs, this.#topics.notBefore(topic) ?? query.beginMs);
    const messagesMax = isUniqueKey ? uniqueKeyQueryMessagesMax : Math.min(query.messagesMax, queryMessagesMax);
    const type: KeyType = isUniqueKey ? "U" : query.indexType === "T" ? "T" : "K";
    let result: QueryResult;
    try {
      result = await this.#store.query(topic, key, messagesMax, beginMs, endMs, { type });
    } catch (error) {
      listener.failed(error);
      return;
    }
    listener.found(result);
  }
}
