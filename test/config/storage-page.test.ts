/** docs/storage.md says of each setting of the store what the code's tables say, and its tests are there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { storeKeys } from "../../src/config/apache-keys.ts";
import { brokerPromises, brokerSettings } from "../../src/config/broker-settings.ts";
import { formerKeys, storeKeysWithoutMeaning } from "../../src/config/store-keys.ts";

const folder = join(import.meta.dirname, "../../docs");
const page = readFileSync(join(folder, "storage.md"), "utf8");

/** The rows of the tables under a heading, cell by cell. */
function rowsUnder(heading: string): string[][] {
  const from = page.indexOf(`\n## ${heading}\n`);
  expect(from, heading).toBeGreaterThan(0);
  const section = page.slice(from + 4, page.indexOf("\n## ", from + 4) >>> 0);
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => row.slice(2, -2).split(" | "));
}

const keysIn = (cell: string) => Array.from(cell.matchAll(/`(\w+)`/g), ([, key]) => key!);

const ofStore = (keys: Iterable<string>) => Array.from(keys).filter((key) => storeKeys.has(key));

test("every setting of the store is gone by, refused or without a meaning here: one of the three", () => {
  const places = [...ofStore(Object.keys(brokerSettings)), ...ofStore(Object.keys(brokerPromises))];
  places.push(...storeKeysWithoutMeaning.keys());
  expect(places.sort()).toEqual([...storeKeys].sort());
  for (const key of formerKeys.keys()) expect(storeKeys).not.toContain(key);
});

test("the page has the settings that are gone by, and no others", () => {
  const keys = rowsUnder("Settings that are gone by").flatMap(([key]) => keysIn(key!));
  expect(keys.sort()).toEqual(ofStore(Object.keys(brokerSettings)).sort());
});

test("the page has the settings that are refused, with the value that is not", () => {
  const rows = rowsUnder("Settings that are refused").map(([key, value, why]) => [
    keysIn(key!)[0],
    value === "nothing" ? "" : value!.slice(1, -1),
    why,
  ]);
  const promises = ofStore(Object.keys(brokerPromises)).map((key) => [
    key,
    brokerPromises[key]!.value,
    brokerPromises[key]!.why,
  ]);
  expect(rows.sort()).toEqual(promises.sort());
});

test("the page has the settings without a meaning, with the reason", () => {
  const rows = rowsUnder("Settings without a meaning here").flatMap(([why, keys]) =>
    keysIn(keys!).map((key) => [key, why]),
  );
  expect(rows.sort()).toEqual([...storeKeysWithoutMeaning].sort());
});

test("every test that the page names is there", () => {
  const links = Array.from(page.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g), ([, title, path]) => [title!, path!] as const);
  expect(links.length).toBeGreaterThan(30);
  for (const [title, path] of links) {
    const file = join(folder, path);
    expect(existsSync(file), path).toBe(true);
    expect(readFileSync(file, "utf8"), path).toContain(title);
  }
});

test("every row of what is lost has a test, but for what can't be shown", () => {
  for (const cells of rowsUnder("What is lost when")) {
    const shown = cells.at(-1)!;
    expect(/\]\(\.\.\/test\//.test(shown) || /can't be shown/.test(cells.join(" ")), cells.join(" | ")).toBe(true);
  }
});
