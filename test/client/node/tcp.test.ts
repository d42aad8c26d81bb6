import { tcp } from "../../../src/client/tcp.ts";
import { startWasmq } from "../../../src/hosts/node/index.ts";
import { describeClient, messageDelayLevel } from "../suite.ts";

describeClient("over TCP", async () => {
  const broker = await startWasmq({ store: "memory", namesrvPort: 0, brokerPort: 0, messageDelayLevel });
  return { nameServers: [broker.namesrvAddress], carrier: tcp, stop: () => broker.stop() };
});
