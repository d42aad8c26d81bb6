import { loadCoreModule } from "#core-wasm";
import { inProcess } from "../../src/client/in-process.ts";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import { describeClient, messageDelayLevel, soonAsked } from "./suite.ts";

describeClient("in the broker's own process", async () => {
  const broker = await startInMemory({
    coreModule: await loadCoreModule(),
    broker: { messageDelayLevel, rules: soonAsked },
  });
  return { nameServers: ["namesrv"], carrier: () => inProcess(broker), stop: () => broker.stop() };
});
