import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const javaSources = path.join(import.meta.dirname, "java");
const cache = path.join(import.meta.dirname, "../../build/interop");
const javaMajorMin = 17;

export const clientVersions = ["4.9.1", "5.5.0"] as const;
export type ClientVersion = (typeof clientVersions)[number];

/** Why the Java suites can't run here, or undefined. On CI a missing tool is a failure, never a skip. */
export async function missingTool(): Promise<string | undefined> {
  const missing = (await missingJava()) ?? (await missingMaven());
  if (missing !== undefined && process.env["CI"] !== undefined)
    throw new Error(`interop tests need it on CI: ${missing}`);
  if (missing !== undefined) console.warn(`interop tests skipped: ${missing}`);
  return missing;
}

/** Jars of a real NameServer and broker. */
export function brokerClasspath(): Promise<string> {
  return resolved("broker-5.5.0");
}

/** Jars of one generation of the official client, and our programs compiled against it. */
export async function clientClasspath(version: ClientVersion): Promise<string> {
  const jars = await resolved(`client-${version}`);
  const sources = [
    ...(await javaFiles(path.join(javaSources, "wasmq/interop"))),
    ...(await javaFiles(path.join(javaSources, `client-${version}/wasmq/interop`))),
  ];
  const hash = createHash("sha256").update(jars);
  for (const source of sources) hash.update(await readFile(source));
  const classes = await once(`classes-${version}-${hash.digest("hex").slice(0, 16)}`, async (directory) => {
    await run("javac", ["-encoding", "UTF-8", "-nowarn", "-d", directory, "-cp", jars, ...sources]);
  });
  return [classes, jars].join(path.delimiter);
}

async function resolved(project: string): Promise<string> {
  const pom = path.join(javaSources, project, "pom.xml");
  const key = createHash("sha256")
    .update(await readFile(pom))
    .digest("hex")
    .slice(0, 16);
  const name = `classpath-${project}-${key}`;
  const file = path.join(cache, name, "classpath");
  if (existsSync(file)) {
    const known = await readFile(file, "utf8");
    if (known.split(path.delimiter).every((jar) => existsSync(jar))) return known;
    await rm(path.join(cache, name), { recursive: true, force: true });
  }
  await once(name, async (directory) => {
    const output = `-Dmdep.outputFile=${path.join(directory, "classpath")}`;
    await run("mvn", ["-q", "-B", "-f", pom, "dependency:build-classpath", output]);
  });
  return readFile(file, "utf8");
}

/**
 * A directory of the cache, made by whoever comes first: each builds its own copy and the rename decides, so test files that
 * run at once never see half of one.
 */
async function once(name: string, build: (directory: string) => Promise<void>): Promise<string> {
  const final = path.join(cache, name);
  if (existsSync(final)) return final;
  await mkdir(cache, { recursive: true });
  const ours = await mkdtemp(path.join(cache, `${name}.`));
  try {
    await build(ours);
    await rename(ours, final).catch((error: unknown) => {
      if (!existsSync(final)) throw error;
    });
  } finally {
    await rm(ours, { recursive: true, force: true });
  }
  return final;
}

async function javaFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.endsWith(".java"))
    .sort()
    .map((name) => path.join(directory, name));
}

async function missingJava(): Promise<string | undefined> {
  try {
    const { stdout } = await run("javac", ["-version"]);
    await run("java", ["-version"]);
    const major = Number(/javac (\d+)/.exec(stdout)?.[1] ?? 0);
    return major >= javaMajorMin ? undefined : `a JDK ${javaMajorMin} or later is needed, found: ${stdout.trim()}`;
  } catch (error) {
    return `no JDK on the path (${(error as Error).message})`;
  }
}

async function missingMaven(): Promise<string | undefined> {
  try {
    await run("mvn", ["-v"]);
    return undefined;
  } catch (error) {
    return `no Maven on the path (${(error as Error).message})`;
  }
}
