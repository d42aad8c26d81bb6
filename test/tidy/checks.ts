import { posix } from "node:path";
import type { SourceTree } from "./source-tree.ts";

/** What code in a folder (or a file) may import besides its own folder; `x*` is all that begins with x. */
export type ImportTable = Readonly<Record<string, readonly string[]>>;

/** Imports that the table has no row for, or that its row does not allow. */
export function forbiddenImports(tree: SourceTree, table: ImportTable): string[] {
  const found: string[] = [];
  for (const { path, imports } of tree.values()) {
    const row = rowOf(path, table);
    if (row === undefined) {
      found.push(`${path}: the import table has no row for it`);
      continue;
    }
    for (const { name, line } of imports) {
      if (!isWithin(name, row) && !table[row]!.some((allowed) => isWithin(name, allowed))) {
        found.push(`${path}:${line}: ${row} may not import ${name}`);
      }
    }
  }
  return found;
}

/** Rows without code, so that the table tells of nothing that is not there. `planned` names those that may be ahead of it. */
export function emptyRows(tree: SourceTree, table: ImportTable, planned: readonly string[]): string[] {
  const inUse = new Set([...tree.keys()].map((path) => rowOf(path, table)));
  return [
    ...Object.keys(table).filter((row) => !inUse.has(row) && !planned.includes(row)),
    ...planned.filter((row) => inUse.has(row)),
  ];
}

/**
 * Where the folders' tsconfig.json and the table disagree. A folder's references are what the compiler lets it import, so
 * they must be allowed by the table; and as the compiler follows the references of references too, what a file imports must
 * be referenced by its own folder. `projects` has the references of each folder with a tsconfig.json.
 */
export function wrongReferences(
  tree: SourceTree,
  table: ImportTable,
  projects: ReadonlyMap<string, readonly string[]>,
  includedElsewhere: Readonly<Record<string, string>>,
): string[] {
  const projectOf = (path: string): string | undefined => {
    const elsewhere = includedElsewhere[path];
    if (elsewhere !== undefined) return elsewhere;
    for (let folder = path; folder !== "."; folder = posix.dirname(folder)) if (projects.has(folder)) return folder;
    return undefined;
  };
  const found: string[] = [];
  const allowed = new Map<string, Set<string>>();
  for (const [row, imports] of Object.entries(table)) {
    const project = projectOf(row);
    if (project === undefined) continue;
    const ofProject = allowed.get(project) ?? new Set<string>();
    allowed.set(project, ofProject);
    for (const name of imports) {
      const other = projectOf(name);
      if (other !== undefined && other !== project) ofProject.add(other);
    }
  }
  for (const [project, references] of projects) {
    for (const reference of references) {
      if (!allowed.get(project)?.has(reference))
        found.push(`${project} references ${reference}, against the import table`);
    }
  }
  for (const { path, imports } of tree.values()) {
    const row = rowOf(path, table);
    const project = projectOf(path);
    if (project === undefined || (row !== undefined && projectOf(row) !== project)) {
      found.push(`${path}: its folder has no tsconfig.json`);
      continue;
    }
    if (row !== undefined && !row.endsWith(".ts") && project !== row)
      found.push(`${row} has no tsconfig.json of its own`);
    for (const { name } of imports) {
      const other = projectOf(name);
      if (other === undefined || other === project || !tree.has(name)) continue;
      if (!projects.get(project)!.includes(other))
        found.push(`${project} imports ${name} and does not reference ${other}`);
    }
  }
  return [...new Set(found)];
}

/** Files that no entry point leads to, and entry points that are no files. `judged` says which files must be led to. */
export function deadFiles(tree: SourceTree, entries: Iterable<string>, judged: (path: string) => boolean): string[] {
  const found: string[] = [];
  const reached = new Set<string>();
  const waiting: string[] = [];
  for (const entry of entries) {
    if (tree.has(entry)) waiting.push(entry);
    else found.push(`${entry}: the entry point is not there`);
  }
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { name } of tree.get(path)!.imports) if (tree.has(name)) waiting.push(name);
  }
  for (const path of tree.keys()) if (judged(path) && !reached.has(path)) found.push(`${path}: nothing imports it`);
  return found;
}

