import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { brokerPom, classpathOf, missingJavaTool } from "../java.ts";
import { officialClasspath } from "../official/program.ts";
import { findNats } from "../peers/nats.ts";
import type { Peer } from "../peers/peer.ts";
import { findRedis } from "../peers/redis.ts";
import { type FlushMode, type Server, startApache, startWasmq } from "../server.ts";
import { syncLibrary } from "../syncs.ts";
import type { LoadTarget } from "./generated.ts";

export const contenderIds = ["wasmq", "apache", "redis", "nats"] as const;
export type ContenderId = (typeof contenderIds)[number];

export const contenderNames: Readonly<Record<ContenderId, string>> = {
  wasmq: "wasmq",
  apache: "Apache RocketMQ 5.5.0",
  redis: "Redis Streams",
  nats: "NATS JetStream",
};

/** A server that runs, ready to be loaded. */
export interface Running extends LoadTarget {
  /** With the ports that Apache's own programs need; not there for a peer of another protocol. */
  readonly broker: Server | undefined;
}

export interface Contender {
  readonly id: ContenderId;
  readonly version: string;
  start(flush: FlushMode): Promise<Running>;
}

export interface Contenders {
  readonly found: readonly Contender[];
  /** Why the others are left out. */
  readonly missing: Partial<Record<ContenderId, string>>;
  /** Jars of Apache's own programs, where Java and Maven are there. */
  readonly officialClasspath: string | undefined;
  /** Why syncs are not counted, if they are not. */
  readonly noSyncs: string | undefined;
}

/** What of the wanted servers this machine can run. Fetches and builds what is not there yet. */
export async function findContenders(wanted: readonly ContenderId[], wasmqVersion: string): Promise<Contenders> {
  const syncs = await syncLibrary();
  const library = "library" in syncs ? syncs.library : undefined;
  const noJava = await missingJavaTool();
  const found: Contender[] = [];
  const missing: Partial<Record<ContenderId, string>> = {};
  for (const id of contenderIds) {
    if (!wanted.includes(id)) {
      missing[id] = "not asked for";
    } else if (id === "wasmq") {
      const start = async (flush: FlushMode) => brokerTarget(await startWasmq({ flush, syncLibrary: library }));
      found.push({ id, version: wasmqVersion, start });
    } else if (id === "apache") {
      if (noJava !== undefined) {
        missing[id] = noJava;
        continue;
      }
      const classpath = await classpathOf(brokerPom);
      const start = async (flush: FlushMode) =>
        brokerTarget(await startApache(classpath, { flush, syncLibrary: library }));
      found.push({ id, version: `5.5.0, ${await javaVersion()}`, start });
    } else {
      const peer = await (id === "redis" ? findRedis : findNats)();
      if ("missing" in peer) missing[id] = peer.missing;
      else found.push({ id, version: peer.version, start: async () => peerTarget(await peer.start(library)) });
    }
  }
  return {
    found,
    missing,
    officialClasspath: noJava === undefined ? await officialClasspath() : undefined,
    noSyncs: "missing" in syncs ? syncs.missing : undefined,
  };
}

function brokerTarget(server: Server): Running {
  return { server, broker: server, protocol: "remoting", port: server.brokerPort };
}

function peerTarget(server: Peer): Running {
  return { server, broker: undefined, protocol: server.protocol, port: server.port };
}

async function javaVersion(): Promise<string> {
  const { stderr } = await promisify(execFile)("java", ["-version"]);
  return `Java ${/version "([^"]+)"/.exec(stderr)?.[1] ?? stderr.split("\n")[0]}`;
}
