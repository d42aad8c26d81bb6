import type { TimerProgress } from "../../broker/timer/timers.ts";
import { WasmqError } from "../../ports/error.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 60 (AdminBrokerProcessor.getTimerCheckPoint): the bytes of config/timercheck. */
export function getTimerCheckPoint(request: Request, { broker }: BrokerRole): void {
  const { checkpoint } = present(broker.timerProgress, "The checkpoint is null");
  request.reply(responseCode.success, undefined, undefined, checkpoint);
}

/** 61 (getTimerMetrics): how many messages wait, by the topic they are for. */
export function getTimerMetrics(request: Request, { broker }: BrokerRole): void {
  const { metrics } = present(broker.timerProgress, "The timer message store is null");
  request.reply(responseCode.success, undefined, undefined, writeBody(metrics));
}

function present(progress: TimerProgress | undefined, otherwise: string): TimerProgress {
  if (progress === undefined) throw new WasmqError("SYSTEM_ERROR", `${otherwise}: timerWheelEnable is false`);
  return progress;
}
