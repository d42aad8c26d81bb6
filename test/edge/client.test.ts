import { afterAll, beforeAll } from "vitest";
import { webSocket } from "../../src/client/index.ts";
import { describeClient, messageDelayLevel } from "../client/suite.ts";
import { EdgeBundle } from "./edge.ts";

let bundle: EdgeBundle;
beforeAll(async () => {
  bundle = await EdgeBundle.make();
}, 60_000);
afterAll(() => bundle?.close());

describeClient("over WebSocket of the edge's Worker, in a bare workerd", async () => {
  const edge = await bundle.start({ MESSAGE_DELAY_LEVEL: messageDelayLevel });
  return { nameServers: [edge.nameServer], carrier: webSocket, stop: () => bundle.clean() };
});
