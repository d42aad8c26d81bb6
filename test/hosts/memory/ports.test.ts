import { clock } from "../../../src/hosts/memory/clock.ts";
import { entropy } from "../../../src/hosts/memory/entropy.ts";
import { TimerScheduler } from "../../../src/hosts/memory/scheduler.ts";
import { describeClock } from "../../conformance/clock.ts";
import { describeEntropy } from "../../conformance/entropy.ts";
import { describeNetwork } from "../../conformance/network.ts";
import { describeScheduler } from "../../conformance/scheduler.ts";
import { openInProcess } from "../../lib/in-process-client.ts";

describeClock({ name: "memory", clock });
describeEntropy({ name: "memory", entropy });
describeScheduler({
  name: "memory",
  fresh() {
    const scheduler = new TimerScheduler();
    return { scheduler, stop: () => scheduler.stop() };
  },
});
describeNetwork({
  name: "memory",
  listen: (accept) => ({ open: (events) => openInProcess({ accept }, events), close() {} }),
});
