import { tabCarrier } from "../../../src/hosts/browser/carrier.ts";
import { clock } from "../../../src/hosts/browser/clock.ts";
import { entropy } from "../../../src/hosts/browser/entropy.ts";
import { Listener } from "../../../src/hosts/browser/network.ts";
import { WorkerScheduler } from "../../../src/hosts/browser/scheduler.ts";
import { describeClock } from "../../conformance/clock.ts";
import { describeEntropy } from "../../conformance/entropy.ts";
import { describeNetwork } from "../../conformance/network.ts";
import { describeScheduler } from "../../conformance/scheduler.ts";

describeClock({ name: "browser", clock });
describeEntropy({ name: "browser", entropy });
describeScheduler({
  name: "browser",
  fresh() {
    const scheduler = new WorkerScheduler();
    return { scheduler, stop: () => scheduler.stop() };
  },
});
describeNetwork({
  name: "browser",
  async listen(accept) {
    const name = `ports-${crypto.randomUUID()}`;
    const listener = new Listener(name);
    const noStore = () => {
      throw new Error("there is no store");
    };
    await listener.serve({ isServing: true, accept, exportStore: noStore, importStore: noStore });
    return { open: (events) => tabCarrier.dial(`tab:${name}`, events), close: () => listener.close(1_000) };
  },
});
