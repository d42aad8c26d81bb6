/** Archives that are damaged, cut off or made to do harm: an error with its code, and nothing is left of them. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { exportStore } from "../../src/archive/export-store.ts";
import { importStore } from "../../src/archive/import-store.ts";
import { blockBytes, encodeHeader, encodePax, paddingOf } from "../../src/archive/tar-header.ts";
import { readTar } from "../../src/archive/tar-reader.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { StorageWrite } from "../../src/ports/log-storage.ts";
import { importMark, parseBrokerConf, printBrokerConf, settingsOf, storedConf } from "../../src/store/settings.ts";
import { goldenBrokers, goldenPaths, goldenPieces, goldenStores } from "../golden/golden.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { concatenated, contentsOf, inPieces } from "./archives.ts";

// Far above what it takes; a machine that is busy with other suites gets that long.
vi.setConfig({ testTimeout: 60_000 });

const encode = (text: string) => new TextEncoder().encode(text);
const segment = "commitlog/00000000000000000000";

interface Part {
  readonly name?: string;
  readonly type?: string;
  readonly size?: number;
  readonly pax?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** An archive of any entries, however they contradict themselves. */
function archiveOf(parts: readonly Part[], end = true): Uint8Array {
  const blocks: Uint8Array[] = [];
  const add = (bytes: Uint8Array): void => void blocks.push(bytes, new Uint8Array(paddingOf(bytes.length)));
  for (const { name = segment, type = "0", pax, body = new Uint8Array(0), size = body.length } of parts) {
    if (pax !== undefined) {
      const records = encodePax(new Map(Object.entries(pax)));
      add(encodeHeader("PaxHeaders", "x", records.length, 0));
      add(records);
    }
    add(encodeHeader(name, type, size, 0));
    add(body);
  }
  if (end) add(new Uint8Array(2 * blockBytes));
  const whole = new Uint8Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

function sparse(map: string, realSize: string, version = "1"): Part {
  const text = encode(map);
  const body = new Uint8Array(text.length + paddingOf(text.length) + blockBytes);
  body.set(text);
  body.fill(1, body.length - blockBytes);
  return {
    name: "GNUSparseFile.0/x",
    body,
    pax: {
      "GNU.sparse.major": version,
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": segment,
      "GNU.sparse.realsize": realSize,
    },
  };
}

const good: Part = { body: encode("records") };

describe("an import is refused", () => {
  const cases: readonly (readonly [string, "INVALID_PARAMETER" | "STORE_UNREADABLE", readonly Part[]])[] = [
    ["a path upwards", "INVALID_PARAMETER", [good, { name: "config/../../x" }]],
    ["a path upwards that begins with it", "INVALID_PARAMETER", [good, { name: "../commitlog/x" }]],
    ["a path upwards in an extended header", "INVALID_PARAMETER", [good, { pax: { path: "config/../../x" } }]],
    ["a path upwards of a sparse file", "INVALID_PARAMETER", [good, { pax: { "GNU.sparse.name": "../x" } }]],
    ["a path upwards in a long name", "INVALID_PARAMETER", [{ type: "L", body: encode("../x\0") }, good]],
    ["an absolute path", "INVALID_PARAMETER", [good, { name: "/etc/passwd" }]],
    ["a path on a drive", "INVALID_PARAMETER", [good, { name: "c:config/x" }]],
    ["a path with backslashes", "INVALID_PARAMETER", [good, { name: "config\\..\\x" }]],
    ["a path with a zero in it", "INVALID_PARAMETER", [good, { pax: { path: "config/a\0b" } }]],
    ["a path of emptiness", "INVALID_PARAMETER", [good, { name: "config//x" }]],
    ["a path without end", "INVALID_PARAMETER", [good, { pax: { path: `config/${"x/".repeat(1_000)}x` } }]],
    ["a folder upwards", "INVALID_PARAMETER", [{ name: "../x/", type: "5" }, good]],
    ["a hard link", "INVALID_PARAMETER", [good, { name: "config/x", type: "1" }]],
    ["a symbolic link", "INVALID_PARAMETER", [good, { name: "config", type: "2" }]],
    ["a character device", "INVALID_PARAMETER", [good, { name: "config/x", type: "3" }]],
    ["a block device", "INVALID_PARAMETER", [good, { name: "config/x", type: "4" }]],
    ["a pipe", "INVALID_PARAMETER", [good, { name: "config/x", type: "6" }]],
    ["a file twice", "INVALID_PARAMETER", [good, good]],
    ["a file in the place of a folder", "INVALID_PARAMETER", [good, { name: "commitlog", body: encode("x") }]],
    ["a folder in the place of a file", "INVALID_PARAMETER", [good, { name: `${segment}/x`, body: encode("x") }]],
    ["a file beside the store", "INVALID_PARAMETER", [{ name: `store/${segment}` }, { name: "other/x" }]],
    ["a file too large for a store", "INVALID_PARAMETER", [{ size: 2 ** 31 }]],
    ["a sparse file too large for a store", "INVALID_PARAMETER", [sparse("1\n0\n512\n", String(2 ** 31))]],
    ["a sparse file of another version", "INVALID_PARAMETER", [sparse("1\n0\n512\n", "512", "2")]],
    ["ranges outside of the file", "STORE_UNREADABLE", [sparse("1\n1\n512\n", "512")]],
    ["ranges in no order", "STORE_UNREADABLE", [sparse("2\n512\n256\n0\n256\n", "1024")]],
    ["ranges of more than there is", "STORE_UNREADABLE", [sparse("1\n0\n1024\n", "4096")]],
    ["ranges of less than there is", "STORE_UNREADABLE", [sparse("1\n0\n1\n", "4096")]],
    ["too many ranges", "STORE_UNREADABLE", [sparse("99999999\n0\n512\n", "4096")]],
    ["a map that is none", "STORE_UNREADABLE", [sparse("one\n0\n512\n", "4096")]],
    ["a map of one long number", "STORE_UNREADABLE", [sparse("9".repeat(600), "4096")]],
    ["a map without its end", "STORE_UNREADABLE", [sparse("50\n0\n512\n", "4096")]],
    ["an extended header without measure", "STORE_UNREADABLE", [{ type: "x", size: 2 ** 30 }]],
    ["an extended header that is none", "STORE_UNREADABLE", [{ type: "x", body: encode("99999 a=b\n") }, good]],
    ["an extended header of negative length", "STORE_UNREADABLE", [{ type: "x", body: encode("0 a=b\n") }, good]],
    ["a size that is none", "STORE_UNREADABLE", [{ ...good, pax: { size: "-7" } }]],
    ["a time that is none", "STORE_UNREADABLE", [{ ...good, pax: { mtime: "now" } }]],
    [
      "files of several sizes",
      "STORE_UNREADABLE",
      [good, { name: "commitlog/00000000000000000007", body: encode("1") }],
    ],
    [
      "a broker.conf of other sizes",
      "STORE_UNREADABLE",
      [good, { name: "broker.conf", body: encode("mappedFileSizeCommitLog=8") }],
    ],
    [
      "a broker.conf that makes no sense",
      "STORE_UNREADABLE",
      [good, { name: "broker.conf", body: encode("mappedFileSizeCommitLog=x") }],
    ],
    ["a broker.conf that is none", "STORE_UNREADABLE", [good, { name: "broker.conf", body: new Uint8Array(10) }]],
    ["half an import", "STORE_UNREADABLE", [good, { name: importMark }]],
    ["no store", "STORE_UNREADABLE", [{ name: "README.md", body: encode("x") }]],
    ["nothing at all", "STORE_UNREADABLE", []],
  ];
  test.each(cases)("%s", async (_, code, parts) => {
    const storage = new MemoryLogStorage();
    await expect(importStore(inPieces(archiveOf(parts)), storage)).rejects.toMatchObject({ name: "WasmqError", code });
    expect(storage.list("")).toEqual([]);
  });

  test("extended headers without end keep no more than some of them", async () => {
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; ; i++) {
        const records = encodePax(new Map([[`key${i}`, "x".repeat(10_000)]]));
        yield archiveOf([{ type: "x", body: records }], false);
      }
    };
    await expect(importStore(endless(), new MemoryLogStorage())).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  });

  test("a stream that goes on behind the archive's end is not waited for", async () => {
    let told = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield archiveOf([good]);
        for (;;) yield new Uint8Array(65_536);
      } finally {
        told = true;
      }
    };
    const storage = new MemoryLogStorage();
    await importStore(endless(), storage);
    expect(storage.list("").map(({ name }) => name)).toEqual(["broker.conf", segment]);
    expect(told).toBe(true);
  });
});

