import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Parked } from "../delay/park.ts";
import { getProperty, hasProperty, property, setProperty } from "../message/properties.ts";
import type { BrokerRules } from "../settings.ts";
import { timerTopic } from "../topic/system-topics.ts";

/** A message on its way to the wheel. */
export interface ParkedTimer extends Parked {
  /** The time of its slot (TIMER_OUT_MS): it is delivered once that slot is over. */
  readonly outMs: number;
}

interface TimerRules extends Pick<BrokerRules, "timerWheelEnable" | "timerMaxDelaySec" | "timerPrecisionMs"> {
  readonly timerCongestNumEachSlot: number;
}

/** Decides which messages wait for a time of their own (HookUtils.handleScheduleMessage). */
export class TimerParking {
  readonly #rules: TimerRules;
  readonly #clock: Clock;
  readonly #waitingIn: (slotMs: number) => number;

  /** `waitingIn`: how many wait in the slot of a time. */
  constructor(rules: TimerRules, clock: Clock, waitingIn: (slotMs: number) => number) {
    this.#rules = rules;
    this.#clock = clock;
    this.#waitingIn = waitingIn;
  }

  /**
   * Where a message goes that says when it is to be delivered; undefined for one that does not, or whose time has come. It keeps its
   * properties, and gets its real topic and queue among them. Throws MESSAGE_ILLEGAL for a time that is none or too far away, SYSTEM_ERROR
   * where there is no wheel or its slot is full.
   */
  park(topic: string, queueId: number, properties: string): ParkedTimer | undefined {
    if (!asksForTimer(properties)) return undefined;
    const { timerWheelEnable, timerMaxDelaySec, timerPrecisionMs, timerCongestNumEachSlot } = this.#rules;
    if (!timerWheelEnable) {
      throw new WasmqError("SYSTEM_ERROR", "accurate timer message is not enabled, timerWheelEnable is false");
    }
    const nowMs = this.#clock.now();
    const deliverAtMs = deliveryTime(properties, nowMs);
    const isMark = hasProperty(properties, property.timerDeleteUniqueKey);
    const isTooFar = deliverAtMs - nowMs > timerMaxDelaySec * 1_000;
    // Not: less or equal. A text that is no number is neither.
    if (!(deliverAtMs > nowMs) || isTooFar) {
      if (deliverAtMs <= nowMs && !isMark) return undefined;
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        `timer message illegal, the delay time should not be bigger than the max delay ${timerMaxDelaySec * 1_000}ms ` +
          `(timerMaxDelaySec: ${timerMaxDelaySec}); or if set del msg, the delay time should be bigger than the current time`,
      );
    }
    // Its slot is the last one that is over by then.
    const outMs = (Math.ceil(deliverAtMs / timerPrecisionMs) - 1) * timerPrecisionMs;
    if (this.#waitingIn(outMs) >= timerCongestNumEachSlot) {
      throw new WasmqError(
        "SYSTEM_ERROR",
        `timer message is under flow control, max num limit is ${timerCongestNumEachSlot} in ${timerPrecisionMs}ms (timerCongestNumEachSlot)`,
      );
    }
    let parked = setProperty(properties, property.timerOutMs, String(outMs));
    parked = setProperty(parked, property.realTopic, topic);
    parked = setProperty(parked, property.realQueueId, String(queueId));
    return { topic: timerTopic, queueId: 0, properties: parked, outMs };
  }
}

/** Whether a message is to wait for a time of its own, and did not yet (HookUtils.checkIfTimerMessage). */
export function asksForTimer(properties: string): boolean {
  return (
    properties.includes("TIMER_DEL") &&
    (hasProperty(properties, property.timerDelaySeconds) ||
      hasProperty(properties, property.timerDelayMs) ||
      hasProperty(properties, property.timerDeliverMs)) &&
    !hasProperty(properties, property.timerOutMs)
  );
}

/** NaN where the property that counts is no Java long. */
function deliveryTime(properties: string, nowMs: number): number {
  const seconds = getProperty(properties, property.timerDelaySeconds);
  if (seconds !== undefined) return nowMs + long(seconds) * 1_000;
  const delayMs = getProperty(properties, property.timerDelayMs);
  if (delayMs !== undefined) return nowMs + long(delayMs);
  return long(getProperty(properties, property.timerDeliverMs)!);
}

/** Beyond 2^53 rounded, which is far beyond every limit. */
export function long(text: string): number {
  if (!/^[+-]?\d{1,19}$/.test(text)) return Number.NaN;
  const value = Number(text);
  return Math.abs(value) >= 2 ** 63 ? Number.NaN : value;
}
