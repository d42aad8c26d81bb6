/** That the simulator's disks are disks: they keep the port's promises, and lose what these leave open. */
import { describe, expect, test } from "vitest";
import { describeLogStorage } from "../conformance/log-storage.ts";
import { AtomicDisk, type Disk, PagedDisk, pageBytes, sectorBytes } from "./disk.ts";
import { Random } from "./random.ts";
import { SimulatedStorage } from "./storage.ts";
import { Tally } from "./tally.ts";

const kinds = [
  { name: "a file system", make: (): Disk => new PagedDisk() },
  { name: "a database", make: (): Disk => new AtomicDisk() },
];

const storageOn = (disk: Disk) =>
  new SimulatedStorage({
    disk,
    pace: "at once",
    now: () => 1_700_000_000_000,
    random: new Random(1),
    tally: new Tally(),
  });

for (const { name, make } of kinds) {
  describeLogStorage({
    name: `the simulator's, ${name}`,
    fresh: async () => storageOn(make()),
    again: async (before) => storageOn((before as SimulatedStorage).disk),
  });
}

const ones = (length: number) => new Uint8Array(length).fill(1);

function contentOf(disk: Disk, name: string, length: number): Uint8Array {
  const into = new Uint8Array(length);
  return into.subarray(0, disk.read(name, 0, into));
}

/** What a hundred losses of power leave. */
function lossesOf<T>(disk: Disk, what: (left: Disk) => T): T[] {
  const random = new Random(7);
  return Array.from({ length: 100 }, () => {
    const left = disk.clone();
    left.losePower(random);
    return what(left);
  });
}

describe.each(kinds)("power is lost: $name", ({ make }) => {
  test("what was synced stays, whatever came after it", () => {
    const disk = make();
    disk.create("a", 8_192, 0);
    disk.write([{ file: "a", at: 0, bytes: ones(100) }], 0);
    disk.endSync(disk.beginSync(["a"]));
    disk.write([{ file: "a", at: 100, bytes: ones(100) }], 0);
    disk.create("b", 10, 0);
    for (const left of lossesOf(disk, (left) => contentOf(left, "a", 100))) expect(left).toEqual(ones(100));
  });

  test("a file, a name, an end and bytes that were not synced may be lost or not", () => {
    const disk = make();
    disk.create("b", 10, 0);
    disk.endSync(disk.beginSync(["b"]));
    disk.create("a", 10, 0);
    disk.write([{ file: "a", at: 0, bytes: ones(10) }], 0);
    disk.rename("b", "c");
    disk.write([{ file: "c", at: 10, bytes: ones(10) }], 0);
    const seen = (what: (left: Disk) => unknown) => new Set(lossesOf(disk, what));
    expect(seen((left) => left.has("a"))).toEqual(new Set([true, false]));
    expect(seen((left) => `${left.has("b")} ${left.has("c")}`)).toEqual(new Set(["true false", "false true"]));
    expect(seen((left) => left.list("").find(({ name }) => name === "c")?.sizeBytes)).toContain(20);
  });

  test("a sync promises nothing of what is written while it is under way", () => {
    const disk = make();
    disk.create("a", 10, 0);
    const mark = disk.beginSync(["a"]);
    disk.write([{ file: "a", at: 0, bytes: ones(1) }], 0);
    disk.endSync(mark);
    expect(new Set(lossesOf(disk, (left) => contentOf(left, "a", 1)[0]))).toEqual(new Set([0, 1]));
  });

  test("a sync makes last what was made and deleted before in the folder of its file", () => {
    const disk = make();
    for (const name of ["x/a", "x/b", "y/b"]) disk.create(name, 10, 0);
    disk.endSync(disk.beginSync(["x/b", "y/b"]));
    disk.delete("x/b");
    disk.create("x/c", 10, 0);
    disk.endSync(disk.beginSync(["x/a"]));
    disk.delete("y/b");
    for (const names of lossesOf(disk, (left) => left.list("x").map(({ name }) => name)))
      expect(names).toEqual(["x/a", "x/c"]);
    if (!disk.isAtomic) expect(new Set(lossesOf(disk, (left) => left.has("y/b")))).toEqual(new Set([true, false]));
  });

  test("the death of a process takes nothing, and a loss of power after it takes what was not synced", () => {
    const disk = make();
    disk.create("a", 10, 0);
    disk.endSync(disk.beginSync(["a"]));
    disk.write([{ file: "a", at: 0, bytes: ones(10) }], 0);
    const left = disk.clone();
    expect(contentOf(left, "a", 10)).toEqual(ones(10));
    expect(new Set(lossesOf(left, (later) => contentOf(later, "a", 1)[0]))).toEqual(new Set([0, 1]));
  });
});

describe("a file system", () => {
  test("loses pages in any order, and sectors of one page", () => {
    const disk = new PagedDisk();
    disk.create("a", 2 * pageBytes, 0);
    disk.endSync(disk.beginSync(["a"]));
    disk.write([{ file: "a", at: 0, bytes: ones(2 * pageBytes) }], 0);
    const firsts = lossesOf(disk, (left) => {
      const bytes = contentOf(left, "a", 2 * pageBytes);
      return `${bytes[0]}${bytes[sectorBytes]}${bytes[pageBytes]}`;
    });
    for (const state of ["000", "111", "001", "110", "010"]) expect(firsts).toContain(state);
  });

  test("takes what a failed sync was about for written", () => {
    const lost = Array.from({ length: 20 }, (_, seed) => {
      const disk = new PagedDisk();
      disk.create("a", 10, 0);
      disk.endSync(disk.beginSync(["a"]));
      disk.write([{ file: "a", at: 0, bytes: ones(10) }], 0);
      disk.failSync(disk.beginSync(["a"]), new Random(seed));
      expect(contentOf(disk, "a", 10)).toEqual(ones(10));
      disk.endSync(disk.beginSync(["a"]));
      return new Set(lossesOf(disk, (left) => contentOf(left, "a", 1)[0]));
    });
    expect(new Set(lost.map((values) => values.size))).toEqual(new Set([1]));
    expect(new Set(lost.flatMap((values) => [...values]))).toEqual(new Set([0, 1]));
  });
});
