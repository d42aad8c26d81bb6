import { describe, expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { silentTelemetry, type Telemetry } from "../../src/ports/telemetry.ts";
import { type ConfigCheck, ConfigFile } from "../../src/store/config-file.ts";
import { goldenFile, goldenPaths } from "../golden/golden.ts";
import { CrashingStorage } from "../lib/crashing-storage.ts";
import { crc32ByTable } from "../model/crc32.ts";

const name = "config/topics.json";
const endLength = ',\n\t"__CRC32#":"0123456789"\n}'.length;

function fileOn(storage: MemoryLogStorage, telemetry: Telemetry = silentTelemetry): ConfigFile {
  return new ConfigFile(storage, telemetry, crc32ByTable, "topics.json");
}

function putBytes(storage: MemoryLogStorage, file: string, bytes: Uint8Array): void {
  storage.delete(file);
  storage.create(file, bytes.length);
  storage.write([{ file, at: 0, bytes }]);
}

function bytesOf(storage: MemoryLogStorage, file: string): Uint8Array {
  const bytes = new Uint8Array(storage.list("config").find((stat) => stat.name === file)!.sizeBytes);
  storage.readNow(file, 0, bytes);
  return bytes;
}

/** A telemetry, and what it was told. */
function listening(): { telemetry: Telemetry; told: { event: string; fields: Record<string, unknown> }[] } {
  const told: { event: string; fields: Record<string, unknown> }[] = [];
  return { telemetry: { log: (_level, event, fields = {}) => void told.push({ event, fields }) }, told };
}

function put(storage: MemoryLogStorage, file: string, text: string): void {
  putBytes(storage, file, new TextEncoder().encode(text));
}

function textOf(storage: MemoryLogStorage, file: string): string {
  return new TextDecoder().decode(bytesOf(storage, file));
}

test.each(["17", "null", "[]", "{"])(
  "a file that holds %s is none: the version before it is read, and kept",
  async (text) => {
    const storage = new MemoryLogStorage();
    put(storage, name, text);
    await expect(fileOn(storage).load()).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    put(storage, `${name}.bak`, '{"a":1}');
    const file = fileOn(storage);
    expect(await file.load()).toEqual({ a: 1 });
    await file.save(() => ({ a: 2 }));
    expect(JSON.parse(textOf(storage, `${name}.bak`))).toEqual({ a: 1 });
    expect(await fileOn(storage).load()).toEqual({ a: 2 });
  },
);

test("a save that failed between its two renames does not stand in the way of the next", async () => {
  const storage = new MemoryLogStorage();
  const file = fileOn(storage);
  await file.save(() => ({ a: 1 }));
  const rename = storage.rename.bind(storage);
  storage.rename = (from, to) => {
    if (to === name) throw new Error("no rename");
    rename(from, to);
  };
  await expect(file.save(() => ({ a: 2 }))).rejects.toThrow("no rename");
  storage.rename = rename;
  await file.save(() => ({ a: 3 }));
  expect(await fileOn(storage).load()).toEqual({ a: 3 });
  expect(JSON.parse(textOf(storage, `${name}.bak`))).toMatchObject({ a: 1 });
});

test("a save asked for as the one before it ends is written", async () => {
  const storage = new MemoryLogStorage();
  const file = fileOn(storage);
  for (let turns = 0; turns < 40; turns++) {
    const first = file.save(() => ({ turns }));
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await Promise.all([first, file.save(() => ({ last: turns }))]);
    expect(await fileOn(storage).load()).toEqual({ last: turns });
  }
});

describe("two versions", () => {
  const older = {
    dataVersion: { counter: 7, stateVersion: 0, timestamp: 1_700_000_000_000 },
    table: { "größe€𝄞": [1] },
  };
  const newer = { ...older, table: { a: { b: "text\n", c: 12_345, d: true, e: null } }, 'odd"name\\': {} };

  async function saved(): Promise<MemoryLogStorage> {
    const storage = new MemoryLogStorage();
    const file = fileOn(storage);
    await file.save(() => older);
    await file.save(() => newer);
    return storage;
  }

  test("cut anywhere, or gone, the newer is not taken: the older is, and it is told which", async () => {
    const storage = await saved();
    const whole = bytesOf(storage, name);
    for (let length = 0; length < whole.length; length++) {
      putBytes(storage, name, whole.subarray(0, length));
      const { telemetry, told } = listening();
      expect(await fileOn(storage, telemetry).load(), `${length} bytes`).toEqual(older);
      expect(told).toMatchObject([
        { event: expect.stringMatching(/the version before it is used/), fields: { file: name, counter: 7 } },
      ]);
    }
    storage.delete(name);
    const { telemetry, told } = listening();
    expect(await fileOn(storage, telemetry).load()).toEqual(older);
    expect(told).toMatchObject([{ fields: { why: `there is no ${name}`, used: `${name}.bak` } }]);
  });

  test("with any one bit flipped, the older is taken, or the newer as it was", async () => {
    const storage = await saved();
    const whole = bytesOf(storage, name);
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      putBytes(storage, name, flipped);
      const found = await fileOn(storage).load();
      // Of the last member itself a bit may be flipped so that nobody takes it for the checksum.
      if (bit < 8 * (whole.length - endLength)) expect(found, `bit ${bit}`).toEqual(older);
      else expect([older, newer], `bit ${bit}`).toContainEqual(found);
    }
  });

  test("damaged both, neither is taken", async () => {
    const storage = await saved();
    for (const file of [name, `${name}.bak`]) {
      const bytes = bytesOf(storage, file);
      bytes[bytes.length >> 1]! ^= 4;
      putBytes(storage, file, bytes);
    }
    await expect(fileOn(storage).load()).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringMatching(/topics\.json (has|is) .*; and no config\/topics\.json\.bak can be read/),
    });
  });

  test("edited by hand, with the checksum taken out, a file is taken; with it left in, not", async () => {
    const storage = await saved();
    const edited = textOf(storage, name).replace("12345", "54321");
    put(storage, name, edited);
    const { telemetry, told } = listening();
    expect(await fileOn(storage, telemetry).load()).toEqual(older);
    expect(told[0]!.fields["why"]).toMatch(/was edited \(take __CRC32# out of it then\)/);
    put(storage, name, edited.replace(/,\n\t"__CRC32#".*\n/, "\n"));
    expect(await fileOn(storage).load()).toMatchObject({ table: { a: { c: 54_321 } } });
    // A tool that prints it in its own way makes another file of it.
    for (const indent of [0, 2]) {
      put(storage, name, JSON.stringify(JSON.parse(edited), null, indent));
      expect(await fileOn(storage).load()).toEqual({ ...newer, table: { a: { ...newer.table.a, c: 54_321 } } });
    }
  });

  test("with a checksum that has turned into no number, a file is damaged", async () => {
    const storage = await saved();
    put(storage, name, textOf(storage, name).replace(/\d("\n\}\n?)$/, "($1"));
    const { telemetry, told } = listening();
    expect(await fileOn(storage, telemetry).load()).toEqual(older);
    expect(told).toHaveLength(1);
  });

  test("doubtful, the newer gives way to an older that is not, and to no other", async () => {
    const storage = await saved();
    const doubtsNewer: ConfigCheck = (value) => ('odd"name\\' in value ? "odd" : undefined);
    expect(await fileOn(storage).load(doubtsNewer)).toEqual(older);
    const { telemetry, told } = listening();
    expect(await fileOn(storage, telemetry).load(() => "odd")).toEqual(newer);
    expect(told).toMatchObject([
      { event: expect.stringMatching(/doubtful, and no version before it/), fields: { file: name } },
    ]);
    const makesNoSense: ConfigCheck = () => {
      throw new Error("makes no sense");
    };
    await expect(fileOn(storage).load(makesNoSense)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  });

  test("a crash at any moment of a save leaves the one before it or the new one, whole", async () => {
    let crashes = 0;
    for (const start of ["the first", "the second", "the third"] as const) {
      const crashing = new CrashingStorage(new MemoryLogStorage());
      const before = [undefined, older, newer][["the first", "the second", "the third"].indexOf(start)];
      const next = start === "the second" ? newer : { ...older, next: start };
      const file = new ConfigFile(crashing, silentTelemetry, crc32ByTable, "topics.json");
      if (start !== "the first") await file.save(() => older);
      if (start === "the third") await file.save(() => newer);
      crashing.begin();
      await file.save(() => next);
      for (const [what, storage] of crashing.afterCrashes()) {
        const found = await fileOn(storage).load();
        expect([before, next], `${start} save, ${what}`).toContainEqual(found);
        crashes++;
        // And the next life writes on.
        const again = fileOn(storage);
        await again.load();
        await again.save(() => ({ again: true }));
        expect(await fileOn(storage).load()).toEqual({ again: true });
      }
      expect(await fileOn(crashing.inner).load()).toEqual(next);
    }
    expect(crashes).toBeGreaterThan(50);
  });
});

describe("what Apache wrote", () => {
  const paths = goldenPaths("broker", "config").filter((path) => path.endsWith(".json"));

  test("is read as it is, whatever whitespace, quoted keys or not", async () => {
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) {
      const text = new TextDecoder().decode(goldenFile(path));
      const storage = new MemoryLogStorage();
      const read: unknown[] = [];
      const quoted = text.replaceAll(/^(\t*)(\d+):/gm, '$1"$2":');
      for (const form of [text, quoted, text.replaceAll(/^\t+/gm, "").replaceAll("\n", ""), `${text}\n`]) {
        put(storage, name, form);
        read.push(await fileOn(storage).load());
      }
      for (const one of read) expect(one, path).toEqual(read[0]);
    }
  });

  test("keeps numbers beyond what a double holds, when it is written again", async () => {
    const storage = new MemoryLogStorage();
    put(
      storage,
      name,
      '{"a":{"version":1700000000123456789,"text":"1700000000123456789"},"b":-9223372036854775808,"c":[1e3]}',
    );
    const file = fileOn(storage);
    const value = await file.load();
    await file.save(() => value);
    expect(textOf(storage, name)).toContain('"version":1700000000123456789,');
    expect(textOf(storage, name)).toContain('"text":"1700000000123456789"');
    expect(textOf(storage, name)).toContain('"b":-9223372036854775808');
  });

  test("cut anywhere, the version before it is taken", async () => {
    for (const path of paths) {
      const whole = goldenFile(path);
      const storage = new MemoryLogStorage();
      putBytes(storage, `${name}.bak`, whole);
      const value = await fileOn(storage).load();
      for (let length = 0; length < whole.length; length += 1 + Math.floor(whole.length / 200)) {
        putBytes(storage, name, whole.subarray(0, length));
        expect(await fileOn(storage).load(), `${path}, ${length} bytes`).toEqual(value);
      }
    }
  });

  test("has no checksum: a flipped bit is found by what it makes of the JSON, or not at all", async () => {
    let found = 0;
    let all = 0;
    for (const path of paths) {
      const whole = goldenFile(path);
      const storage = new MemoryLogStorage();
      put(storage, `${name}.bak`, '{"older":1}');
      for (let bit = 0; bit < 8 * whole.length; bit += 37) {
        const flipped = whole.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        putBytes(storage, name, flipped);
        const value = await fileOn(storage).load();
        all++;
        if (value?.["older"] === 1) found++;
      }
    }
    console.log(`flipped bits in Apache's config files: ${found} of ${all} are found`);
    expect(found / all).toBeGreaterThan(0.3);
  });
});
