/**
 * Sends the same requests to Apache's broker and to wasmq, and prints what is answered otherwise and not listed:
 * `node test/interop/differential/main.ts [--all] [SCENARIO ...]`. `--all` prints what is listed, too.
 */
import { compareBrokers, type Difference } from "./compare.ts";
import { unlisted } from "./listed.ts";
import { seed } from "./seed.ts";
import { allSteps } from "./steps.ts";

const given = process.argv.slice(2);
const only = given.filter((argument) => argument !== "--all");
const { requests, equal, differences } = await compareBrokers(
  only.length > 0 ? allSteps(seed, only) : allSteps(seed),
  (line) => console.error(line),
);
const told = unlisted(differences);
const print = ({ code, variant, path, apache, wasmq, isRefusal }: Difference) =>
  console.log(`${code} ${variant} | ${path} | ${apache} | ${wasmq} | ${isRefusal ? "refusal" : ""}`);
for (const difference of given.includes("--all") ? differences : told.differences) print(difference);
if (only.length === 0) for (const reason of told.reasons) console.log(`listed, and not there: ${reason}`);
const total = [...requests.values()].reduce((sum, count) => sum + count, 0);
console.log(
  `${total} requests of ${requests.size} codes, ${equal} answered alike, ${differences.length} differences,` +
    ` ${told.differences.length} of them not listed`,
);
