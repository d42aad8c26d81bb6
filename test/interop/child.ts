import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

const tailLinesMax = 40;

/** A process of ours: its output by lines, its end, and the certainty that it does not outlive the test. */
export class Child {
  readonly ended: Promise<string>;
  end: string | undefined;
  private readonly name: string;
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly listeners = new Set<() => void>();
  private readonly tail: string[] = [];

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    onLine: (line: string) => void = () => {},
    environment: NodeJS.ProcessEnv = process.env,
    directory?: string,
  ) {
    this.name = name;
    this.process = spawn(command, args, { detached: false, env: environment, cwd: directory });
    // A child that is gone makes writing to it fail; its end is reported by "close".
    this.process.stdin.on("error", () => {});
    const outputs = [this.process.stdout, this.process.stderr].map((stream) => createInterface({ input: stream }));
    for (const [index, lines] of outputs.entries()) {
      lines.on("line", (line) => {
        this.tail.push(line);
        if (this.tail.length > tailLinesMax) this.tail.shift();
        if (index === 0) onLine(line);
        this.tellListeners();
      });
    }
    const drained = Promise.all(outputs.map((lines) => new Promise<void>((done) => lines.once("close", done))));
    const dismissGuard = guard(this.process.pid);
    this.ended = new Promise((done) => {
      const finish = (how: string) => {
        dismissGuard();
        this.end ??= how;
        this.tellListeners();
        done(this.end);
      };
      this.process.once("error", (error) => finish(error.message));
      this.process.once("close", (code, signal) => void drained.then(() => finish(signal ?? `exit ${code}`)));
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  say(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  closeInput(): void {
    this.process.stdin.end();
  }

  /** Resolves when the condition holds; looks again at each line of output. */
  async until(holds: () => boolean, what: string, timeoutMs: number): Promise<void> {
    await this.next(() => holds() || this.end !== undefined, what, timeoutMs);
    if (!holds()) throw new Error(`${this.name} ended (${this.end}) before ${what}\n${this.lastLines()}`);
  }

  async untilEnd(timeoutMs: number): Promise<string> {
    await this.next(() => this.end !== undefined, "its end", timeoutMs);
    return this.end!;
  }

  lastLines(): string {
    return this.tail.map((line) => `  | ${line.slice(0, 400)}`).join("\n");
  }

  private next(holds: () => boolean, what: string, timeoutMs: number): Promise<void> {
    return new Promise((done, failed) => {
      const stop = () => {
        this.listeners.delete(look);
        clearTimeout(timer);
      };
      const timer = setTimeout(() => {
        stop();
        failed(new Error(`${this.name}: waited ${timeoutMs} ms for ${what}\n${this.lastLines()}`));
      }, timeoutMs);
      const look = () => {
        if (!holds()) return;
        stop();
        done();
      };
      this.listeners.add(look);
      look();
    });
  }

  private tellListeners(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/**
 * Kills the process if the test process goes away without having ended it, even by SIGKILL: the guard waits on a pipe from
 * us, and every end of ours closes it.
 */
function guard(pid: number | undefined): () => void {
  if (pid === undefined) return () => {};
  const watching = spawn("sh", ["-c", 'cat >/dev/null; kill -9 "$1" 2>/dev/null', "guard", String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  watching.on("error", () => {});
  watching.unref();
  return () => watching.kill("SIGKILL");
}
