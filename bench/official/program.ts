import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { classpathOf } from "../java.ts";

/** Those of org.apache.rocketmq.example.benchmark, and ours beside this file for what it has none. */
export type ProgramName = "Producer" | "BatchProducer" | "TransactionProducer" | "Consumer" | "OrderlyConsumer";

/** Ended after the start-up of any JVM and the ten seconds of snapshots before a program's first report. */
const REPORT_DEADLINE_MS = 40_000;
/** The heap that the distribution's runclass.sh gives them; its other flags are of collectors that Java 17 has no more. */
const JVM = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"];

/** The jars of Apache RocketMQ's own benchmark programs. */
export function officialClasspath(): Promise<string> {
  return classpathOf(path.join(import.meta.dirname, "pom.xml"));
}

/**
 * One of org.apache.rocketmq.example.benchmark, as they are released: they run until they are killed, and print what they did in the last
 * 9 seconds, each second from their tenth on. `OrderlyConsumer` prints nothing.
 */
export class OfficialProgram {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #name: ProgramName;
  readonly #home: string;
  readonly #ended: Promise<void>;
  readonly #lines: string[] = [];
  #onReport: ((line: string) => void) | undefined;

  constructor(name: ProgramName, classpath: string, namesrvPort: number, args: readonly string[]) {
    this.#name = name;
    this.#home = mkdtempSync(path.join(tmpdir(), "wasmq-bench-client-"));
    const isOurs = name === "OrderlyConsumer";
    // Java compiles a source file that it is given.
    const main = isOurs
      ? path.join(import.meta.dirname, `${name}.java`)
      : `org.apache.rocketmq.example.benchmark.${name}`;
    const common = ["-n", `127.0.0.1:${namesrvPort}`, ...(isOurs ? [] : ["-ri", "1000"])];
    // Its logs go into its home.
    this.#child = spawn("java", [...JVM, `-Duser.home=${this.#home}`, "-cp", classpath, main, ...common, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.pid = this.#child.pid!;
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.#lines.push(line);
        if (this.#lines.length > 40) this.#lines.shift();
        if (line.startsWith("Current Time:")) this.#onReport?.(line);
      });
    }
    const remove = () => rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
    const abandon = () => {
      this.#child.kill("SIGKILL");
      remove();
    };
    process.once("exit", abandon);
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", resolve).once("error", resolve);
    }).then(() => {
      process.off("exit", abandon);
      remove();
    });
  }

  /** The next report that is printed, as what stands before each colon and the number behind it. */
  async nextReport(): Promise<ReadonlyMap<string, number>> {
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.failure("no report")), REPORT_DEADLINE_MS);
      this.#onReport = (report) => {
        clearTimeout(timer);
        resolve(report);
      };
      void this.#ended.then(() => {
        clearTimeout(timer);
        reject(this.failure("it ended"));
      });
    });
    this.#onReport = undefined;
    return parseReport(line);
  }

  /** The last failure in the program's log. */
  complaint(): string | undefined {
    const logs = path.join(this.#home, "logs/rocketmqlogs");
    const lines = readdirSync(logs).flatMap((name) => readFileSync(path.join(logs, name), "utf8").split("\n"));
    // A producer asks for the route of a topic before its first message makes it.
    return lines.findLast((line) => /DESC:|timeout|Exception:/.test(line) && !/No topic route|CODE: 17/.test(line));
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  failure(what: string): Error {
    return new Error(`the official ${this.#name}: ${what}\n${this.#lines.join("\n")}`);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** "Current Time: 2026-.. | Send TPS: 25034 | Average RT(ms):   2.551 | Send Failed: 0" */
function parseReport(line: string): ReadonlyMap<string, number> {
  const report = new Map<string, number>();
  for (const part of line.split(" | ").slice(1)) {
    const [, name, value] = /^(.+): +(-?[\d.]+)$/.exec(part.trim()) ?? [];
    if (name !== undefined) report.set(name, Number(value));
  }
  return report;
}
