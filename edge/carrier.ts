import type { Carrier, OpenSocket } from "../src/client/index.ts";
import { openLine, WasmqError } from "../src/client/index.ts";
import { broker, type Env, nameServer } from "./env.ts";

/** Within the deployment: URLs as the routes have them, to the objects themselves. */
export function objects(env: Env): Carrier {
  return {
    async dial(address, events) {
      const [, name] = /\/brokers\/([^/?]+)$/.exec(new URL(address).pathname) ?? [];
      const object = name === undefined ? nameServer(env) : broker(env, name);
      const { webSocket } = await object.fetch(address.replace(/^ws/, "http"), { headers: { Upgrade: "websocket" } });
      if (webSocket === null) throw new WasmqError("ADDRESS_UNUSABLE", `${address} takes no connection`);
      webSocket.accept();
      return openLine(webSocket as unknown as OpenSocket, events);
    },
  };
}
