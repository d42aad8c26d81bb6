import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Child } from "./child.ts";
import { freePort } from "./ports.ts";
import { untilRouted } from "./route.ts";
import {
  type BrokerOptions,
  type RunningBroker,
  removeDirectory,
  startTimeoutMs,
  stopTimeoutMs,
  temporaryDirectory,
} from "./running-broker.ts";
import { brokerClasspath } from "./toolchain.ts";

// What the distribution's runbroker.sh passes on a modular JVM.
const openPackages = [
  "java.nio",
  "sun.nio.ch",
  "java.lang",
  "java.util",
  "jdk.internal.misc",
  "jdk.internal.ref",
  "sun.net.util",
];
const jvm = [
  "-Xms256m",
  "-Xmx768m",
  "-XX:+UseSerialGC",
  ...openPackages.flatMap((name) =>
    ["add-opens", "add-exports"].map((how) => `--${how}=java.base/${name}=ALL-UNNAMED`),
  ),
];

/**
 * A real NameServer and broker, version 5.5.0, with their defaults: set are only where they listen, where the store is, that
 * topics are created on first use, and the flush mode or more where a test asks for it. `kill`, `stop` and `restart` mean the broker; the
 * NameServer stays.
 */
export async function startApache(options: BrokerOptions = {}): Promise<RunningBroker> {
  const classpath = await brokerClasspath();
  const home = await temporaryDirectory("apache");
  const store = options.store ?? path.join(home, "store");
  await mkdir(path.join(home, "conf"));
  const jvmHere = [...jvm, `-Duser.home=${home}`, `-Drocketmq.home.dir=${home}`, "-cp", classpath];

  const start = async (
    name: string,
    main: string,
    config: Readonly<Record<string, string | number>>,
    conf = "",
  ): Promise<Child> => {
    const file = path.join(home, "conf", `${name}.conf`);
    const lines = Object.entries(config).map(([key, value]) => `${key}=${value}\n`);
    // Of two lines with one key the later holds.
    await writeFile(file, [conf, "\n", ...lines].join(""));
    let booted = false;
    const watch = (line: string) => {
      booted ||= line.includes("boot success");
    };
    // JAVA_TOOL_OPTIONS and ROCKETMQ_HOME of the machine would make another broker of it.
    const environment = { PATH: process.env["PATH"], HOME: home, ROCKETMQ_HOME: home };
    const child = new Child(`Apache ${name}`, "java", [...jvmHere, main, "-c", file], watch, environment);
    try {
      await child.until(() => booted, "its boot success line", startTimeoutMs);
    } catch (error) {
      child.signal("SIGKILL");
      await child.ended;
      throw error;
    }
    return child;
  };

  const namesrvPort = await freePort();
  // The broker also opens the port two below (its fast channel) and the one above (replication).
  const brokerPort = await freePort([-2, 0, 1]);
  const startNamesrv = () =>
    start("namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup", {
      listenPort: namesrvPort,
      bindAddress: "127.0.0.1",
    });
  const startBroker = async () => {
    const settings = {
      brokerName: "broker-a",
      brokerIP1: "127.0.0.1",
      namesrvAddr: `127.0.0.1:${namesrvPort}`,
      listenPort: brokerPort,
      bindAddress: "127.0.0.1",
      autoCreateTopicEnable: "true",
      storePathRootDir: store,
      ...(options.flush === "sync" ? { flushDiskType: "SYNC_FLUSH" } : {}),
    };
    const child = await start("broker", "org.apache.rocketmq.broker.BrokerStartup", settings, options.conf);
    // A broker that boots before its client has connected to a NameServer registers nowhere, says "success" all the same, and
    // tries again after 10 s: BrokerOuterAPI.registerBrokerAll asks getAvailableNameSrvList, which is filled in the background.
    await untilRouted(`127.0.0.1:${namesrvPort}`, "TBW102", startTimeoutMs).catch(async (error: unknown) => {
      child.signal("SIGKILL");
      await child.ended;
      throw error;
    });
    return child;
  };

  const namesrv = await startNamesrv();
  const close = async (...running: Child[]) => {
    for (const child of running) child.signal("SIGKILL");
    await Promise.all(running.map((child) => child.ended));
    await removeDirectory(home);
  };
  let broker: Child;
  try {
    broker = await startBroker();
  } catch (error) {
    await close(namesrv);
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
    close: () => close(namesrv, broker),
  };
}
