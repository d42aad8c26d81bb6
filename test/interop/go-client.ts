import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { built } from "../../bench/built.ts";
import { Child } from "./child.ts";
import { removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { Scenarios, type ToldLine } from "./scenarios.ts";

const run = promisify(execFile);
const sources = path.join(import.meta.dirname, "go");

/** Why the Go suite can't run here, or undefined. On CI a missing tool is a failure, never a skip. */
export async function missingGo(): Promise<string | undefined> {
  const found = await run("go", ["version"]).catch((error: Error) => error);
  if (!(found instanceof Error)) return undefined;
  const missing = `no Go on the path (${found.message})`;
  if (process.env["CI"] !== undefined) throw new Error(`interop tests need it on CI: ${missing}`);
  console.warn(`interop tests skipped: ${missing}`);
  return missing;
}

/** The Go program of `go/`, which plays scenarios against one broker. */
export class GoClient {
  readonly #child: Child;
  readonly #home: string;
  readonly #scenarios: Scenarios;

  private constructor(program: string, home: string, namesrv: string) {
    const lines: { readonly event: string }[] = [];
    const take = (line: string): void => {
      if (line.startsWith("{")) lines.push(JSON.parse(line) as { event: string });
    };
    this.#home = home;
    // Offsets of broadcasting consumers are kept below the user's home.
    this.#child = new Child("Go client", program, ["--namesrv", namesrv], take, { ...process.env, HOME: home });
    this.#scenarios = new Scenarios(this.#child, lines);
  }

  static async start(namesrv: string): Promise<GoClient> {
    const program = await compiled();
    return new GoClient(program, await temporaryDirectory("go"), namesrv);
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

async function compiled(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(sources)).sort()) hash.update(await readFile(path.join(sources, name)));
  const directory = await built(`go-${hash.digest("hex").slice(0, 16)}`, async (into) => {
    await run("go", ["build", "-buildvcs=false", "-o", path.join(into, "client"), "."], { cwd: sources });
  });
  return path.join(directory, "client");
}
