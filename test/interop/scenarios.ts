import type { Child } from "./child.ts";

/** A scenario waits by itself, for one thing after the other. */
const playMs = 170_000;

/** What a scenario tells, of the line with this number. */
export interface ToldLine {
  readonly event: "told";
  readonly of: number;
  readonly what: string;
  readonly [field: string]: unknown;
}

export interface DoneLine {
  readonly event: "done";
  readonly number: number;
  /** What it failed by. */
  readonly error?: string;
  readonly message?: string;
}

/** The lines that are said to a program, each numbered from 0 on and answered by "told"s and one "done". */
export class Scenarios {
  readonly #child: Child;
  readonly #lines: readonly { readonly event: string }[];
  #said = 0;

  /** `lines`: what the program has printed so far. */
  constructor(child: Child, lines: readonly { readonly event: string }[]) {
    this.#child = child;
    this.#lines = lines;
  }

  /** Says a line; its number. */
  say(line: string): number {
    this.#child.say(line);
    return this.#said++;
  }

  /** Says a line; ends when it is done. */
  async tell(line: string): Promise<void> {
    await this.#done(this.say(line), line);
  }

  /** Plays a scenario with topics and groups of a name; what it told. `meanwhile` is given what it has told so far. */
  async play(
    scenario: string,
    name: string,
    meanwhile: (told: (what: string) => Promise<void>) => Promise<void> = async () => {},
  ): Promise<readonly ToldLine[]> {
    const number = this.say(`${scenario} ${name}`);
    const told = (): ToldLine[] => this.#lines.filter(isTold).filter(({ of }) => of === number);
    const until = (what: string) =>
      this.#child.until(
        () => told().some((line) => line.what === what) || this.#doneLine(number) !== undefined,
        what,
        playMs,
      );
    await Promise.all([this.#done(number, scenario), meanwhile(until)]);
    return told();
  }

  async #done(number: number, what: string): Promise<void> {
    await this.#child.until(() => this.#doneLine(number) !== undefined, `"${what}" to be done`, playMs);
    const { error, message } = this.#doneLine(number)!;
    if (error !== undefined) throw new Error(`"${what}" failed by ${error}: ${message}\n${this.#child.lastLines()}`);
  }

  #doneLine(number: number): DoneLine | undefined {
    return this.#lines.filter(isDone).find((done) => done.number === number);
  }
}

function isTold(line: { readonly event: string }): line is ToldLine {
  return line.event === "told";
}

function isDone(line: { readonly event: string }): line is DoneLine {
  return line.event === "done";
}
