import path from "node:path";
import { ApacheHome } from "./apache.ts";
import type { Child } from "./child.ts";
import { freePort } from "./ports.ts";
import { untilRouted } from "./route.ts";
import { type BrokerOptions, type RunningBroker, startTimeoutMs, stopTimeoutMs } from "./running-broker.ts";

/**
 * A real NameServer and broker, version 5.5.0, with their defaults: set are only where they listen, where the store is, that
 * topics are created on first use, and the flush mode or more where a test asks for it. `kill`, `stop` and `restart` mean the broker; the
 * NameServer stays.
 */
export async function startApache(options: BrokerOptions = {}): Promise<RunningBroker> {
  const home = await ApacheHome.make();
  const store = options.store ?? path.join(home.directory, "store");
  const namesrvPort = await freePort();
  // The broker also opens the port two below (its fast channel) and the one above (replication).
  const brokerPort = await freePort([-2, 0, 1]);
  const startBroker = async (): Promise<Child> => {
    const settings = {
      brokerName: "broker-a",
      brokerIP1: "127.0.0.1",
      namesrvAddr: `127.0.0.1:${namesrvPort}`,
      listenPort: brokerPort,
      bindAddress: "127.0.0.1",
      autoCreateTopicEnable: "true",
      // On a starved machine requests wait for longer than the 200 ms after which they are refused.
      waitTimeMillsInSendQueue: 10_000,
      storePathRootDir: store,
      ...(options.flush === "sync" ? { flushDiskType: "SYNC_FLUSH" } : {}),
    };
    const child = await home.startBroker(settings, options.conf);
    // A broker that boots before its client has connected to a NameServer registers nowhere, says "success" all the same, and
    // tries again after 10 s: BrokerOuterAPI.registerBrokerAll asks getAvailableNameSrvList, which is filled in the background.
    await untilRouted(`127.0.0.1:${namesrvPort}`, "TBW102", startTimeoutMs).catch(async (error: unknown) => {
      child.signal("SIGKILL");
      await child.ended;
      throw error;
    });
    return child;
  };

  let broker: Child;
  try {
    await home.startNamesrv(namesrvPort);
    broker = await startBroker();
  } catch (error) {
    await home.close();
    throw error;
  }

  return {
    namesrv: `127.0.0.1:${namesrvPort}`,
    store,
    async stop() {
      broker.signal("SIGTERM");
      const end = await broker.untilEnd(stopTimeoutMs);
      // A JVM whose shutdown hooks ran to their end after SIGTERM exits with 128 + 15.
      if (end !== "exit 143" && end !== "exit 0")
        throw new Error(`Apache broker ended by ${end}\n${broker.lastLines()}`);
    },
    async kill() {
      broker.signal("SIGKILL");
      await broker.untilEnd(stopTimeoutMs);
    },
    async restart() {
      broker = await startBroker();
    },
    close: () => home.close(),
  };
}
