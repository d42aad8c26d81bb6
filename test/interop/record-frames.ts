/**
 * Records what the official clients send to a broker, for test/golden/frames.ts: each client generation with each header codec sends,
 * consumes in every way, asks and fails; of requests that differ in nothing but their values a few are kept.
 *
 *   npm run build && npx node test/interop/record-frames.ts
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { clock } from "../../src/hosts/memory/clock.ts";
import { entropy } from "../../src/hosts/memory/entropy.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { loadCoreModule } from "../../src/hosts/node/core-module.ts";
import { Listener } from "../../src/hosts/node/network.ts";
import { NodeScheduler } from "../../src/hosts/node/scheduler.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { startBroker } from "../../src/wasmq.ts";
import { decodeBinaryHeader } from "../lib/binary-header.ts";
import { JavaClients } from "./java-client.ts";
import { named } from "./judged.ts";
import { clientVersions } from "./toolchain.ts";

/** Of one kind of request from one client. */
const keptOfKind = 2;
const frameBytesMax = 2_048;

interface Recorded {
  readonly client: string;
  readonly code: number;
  readonly bytes: Uint8Array;
}

let client = "";
const recorded: Recorded[] = [];
const kinds = new Map<string, number>();

function record(bytes: Uint8Array): void {
  if (bytes.length > frameBytesMax) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const bodyAt = 8 + (view.getInt32(4) & 0xffffff);
  const text = (from: number, end: number) => new TextDecoder().decode(bytes.subarray(from, end));
  const binary = bytes[4] === 1 ? decodeBinaryHeader(bytes.subarray(8, bodyAt)) : undefined;
  const json = binary === undefined ? JSON.parse(text(8, bodyAt)) : undefined;
  const { code, flag } = binary ?? json;
  const fields: Record<string, string> = binary?.fields ?? json.extFields ?? {};
  const body = text(bodyAt, bytes.length);
  const bodyKind = body.startsWith("{") ? body.replaceAll(/"[^"]*"(?!:)|\d+/g, "") : body.length > 0;
  const kind = JSON.stringify([
    client,
    code,
    flag,
    Object.keys(fields).sort(),
    fields["m"],
    fields["sysFlag"],
    bodyKind,
  ]);
  const known = kinds.get(kind) ?? 0;
  kinds.set(kind, known + 1);
  if (known < keptOfKind) recorded.push({ client, code, bytes: bytes.slice() });
}

/** Cuts what one connection brings into frames. */
function recorder(): (bytes: Uint8Array) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      record(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

async function send(clients: JavaClients, namesrv: string, name: (base: string) => string): Promise<void> {
  const topic = name("Frames");
  const group = name("Frames");
  await clients.produce(
    namesrv,
    { topic, tags: "TagA,TagB", keys: "sync-", property: "colour=grün", count: 4 },
    { mode: "async", count: 4 },
    { mode: "oneway", count: 4 },
    { mode: "batch", count: 10 },
    { "repeated-bytes": 20_000, count: 1 },
  );
  const options = { topic, group, expression: "TagA || TagB", "routes-ms": 1_000, "heartbeat-ms": 1_000 };
  const failing = clients.start(namesrv, "Consume", { ...options, "fail-times": 1, "delay-level": 1 });
  await failing.until(() => failing.all("message").some((line) => line.reconsumeTimes === 1), "a second time");
  await failing.subscribe("TagA");
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await failing.stop();
  for (const mode of ["orderly", "broadcast"]) {
    const consumer = clients.start(namesrv, "Consume", { ...options, group: name(mode), mode });
    await consumer.untilMessages(10);
    await consumer.stop();
  }
  const probe = clients.start(namesrv, "Probe", { topic, group, search: "true" });
  await probe.finish();
  const [sent] = await clients.produce(namesrv, { topic, count: 1 });
  await clients.start(namesrv, "Probe", { topic, "ends-only": "true", view: sent!.offsetMsgId! }).finish();
}

const scheduler = new NodeScheduler();
const listener = await Listener.listen("127.0.0.1", 0, silentTelemetry);
const address = `127.0.0.1:${listener.port}`;
const broker = await startBroker(
  {
    ...{ storage: new MemoryLogStorage(), clock, scheduler, entropy, telemetry: silentTelemetry },
    coreModule: await loadCoreModule(),
  },
  {
    brokerName: "broker-a",
    clusterName: "DefaultCluster",
    storeHost: { address: "127.0.0.1", port: listener.port },
    brokerAddress: () => address,
  },
);
listener.serve((connection) => {
  const handler = broker.accept(connection);
  const recordBytes = recorder();
  return {
    received(bytes) {
      recordBytes(bytes);
      handler.received(bytes);
    },
    closed: () => handler.closed(),
  };
});
for (const version of clientVersions) {
  for (const codec of ["JSON", "ROCKETMQ"]) {
    client = `${version} ${codec}`;
    const heartbeats = codec === "ROCKETMQ" ? ["-Dcom.rocketmq.heartbeat.v2=true"] : [];
    const clients = await JavaClients.of(version, `-Drocketmq.serialize.type=${codec}`, ...heartbeats);
    await send(clients, address, (base) => named(`${base}-${codec}`, version));
    await clients.close();
  }
}
await broker.stop();
await listener.close(0);
scheduler.stop();

const lines = recorded.map(
  ({ client: by, code, bytes }) =>
    `  { client: "${by}", code: ${code}, base64: "${Buffer.from(bytes).toString("base64")}" },\n`,
);
await writeFile(
  path.join(import.meta.dirname, "../golden/frames.ts"),
  `// Recorded by test/interop/record-frames.ts; see README.md here. Generated: not to be edited.

/** Requests of the official Java clients, with the version and the codec they were set to. */
export const frames: readonly { readonly client: string; readonly code: number; readonly base64: string }[] = [
${lines.join("")}];
`,
);
console.info(`${recorded.length} frames`);
process.exit(0);
