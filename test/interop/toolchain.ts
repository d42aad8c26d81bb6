import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { built } from "../../bench/built.ts";
import { brokerPom, classpathOf, missingJavaTool } from "../../bench/java.ts";

const run = promisify(execFile);

const javaSources = path.join(import.meta.dirname, "java");
export const springSources = path.join(import.meta.dirname, "spring");

export const clientVersions = ["4.9.1", "5.5.0"] as const;
export type ClientVersion = (typeof clientVersions)[number];

/** Why the Java suites can't run here, or undefined. On CI a missing tool is a failure, never a skip. */
export async function missingTool(): Promise<string | undefined> {
  const missing = await missingJavaTool();
  if (missing !== undefined && process.env["CI"] !== undefined)
    throw new Error(`interop tests need it on CI: ${missing}`);
  if (missing !== undefined) console.warn(`interop tests skipped: ${missing}`);
  return missing;
}

/** Jars of a real NameServer and broker. */
export function brokerClasspath(): Promise<string> {
  return classpathOf(brokerPom);
}

/** The same, and our programs that use Apache's own classes of a broker. */
export async function brokerPrograms(): Promise<string> {
  return compiled(
    "broker",
    await brokerClasspath(),
    await javaFiles(path.join(javaSources, "broker-5.5.0/wasmq/golden")),
  );
}

/** The same for mqadmin. */
export async function adminPrograms(): Promise<string> {
  return compiled(
    "admin",
    await brokerClasspath(),
    await javaFiles(path.join(javaSources, "broker-5.5.0/wasmq/admin")),
  );
}

/** Jars of one generation of the official client, and our programs compiled against it. */
export async function clientClasspath(version: ClientVersion): Promise<string> {
  const jars = await classpathOf(path.join(javaSources, `client-${version}/pom.xml`));
  return compiled(version, jars, [
    ...(await javaFiles(path.join(javaSources, "wasmq/interop"))),
    ...(await javaFiles(path.join(javaSources, `client-${version}/wasmq/interop`))),
  ]);
}

/** The starter with the client it brings along, or on a newer one, as an application may put under it. */
export type SpringClientVersion = "5.3.2" | "5.5.0";

/** Jars of Spring's starter, and our program compiled against it. */
export async function springClasspath(client: SpringClientVersion): Promise<string> {
  const jars = await classpathOf(path.join(springSources, `client-${client}/pom.xml`));
  return compiled(`spring-${client}`, jars, await javaFiles(path.join(springSources, "wasmq/spring")));
}

/** A classpath of the jars and of what the sources are compiled to. */
async function compiled(name: string, jars: string, sources: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(jars);
  for (const source of sources) hash.update(await readFile(source));
  const classes = await built(`classes-${name}-${hash.digest("hex").slice(0, 16)}`, async (directory) => {
    await run("javac", ["-encoding", "UTF-8", "-nowarn", "-d", directory, "-cp", jars, ...sources]);
  });
  return [classes, jars].join(path.delimiter);
}

async function javaFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.endsWith(".java"))
    .sort()
    .map((name) => path.join(directory, name));
}
