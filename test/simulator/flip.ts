import { offsetFileName } from "../../src/store/file-name.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import type { Disk } from "./disk.ts";
import type { Send } from "./ledger.ts";
import type { Random } from "./random.ts";

/** One bit of one file. */
export interface Flip {
  readonly what: string;
  readonly file: string;
  readonly at: number;
  readonly bit: number;
  /** Whose record it is in; undefined where it is in none. */
  readonly send: Send | undefined;
}

/** `__CRC32#`, the last property of a record: its name, ten digits, and the two marks. */
const crcPropertyBytes = 20;

/** What is made of the log, or beside it. */
const fileKinds = [
  "unit",
  "behind the units",
  "batch unit",
  "index header",
  "index slot",
  "index entry",
  "checkpoint",
  "config",
  "config before",
] as const;

type FileKind = (typeof fileKinds)[number];

function isOfFile(what: string): what is FileKind {
  return (fileKinds as readonly string[]).includes(what);
}

const recordParts = ["length", "magic", "body CRC", "header", "body", "topic", "properties", "property CRC"] as const;

/** A bit to flip in a store that holds these messages; undefined where the draw is of something that it has not. */
export function flipOf(disk: Disk, found: readonly Send[], options: StoreOptions, random: Random): Flip | undefined {
  if (found.length === 0) return undefined;
  const bit = random.below(8);
  const send = random.pick(found);
  const logBytes = options.mappedFileSizeCommitLog;
  const within = send.physicalOffset % logBytes;
  const file = offsetFileName("commitlog", send.physicalOffset - within);
  const record = new Uint8Array(numberAt(disk, file, within));
  disk.read(file, within, record);
  const view = new DataView(record.buffer);
  const topicAt = 88 + view.getInt32(84);
  const propertiesAt = topicAt + 1 + view.getUint8(topicAt);
  const crcAt = record.length - crcPropertyBytes;
  const of = (what: (typeof recordParts)[number]): readonly [from: number, to: number] => {
    switch (what) {
      case "length":
        return [0, 4];
      case "magic":
        return [4, 8];
      case "body CRC":
        return [8, 12];
      case "header":
        return [12, 88];
      case "body":
        return [88, topicAt];
      case "topic":
        return [topicAt, propertiesAt];
      case "properties":
        return [propertiesAt, crcAt];
      case "property CRC":
        return [crcAt, record.length];
    }
  };
  const what = random.pick([...recordParts, "blank", ...fileKinds, ...fileKinds] as const);
  if (isOfFile(what)) return flipOfFile(what, disk, options, bit, random);
  if (what === "blank") {
    const blankAt = lastEnd(disk, file, found, send, logBytes);
    if (blankAt === undefined) return undefined;
    return { what, file, at: blankAt + random.below(8), bit, send: undefined };
  }
  const [from, to] = of(what);
  return from === to ? undefined : { what, file, at: within + from + random.below(to - from), bit, send };
}

function folderOf(what: FileKind): string {
  if (what.startsWith("index")) return "index";
  if (what.startsWith("config")) return "config";
  return what === "batch unit" ? "batchconsumequeue" : "consumequeue";
}

/** As the formats of Apache have it: units of 20 bytes; a header of 40 with the count of entries at 36, slots of 4 bytes, entries of 20. */
function flipOfFile(what: FileKind, disk: Disk, options: StoreOptions, bit: number, random: Random): Flip | undefined {
  const folder = folderOf(what);
  const files = disk.list(folder).filter(({ name }) => {
    if (folder === "config") return name.endsWith(what === "config" ? ".json" : ".json.bak");
    return folder !== "index" || !name.endsWith(".tmp");
  });
  const file =
    what === "checkpoint" ? { name: what, sizeBytes: 48 } : files.length > 0 ? random.pick(files) : undefined;
  if (file === undefined || !disk.has(file.name)) return undefined;
  const { name, sizeBytes } = file;
  const between = (from: number, to: number): Flip | undefined =>
    from >= to ? undefined : { what, file: name, at: random.between(from, to - 1), bit, send: undefined };
  const slotsAt = 40;
  const entriesAt = slotsAt + 4 * options.maxHashSlotNum;
  switch (what) {
    case "unit":
      return between(0, unitsEnd(disk, name, sizeBytes, 20));
    case "batch unit":
      return between(0, unitsEnd(disk, name, sizeBytes, 46));
    case "behind the units":
      return between(unitsEnd(disk, name, sizeBytes, 20), sizeBytes);
    case "index header":
      return between(0, slotsAt);
    case "index slot":
      return between(slotsAt, entriesAt);
    case "index entry":
      // Entry 0 is no one's.
      return between(entriesAt + 20, Math.min(sizeBytes, entriesAt + 20 * numberAt(disk, name, 36)));
    default:
      return between(0, sizeBytes);
  }
}

/**
 * The first message of its queue that is kept, where its unit has been flipped so that it leads before the log's begin: nothing in a queue
 * tells that from the unit of a message that is deleted.
 */
export function hiddenBy(
  { what, file, at }: Flip,
  disk: Disk,
  found: Iterable<Send>,
  logBegin: number,
): Send | undefined {
  if (what !== "unit") return undefined;
  const [, topic, queueId, first] = file.split("/");
  const unitAt = at - (at % 20);
  const queueOffset = (Number(first) + unitAt) / 20;
  if (longAt(disk, file, unitAt) >= logBegin) return undefined;
  let firstKept: Send | undefined;
  for (const send of found) {
    if (send.topic !== topic || send.queueId !== Number(queueId)) continue;
    if (firstKept === undefined || send.queueOffset < firstKept.queueOffset) firstKept = send;
  }
  return firstKept?.queueOffset === queueOffset ? firstKept : undefined;
}

function longAt(disk: Disk, file: string, at: number): number {
  return numberAt(disk, file, at) * 2 ** 32 + (numberAt(disk, file, at + 4) >>> 0);
}

function unitsEnd(disk: Disk, file: string, sizeBytes: number, unitBytes: number): number {
  const bytes = new Uint8Array(sizeBytes);
  disk.read(file, 0, bytes);
  return unitBytes * Math.ceil((bytes.findLastIndex((byte) => byte !== 0) + 1) / unitBytes);
}

/** Where the last record of a message's file ends, if a blank one stands there. */
function lastEnd(
  disk: Disk,
  file: string,
  found: readonly Send[],
  { physicalOffset }: Send,
  logBytes: number,
): number | undefined {
  const index = Math.floor(physicalOffset / logBytes);
  let last = physicalOffset;
  for (const other of found) {
    if (Math.floor(other.physicalOffset / logBytes) === index) last = Math.max(last, other.physicalOffset);
  }
  const at = last % logBytes;
  const end = at + numberAt(disk, file, at);
  // BLANK_MAGIC_CODE of CommitLog.
  return end + 8 <= logBytes && numberAt(disk, file, end + 4) === -875286124 ? end : undefined;
}

function numberAt(disk: Disk, file: string, at: number): number {
  const bytes = new Uint8Array(4);
  disk.read(file, at, bytes);
  return new DataView(bytes.buffer).getInt32(0);
}