/** What only a host may name, since the rest gets it through a port (or has no use for it). */
const platformNames = new Set([
  ...["Date", "performance"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "requestAnimationFrame"],
  ...["console", "process", "Buffer", "crypto"],
  ...["require", "fetch"],
  // By itself: `random` is taken from it under another name.
  ...["Math.random", "Math"],
]);

/** Uses of the platform's clock, timers, chance, console and types in files that have ports for them. */
export function strayPlatform(tree: SourceTree): string[] {
  const found: string[] = [];
  for (const { path, names } of tree.values()) {
    for (const { name, line } of names) if (platformNames.has(name)) found.push(`${path}:${line}: ${name}`);
  }
  return found;
}

/** Cycles between the folders below `root`; a file directly in it counts as a folder of its own. */
export function featureCycles(tree: SourceTree, root: string): string[] {
  const featureOf = (path: string): string => path.slice(root.length + 1).split("/")[0]!;
  const edges = new Map<string, Map<string, string>>();
  for (const { path, imports } of tree.values()) {
    if (!isWithin(path, root)) continue;
    const from = featureOf(path);
    for (const { name, line } of imports) {
      if (!isWithin(name, root) || featureOf(name) === from) continue;
      const ofFeature = edges.get(from) ?? new Map<string, string>();
      edges.set(from, ofFeature.set(featureOf(name), `${path}:${line}`));
    }
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (feature: string, way: readonly string[]): void => {
    const at = way.indexOf(feature);
    if (at !== -1) {
      const cycle = [...way.slice(at), feature];
      const places = cycle.slice(1).map((to, index) => edges.get(cycle[index]!)!.get(to));
      found.push(`${cycle.join(" -> ")} (${places.join(", ")})`);
      return;
    }
    if (done.has(feature)) return;
    for (const next of edges.get(feature)?.keys() ?? []) visit(next, [...way, feature]);
    done.add(feature);
  };
  for (const feature of edges.keys()) visit(feature, []);
  return found;
}

/** Hosts that lack a file their siblings have; one that has no more than the core's module is still to come. */
export function missingHostFiles(
  paths: Iterable<string>,
  names: readonly string[],
  exceptions: Readonly<Record<string, string>>,
): string[] {
  const hosts = new Map<string, string[]>();
  for (const path of paths) {
    const [, host, file] = /^src\/hosts\/([^/]+)\/(.+)(?<!\.d)\.ts$/.exec(path) ?? [];
    if (host !== undefined) hosts.set(host, [...(hosts.get(host) ?? []), file!]);
  }
  const missing: string[] = [];
  for (const [host, files] of hosts) {
    if (files.every((file) => file === "core-module")) continue;
    for (const name of names) if (!files.includes(name)) missing.push(`src/hosts/${host}/${name}.ts`);
  }
  return [
    ...missing.filter((path) => !(path in exceptions)).map((path) => `${path} is missing`),
    ...Object.keys(exceptions)
      .filter((path) => !missing.includes(path))
      .map((path) => `${path} needs no exception`),
  ];
}

/** Tests that are left out for no reason that is written beside them, and those that leave out all others. */
export function silentSkips(tree: SourceTree): string[] {
  const found: string[] = [];
  for (const { path, skips } of tree.values()) {
    for (const { how, line, hasReason } of skips) {
      if (how === "only") found.push(`${path}:${line}: only`);
      else if (!hasReason) found.push(`${path}:${line}: ${how} without a reason beside it`);
    }
  }
  return found;
}

/** The most particular row that the path is in. */
function rowOf(path: string, table: ImportTable): string | undefined {
  let best: string | undefined;
  for (const row of Object.keys(table)) {
    if (isWithin(path, row) && (best === undefined || row.length > best.length)) best = row;
  }
  return best;
}

function isWithin(path: string, place: string): boolean {
  if (place.endsWith("*")) return path.startsWith(place.slice(0, -1));
  return path === place || path.startsWith(`${place}/`);
}