describe("what an import met with half done", () => {
  /** Has room for so many bytes. */
  class SmallStorage extends MemoryLogStorage {
    room: number;
    constructor(room: number) {
      super();
      this.room = room;
    }
    override write(batch: readonly StorageWrite[]): void {
      for (const { bytes } of batch) this.room -= bytes.length;
      if (this.room < 0) throw new WasmqError("STORE_FULL", "no room");
      super.write(batch);
    }
  }

  test("a full storage, wherever it happens: nothing is left, and with room it works", async () => {
    const archive = await concatenated(exportStore(storeOf("store")));
    let room = 0;
    for (; ; room += 1_000) {
      const storage = new SmallStorage(room);
      try {
        await importStore(inPieces(archive), storage);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: "STORE_FULL" });
        expect(storage.list("")).toEqual([]);
      }
    }
    expect(room).toBeGreaterThan(5_000);
  });

  test("one whose process died can't be opened nor exported, and the next import begins anew", async () => {
    const storage = new MemoryLogStorage();
    storage.create(importMark, 0);
    storage.create(segment, 4096);
    storage.create("config/left.json", 10);
    await expect(MemoryBroker.start({}, storage)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    await expect(concatenated(exportStore(storage))).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    const from = storeOf("store_crc");
    await importStore(exportStore(from), storage);
    expect(contentsOf(storage, "broker.conf")).toEqual(contentsOf(from, "broker.conf"));
  });

  test("a storage that is not empty is left as it is", async () => {
    const storage = storeOf("store");
    const before = contentsOf(storage, "");
    await expect(importStore(exportStore(storeOf("store_crc")), storage)).rejects.toMatchObject({
      code: "INVALID_PARAMETER",
    });
    expect(contentsOf(storage, "")).toEqual(before);
  });
});

