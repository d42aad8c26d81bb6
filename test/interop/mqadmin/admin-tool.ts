import path from "node:path";
import { Child } from "../child.ts";
import { removeDirectory, temporaryDirectory } from "../running-broker.ts";
import { adminPrograms } from "../toolchain.ts";

const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dfile.encoding=UTF-8"];
const commandMs = 90_000;

/** What a command printed, and how long it took. */
export interface Ran {
  readonly printed: string;
  readonly ms: number;
}

/** One Java process that runs commands of mqadmin one after the other (Admin.java). */
export class AdminTool {
  readonly #child: Child;
  readonly #home: string;
  readonly #ran: Ran[] = [];
  #told = 0;

  private constructor(home: string, classpath: string) {
    this.#home = home;
    const args = [...jvm, `-Duser.home=${home}`, "-cp", classpath, "wasmq.admin.Admin"];
    const take = (line: string) => {
      if (line.startsWith('{"event":"ran"')) this.#ran.push(JSON.parse(line) as Ran);
    };
    // Some commands leave files where they are run.
    this.#child = new Child("mqadmin", "java", args, take, process.env, home);
  }

  static async start(): Promise<AdminTool> {
    return new AdminTool(await temporaryDirectory("mqadmin"), await adminPrograms());
  }

  async run(words: readonly string[]): Promise<Ran> {
    const number = this.#told++;
    this.#child.say(JSON.stringify(words));
    await this.#child.until(() => this.#ran.length > number, `"${words.join(" ")}"`, commandMs);
    return this.#ran[number]!;
  }

  /** Where commands may leave files. */
  file(name: string): string {
    return path.join(this.#home, name);
  }

  async close(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.ended;
    await removeDirectory(this.#home);
  }
}
