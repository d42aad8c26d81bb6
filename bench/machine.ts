import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { promisify } from "node:util";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** statfs(2), `f_type`, of the directory for temporary files, where the stores are. */
  readonly fileSystem: string;
}

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: "ext4",
  1481003842: "XFS",
  16914836: "tmpfs",
  2035054128: "overlayfs",
  2435016766: "btrfs",
};

export async function thisMachine(): Promise<Machine> {
  const { type } = await statfs(tmpdir());
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: `Linux ${release()}`,
    node: process.version,
    fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
  };
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGb, kernel, node, fileSystem } = machine;
  return `${cpu}, ${cores} cores, ${memoryGb} GB, ${kernel}, stores on ${fileSystem}, Node ${node.slice(1)}`;
}

/** How busy the machine was over the last minute, whoever kept it so. */
export function loadAverage(): number {
  return Number(loadavg()[0]!.toFixed(2));
}

/** The commit that is measured, with a + where files differ from it; undefined outside of a checkout. */
export async function commit(): Promise<string | undefined> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", args, { cwd: import.meta.dirname })).stdout.trim();
  try {
    const changed = await git("status", "--porcelain", "--untracked-files=no");
    return `${await git("rev-parse", "--short=12", "HEAD")}${changed === "" ? "" : "+"}`;
  } catch {
    return undefined;
  }
}