describe("Apache's own stores", () => {
  test.each([...goldenStores, ...goldenBrokers])(
    "%s goes out and in unchanged, with its config files and what is not served here",
    async (name) => {
      const from = storeOf(name);
      const to = new MemoryLogStorage();
      expect(await importStore(exportStore(from), to)).toMatchObject({
        mappedFileSizeCommitLog: from.list("commitlog")[0]!.sizeBytes,
        mappedFileSizeConsumeQueue: 1_000,
      });
      expect(contentsOf(to, "broker.conf")).toEqual(contentsOf(from, "broker.conf"));
    },
  );
});

describe("any bytes", () => {
  test("a mutated archive is read, or refused with a stable code", async () => {
    const archive = await concatenated(exportStore(storeOf("store")));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.nat(archive.length),
        fc.boolean(),
        fc.integer({ min: 1, max: 5_000 }),
        async (changes, cutAt, cut, pieceBytes) => {
          const bytes = archive.slice(0, cut ? cutAt : archive.length);
          for (const [at, value] of changes) {
            bytes[at] = value;
            mendChecksum(bytes, at);
          }
          const storage = new MemoryLogStorage();
          const error = await importStore(inPieces(bytes, pieceBytes), storage).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (error === undefined) {
            settingsOf(await storedConf(storage));
            return;
          }
          expect(error).toBeInstanceOf(WasmqError);
          expect(["STORE_UNREADABLE", "INVALID_PARAMETER"]).toContain((error as WasmqError).code);
          expect(storage.list("")).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("that are no archive are refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3_000 }), async (bytes) => {
        // Zeros at the begin are an archive of nothing.
        fc.pre(bytes.subarray(0, blockBytes).some((byte) => byte !== 0) || bytes.length < blockBytes);
        const read = (async () => {
          for await (const _ of readTar(inPieces(bytes)));
        })();
        await expect(read).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
      }),
      { numRuns: 200 },
    );
  });

  test("a broker.conf is read as Java reads it, and its print is read as it was", () => {
    const text = "# no\n! no\n a = 1 \nb:2\nc 3\nd\\ e=4\\\n   5\nf=\\u0041\\t\\\\\ng\n\\#h==i\n";
    expect(Object.fromEntries(parseBrokerConf(encode(text)))).toEqual({
      ...{ a: "1 ", b: "2", c: "3", "d e": "45", f: "A\t\\", g: "", "#h": "=i" },
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: "grapheme" })), (values) => {
        const conf = new Map(Object.entries(values).filter(([key]) => !key.startsWith("storePath")));
        const read = parseBrokerConf(encode(printBrokerConf({}, conf)));
        for (const [key, value] of conf) expect(read.get(key)).toBe(value);
      }),
    );
  });
});

/** A store of Apache's, in memory. */
function storeOf(name: (typeof goldenStores)[number] | (typeof goldenBrokers)[number]): MemoryLogStorage {
  const storage = new MemoryLogStorage();
  for (const path of goldenPaths(name, "")) {
    const { byteLength, pieces } = goldenPieces(path);
    const file = path.slice(name.length + 1);
    // Whose process it was means nothing elsewhere.
    if (file === "abort") continue;
    storage.create(file, byteLength);
    storage.write(pieces.map(({ at, bytes }) => ({ file, at, bytes })));
  }
  return storage;
}

/** If the byte is one of a header, the header's sum is made right again, so that more than the sum is put to the test. */
function mendChecksum(bytes: Uint8Array, at: number): void {
  const start = at - (at % blockBytes);
  const block = bytes.subarray(start, start + blockBytes);
  if (block.length < blockBytes || new TextDecoder().decode(block.subarray(257, 262)) !== "ustar") return;
  let sum = 8 * 0x20;
  for (let i = 0; i < blockBytes; i++) if (i < 148 || i >= 156) sum += block[i]!;
  block.set(encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}
