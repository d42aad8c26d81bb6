import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Child } from "./child.ts";
import { removeDirectory, startTimeoutMs, temporaryDirectory } from "./running-broker.ts";
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
export const jvm = [
  "-Xms256m",
  "-Xmx768m",
  "-XX:+UseSerialGC",
  // Most of these brokers live for seconds: the second compiler takes a quarter of what a start costs.
  "-XX:TieredStopAtLevel=1",
  ...openPackages.flatMap((name) =>
    ["add-opens", "add-exports"].map((how) => `--${how}=java.base/${name}=ALL-UNNAMED`),
  ),
];

/** Where NameServers and brokers of Apache RocketMQ 5.5.0 have their files. */
export class ApacheHome {
  readonly directory: string;
  readonly #java: readonly string[];
  readonly #running = new Set<Child>();

  private constructor(directory: string, java: readonly string[]) {
    this.directory = directory;
    this.#java = java;
  }

  static async make(): Promise<ApacheHome> {
    const classpath = await brokerClasspath();
    const home = await temporaryDirectory("apache");
    await mkdir(path.join(home, "conf"));
    return new ApacheHome(home, [...jvm, `-Duser.home=${home}`, `-Drocketmq.home.dir=${home}`, "-cp", classpath]);
  }

  startNamesrv(port: number, name = "namesrv"): Promise<Child> {
    return this.#start(name, "org.apache.rocketmq.namesrv.NamesrvStartup", {
      listenPort: port,
      bindAddress: "127.0.0.1",
    });
  }

  /** Says "boot success" before any NameServer may have heard of it. `conf`: lines of a `broker.conf`. */
  startBroker(config: Readonly<Record<string, string | number>>, conf = ""): Promise<Child> {
    return this.#start("broker", "org.apache.rocketmq.broker.BrokerStartup", config, conf);
  }

  /** Ends whatever still runs, and removes all. */
  async close(): Promise<void> {
    const left = [...this.#running];
    for (const child of left) child.signal("SIGKILL");
    await Promise.all(left.map((child) => child.ended));
    await removeDirectory(this.directory);
  }

  async #start(
    name: string,
    main: string,
    config: Readonly<Record<string, string | number>>,
    conf = "",
  ): Promise<Child> {
    const file = path.join(this.directory, "conf", `${name}.conf`);
    const lines = Object.entries(config).map(([key, value]) => `${key}=${value}\n`);
    // Of two lines with one key the later holds.
    await writeFile(file, [conf, "\n", ...lines].join(""));
    let booted = false;
    const watch = (line: string) => {
      booted ||= line.includes("boot success");
    };
    // JAVA_TOOL_OPTIONS and ROCKETMQ_HOME of the machine would make another broker of it.
    const environment = { PATH: process.env["PATH"], HOME: this.directory, ROCKETMQ_HOME: this.directory };
    const child = new Child(`Apache ${name}`, "java", [...this.#java, main, "-c", file], watch, environment);
    this.#running.add(child);
    void child.ended.then(() => this.#running.delete(child));
    await child.until(() => booted, "its boot success line", startTimeoutMs);
    return child;
  }
}
