/** What is measured of a server at one piece of work. */
export type Metric =
  | "rate"
  | "meanUs"
  | "p50Us"
  | "p99Us"
  | "cpuUs"
  | "clientCpuUs"
  | "writtenBytes"
  | "syncs"
  | "residentMb"
  | "peakMb"
  | "mappedMb"
  | "openFiles"
  | "printedRate"
  | "refused";

export const units: Readonly<Record<Metric, string>> = {
  rate: "msgs/s",
  meanUs: "us",
  p50Us: "us",
  p99Us: "us",
  /** User and system time of the server's process by the number of messages; `clientCpuUs` is that of the load's process. */
  cpuUs: "us/msg",
  clientCpuUs: "us/msg",
  writtenBytes: "bytes/msg",
  syncs: "syncs/msg",
  residentMb: "MB",
  /** The most that was resident since the server's start. */
  peakMb: "MB",
  /** Of what is resident, pages of mapped files. */
  mappedMb: "MB",
  openFiles: "files",
  /** What an official program says of itself, over its last 9 s; `rate` is by the broker's offsets. */
  printedRate: "msgs/s",
  /** Answered, but not stored: SYSTEM_BUSY, or whatever an official program counts as failed. */
  refused: "msgs",
};

export type Figures = Partial<Record<Metric, number>>;
