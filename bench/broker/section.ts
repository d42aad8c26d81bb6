import { alternate } from "./alternate.ts";
import { type ContenderId, findContenders } from "./contenders.ts";
import type { WorkResult } from "./results.ts";
import { leftOut, tables } from "./tables.ts";
import type { Work } from "./works.ts";

export interface BrokerOptions {
  readonly alternations: number;
  readonly backlog: number;
  readonly contenders: readonly ContenderId[];
  readonly works: readonly Work[];
  /** What is measured, for the JSON: the commit. */
  readonly wasmqVersion: string;
}

export interface BrokerSection {
  readonly works: readonly WorkResult[];
  readonly versions: Partial<Record<ContenderId, string>>;
  readonly leftOut: Partial<Record<ContenderId, string>>;
  readonly markdown: string;
  /** The same tables with columns in line. */
  readonly text: string;
}

/** wasmq beside Apache RocketMQ, and beside other servers where our generator speaks their protocol. */
export async function benchBroker(options: BrokerOptions): Promise<BrokerSection> {
  const startMs = performance.now();
  const progress = (line: string): void => {
    const seconds = Math.round((performance.now() - startMs) / 1000);
    console.error(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} ${line}`);
  };
  const contenders = await findContenders(options.contenders, options.wasmqVersion);
  const notes = [
    leftOut(contenders.missing),
    contenders.noSyncs === undefined ? "" : `* ${contenders.noSyncs}\n`,
    contenders.officialClasspath === undefined ? "* left out: Apache's own programs: they need Java and Maven\n" : "",
  ].join("");
  for (const note of notes.trimEnd().split("\n")) if (note !== "") progress(note);

  const hasOfficial = contenders.officialClasspath !== undefined;
  const chosen = options.works.filter(({ group }) => hasOfficial || !(group === "official" || group === "modes"));
  const results = await alternate({
    ...{ works: chosen, contenders, alternations: options.alternations, progress },
    setting: { officialClasspath: contenders.officialClasspath, backlog: options.backlog },
  });
  const own = chosen.map((work) => results.of(work));
  const versions = Object.fromEntries(contenders.found.map(({ id, version }) => [id, version]));
  const below = notes === "" ? "" : `\n${notes}`;
  const [markdown, text] = [false, true].map((inLine) => `${tables(chosen, own, inLine)}${below}`) as [string, string];
  return { works: own, versions, leftOut: contenders.missing, markdown, text };
}
