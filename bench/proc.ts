import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** User and system time of a process with all its threads; Linux only. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the program's name in brackets and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

export function residentBytes(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (kb === null) throw new Error(`process ${pid} has no resident memory: it has ended`);
  return Number(kb[1]) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
