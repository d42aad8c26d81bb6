import { pullHoldMsMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import type { Client } from "../client/client.ts";
import type { BrokerSettings } from "../settings.ts";
import { HeldPops, type WaitsForMessages } from "./held-pops.ts";
import type { PopQueues, PopTarget } from "./pop-queues.ts";

/** A wish to hear of messages for a group, without taking them (NotificationRequestHeader). */
export interface NotificationWish extends PopTarget {
  readonly pollMs: number;
  /** When it was asked, if that was before the broker started; undefined for now. */
  readonly askedAtMs?: number | undefined;
}

export interface NotificationListener {
  held?(): void;
  /** `isFull`: nothing was waited for, since as many wait as may. */
  told(hasMessages: boolean, isFull: boolean): void;
}

/** Tells proxies when a pop would bring something (NotificationProcessor). */
export class Notifications {
  readonly #queues: PopQueues;
  readonly #clock: Clock;
  readonly #held: HeldPops<Held>;

  constructor(given: { queues: PopQueues; clock: Clock; dues: DueQueue; settings: BrokerSettings }) {
    this.#queues = given.queues;
    this.#clock = given.clock;
    this.#held = new HeldPops(given.dues, given.settings.budget, (held) => this.#look(held));
  }

  /** Throws why the group may not read the queue, see `PopQueues.check`. */
  wish(wish: NotificationWish, client: Client, listener: NotificationListener): void {
    this.#queues.check(wish, "peeking");
    const { topic, group, queueId, pollMs, askedAtMs } = wish;
    const heldMs = askedAtMs === undefined ? 0 : Math.max(0, this.#clock.now() - askedAtMs);
    const untilMs = this.#clock.monotonic() + Math.min(pollMs, pullHoldMsMax) - heldMs;
    this.#look({ topic, group, queueId, wish, client, ownFilterBytes: 0, listener, untilMs });
  }

  /** Messages became visible in a queue. */
  arrived(topic: string, queueId: number): void {
    this.#held.arrived(topic, queueId);
  }

  disconnected(client: Client): void {
    this.#held.drop(client);
  }

  #look(held: Held): void {
    const { wish, listener, untilMs } = held;
    const { hasMessages, againAtMs } = this.#queues.look(wish);
    if (hasMessages || untilMs <= this.#clock.monotonic()) listener.told(hasMessages, false);
    else if (this.#held.hold(held, Math.min(untilMs, againAtMs))) listener.held?.();
    else listener.told(false, true);
  }
}

interface Held extends WaitsForMessages {
  readonly wish: NotificationWish;
  readonly listener: NotificationListener;
  readonly untilMs: number;
}
