/** `npm run faults`: a table of faults and what they cost, one broker process each. */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { missingShim } from "./disk.ts";
import { type Fault, type FaultFigures, type Latency, measure } from "./faults.ts";

const faults: readonly (Fault & { readonly id: string })[] = [
  { id: "none", name: "none" },
  { id: "idle", name: "10,000 idle connections", peers: { kind: "idle", count: 10_000 } },
  {
    id: "beyond",
    name: "2,000 connections to a broker that may have 1,024 descriptors",
    peers: { kind: "idle", count: 2_000 },
    descriptors: 1_024,
  },
  { id: "connects", name: "connects and resets, 64 at a time", peers: { kind: "connects", count: 64 } },
  {
    id: "silent",
    name: "half-open: 2,000 with a held pull each whose process is stopped (SIGSTOP); idle time 3 s",
    peers: { kind: "silent", count: 2_000, areStopped: true },
    settings: "serverChannelMaxIdleTimeSeconds=3\n",
  },
  {
    id: "slow-senders",
    name: "slow-loris: 3,000 that send a byte a second of a frame",
    peers: { kind: "slow-senders", count: 3_000 },
  },
  { id: "half-frames", name: "64 frames of which 12 MiB come, and no end", peers: { kind: "half-frames", count: 64 } },
  { id: "huge-frames", name: "frames of 2 GiB, 16 at a time", peers: { kind: "huge-frames", count: 16 } },
  {
    id: "slow-readers",
    name: "100 that ask for 128 MB each and read nothing",
    peers: { kind: "slow-readers", count: 100 },
    backlog: 4_000,
  },
  {
    id: "slow-sync",
    name: "syncs of 2.5 s (SYNC_FLUSH), with 4 x 2,000 sends in flight",
    peers: { kind: "senders", count: 4 },
    disk: { on: "sync", path: "commitlog", delayMs: 2_500 },
    flush: "sync",
  },
  {
    id: "failed-sync",
    name: "EIO on fdatasync of the CommitLog (SYNC_FLUSH)",
    disk: { on: "sync", path: "commitlog", error: "EIO" },
    flush: "sync",
  },
  {
    id: "full-disk",
    name: "ENOSPC on writes of the CommitLog (SYNC_FLUSH)",
    disk: { on: "write", path: "commitlog", error: "ENOSPC" },
    flush: "sync",
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "6" }, help: { type: "boolean", default: false } },
});
const unknown = positionals.find((id) => !faults.some((fault) => fault.id === id));
if (values.help || unknown !== undefined || !(Number(values.seconds) > 0)) {
  const usage = `npm run faults -- [--seconds 6] [${faults.map(({ id }) => id).join(" | ")} ...]`;
  console.log(unknown === undefined ? usage : `what is ${unknown}?\n${usage}`);
  process.exitCode = values.help ? 0 : 2;
} else if (process.platform !== "linux") {
  console.log("npm run faults measures by Linux's /proc");
  process.exitCode = 1;
} else {
  await run();
}

async function run(): Promise<void> {
  const noDisk = missingShim();
  const load = () => loadavg().map((value) => value.toFixed(1));
  console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, load average ${load().join(" ")}\n`);
  console.log(
    "| Fault | Resident: before, most | Sender's p99: before, meanwhile | Reader's p99 | Told | Acked, gone |",
  );
  console.log("|---|---|---|---|---|---|");
  for (const fault of faults) {
    if (positionals.length > 0 && !positionals.includes(fault.id)) continue;
    if (fault.disk !== undefined && noDisk !== undefined)
      console.log(`| ${fault.name} | left out: ${noDisk} | | | | |`);
    else console.log(row(await measure(fault, Number(values.seconds))));
  }
  console.log(`\nload average ${load().join(" ")}`);
}

function row({ name, resident, sender, reader, acked, missing, ...rest }: FaultFigures): string {
  const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
  const both = ({ before, meanwhile }: { before: Latency; meanwhile: Latency }) => `${ms(before)}, ${ms(meanwhile)}`;
  const memory = `${mib(resident.before)}, ${mib(resident.most)} MiB`;
  return `| ${[name, memory, both(sender), both(reader), told(rest), `${acked}, ${missing}`].join(" | ")} |`;
}

/** Of a handful of answers the longest: no share of a hundredth. */
function ms({ p99, count }: Latency): string {
  if (count === 0) return "none";
  return `${p99 < 10 ? p99.toFixed(1) : Math.round(p99)} ms${count < 100 ? ` (of ${count})` : ""}`;
}

function told({ peers, refused }: Pick<FaultFigures, "peers" | "refused">): string {
  const counted = (answers: Readonly<Record<string, number>>) =>
    Object.entries(answers).map(([what, count]) => `${count} x ${what.replaceAll("|", "/")}`);
  const ofPeers =
    peers === undefined
      ? []
      : [
          `${peers.opened} opened, ${peers.failed} not, ${peers.closed} closed by the broker`,
          ...counted(peers.answers),
        ];
  const ofSender = counted(refused).map((text) => `the sender: ${text}`);
  return [...ofPeers, ...ofSender].join("; ") || "nothing";
}
