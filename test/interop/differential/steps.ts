import { Random } from "./random.ts";
import type { Step } from "./request.ts";
import { changes, ending, telling, topicAttributes } from "./scenarios/admin.ts";
import { heartbeats, progressing, pulls, reading, together } from "./scenarios/consuming.ts";
import { nameServer } from "./scenarios/name-server.ts";
import { pops } from "./scenarios/pops.ts";
import { recalls, sending, sends, transactions } from "./scenarios/sends.ts";
import { setup, stays } from "./scenarios/setup.ts";
import { strangeFrames, unknownCodes } from "./scenarios/strange.ts";
import { randomOf, type Template, variantsOf } from "./template.ts";

const randomPerCode = 15;

/** What is asked, in this order: which topics there are is asked before many are made, and what takes away what others need comes last. */
const scenarios: Readonly<Record<string, (random: Random) => Iterable<Step>>> = {
  nameServer,
  pulls,
  reading: (random) => ofTemplates(reading, random),
  telling: (random) => ofTemplates(telling, random),
  transactions,
  recalls,
  pops,
  progressing,
  heartbeats,
  together: (random) => ofTemplates(together, random),
  *changing() {
    yield* changes();
    yield* topicAttributes();
  },
  sending,
  sends,
  unknownCodes,
  strangeFrames,
  ending,
};

/** The same for the same seed. `only`: the names of scenarios. */
export function* allSteps(seed: number, only: readonly string[] = Object.keys(scenarios)): Generator<Step> {
  const random = new Random(seed);
  yield* setup();
  for (const name of only) {
    yield stays;
    yield* scenarios[name]!(random);
  }
}

function* ofTemplates(templates: readonly Template[], random: Random, randoms = randomPerCode): Generator<Step> {
  for (const template of templates) {
    yield* variantsOf(template);
    yield* randomOf(template, random, randoms);
  }
}
