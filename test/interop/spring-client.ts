import path from "node:path";
import { Child } from "./child.ts";
import { removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { Scenarios, type ToldLine } from "./scenarios.ts";
import { type SpringClientVersion, springClasspath, springSources } from "./toolchain.ts";

/** The Spring program of `spring/`, which plays scenarios against one broker. */
export class SpringClient {
  readonly #child: Child;
  readonly #home: string;
  readonly #scenarios: Scenarios;

  private constructor(classpath: string, home: string, namesrv: string) {
    const lines: { readonly event: string }[] = [];
    const take = (line: string): void => {
      if (line.startsWith("{")) lines.push(JSON.parse(line) as { event: string });
    };
    this.#home = home;
    this.#child = new Child(
      "Spring client",
      "java",
      [
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        // Logs of the client go there, and the offsets of broadcasting consumers.
        `-Duser.home=${home}`,
        "-Dfile.encoding=UTF-8",
        // A route that comes behind a rebalance waits for the next one, which is 20 s later unless told otherwise.
        "-Drocketmq.client.rebalance.waitInterval=1000",
        // Applications that start and close side by side would configure the one logging in turns.
        "-Dorg.springframework.boot.logging.LoggingSystem=none",
        `-Dlogback.configurationFile=${path.join(springSources, "logback.xml")}`,
        "-cp",
        classpath,
        "wasmq.spring.Main",
        namesrv,
      ],
      take,
    );
    this.#scenarios = new Scenarios(this.#child, lines);
  }

  static async start(namesrv: string, client: SpringClientVersion = "5.3.2"): Promise<SpringClient> {
    const classpath = await springClasspath(client);
    return new SpringClient(classpath, await temporaryDirectory("spring"), namesrv);
  }

  play(scenario: string, name: string): Promise<readonly ToldLine[]> {
    return this.#scenarios.play(scenario, name);
  }

  async close(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.ended;
    await removeDirectory(this.#home);
  }
}
