/** Java programs of others: whether this machine can run them, and their jars by Maven. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { built, builtPath } from "./built.ts";

const run = promisify(execFile);

const javaMajorMin = 17;

/** A real NameServer and broker 5.5.0. */
export const brokerPom = path.join(import.meta.dirname, "../test/interop/java/broker-5.5.0/pom.xml");

/** Why Java programs can't be built and run here, or undefined. */
export async function missingJavaTool(): Promise<string | undefined> {
  return (await missingJava()) ?? (await missingMaven());
}

/** The jars that a pom names with all they depend on, as java's -cp takes them; Maven is asked once a pom. */
export async function classpathOf(pom: string): Promise<string> {
  const key = createHash("sha256")
    .update(await readFile(pom))
    .digest("hex")
    .slice(0, 16);
  const name = `classpath-${path.basename(path.dirname(pom))}-${key}`;
  const file = path.join(builtPath(name), "classpath");
  if (existsSync(file)) {
    const known = await readFile(file, "utf8");
    if (known.split(path.delimiter).every((jar) => existsSync(jar))) return known;
    await rm(builtPath(name), { recursive: true, force: true });
  }
  await built(name, async (directory) => {
    const output = `-Dmdep.outputFile=${path.join(directory, "classpath")}`;
    await run("mvn", ["-q", "-B", "-f", pom, "dependency:build-classpath", output]);
  });
  return readFile(file, "utf8");
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
