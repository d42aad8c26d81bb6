/** What Linux tells of a process in /proc, without any privilege over processes of the same user. */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** User and system time of a process with all its threads. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the program's name in brackets and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

export function residentBytes(pid: number): number {
  return memoryOf(pid).residentBytes;
}

export interface ProcessMemory {
  readonly residentBytes: number;
  /** The most it has been. */
  readonly peakBytes: number;
  /** Of what is resident, the pages of mapped files: the system takes them back when it needs them. */
  readonly mappedFileBytes: number;
}

export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const bytesOf = (field: string): number => {
    const kb = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status);
    if (kb === null) throw new Error(`process ${pid} has no ${field}: it has ended`);
    return Number(kb[1]) * 1024;
  };
  return { residentBytes: bytesOf("VmRSS"), peakBytes: bytesOf("VmHWM"), mappedFileBytes: bytesOf("RssFile") };
}

/**
 * Bytes that the process caused to be written to a disk: whole pages, counted as they become dirty, by `write` and through a
 * mapping alike.
 */
export function writtenBytes(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "latin1");
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1]);
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
