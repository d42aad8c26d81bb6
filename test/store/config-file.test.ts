import { expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { ConfigFile } from "../../src/store/config-file.ts";

const name = "config/topics.json";

function fileOn(storage: MemoryLogStorage): ConfigFile {
  return new ConfigFile(storage, silentTelemetry, "topics.json");
}

function put(storage: MemoryLogStorage, file: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  storage.delete(file);
  storage.create(file, bytes.length);
  storage.write([{ file, at: 0, bytes }]);
}

function textOf(storage: MemoryLogStorage, file: string): string {
  const bytes = new Uint8Array(100);
  return new TextDecoder().decode(bytes.subarray(0, storage.readNow(file, 0, bytes)));
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
  expect(JSON.parse(textOf(storage, `${name}.bak`))).toEqual({ a: 1 });
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
