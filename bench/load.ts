/**
 * A load generator that leaves the machine to the server: it runs in a process of its own, every request is built before
 * the clock starts, and only what must differ from message to message is patched before it goes out again.
 * It speaks the servers' standard protocols, so any of them can be measured with it.
 */
import { parseArgs } from "node:util";
import { nats } from "./load/nats.ts";
import { pull } from "./load/pull.ts";
import { remoting } from "./load/remoting.ts";
import { resp } from "./load/resp.ts";
import { send } from "./load/sender.ts";
import type { LoadOptions } from "./load/wire.ts";

const USAGE = `node bench/load.ts --port PORT [options]

Sends 1 KB messages over N connections, W in flight on each, and prints one line of JSON.

  --protocol P         remoting (RocketMQ's SEND_MESSAGE_V2, the default), resp (Redis's XADD) or nats (JetStream's PUB)
  --host HOST          default 127.0.0.1
  --port PORT          the server's
  --connections N      default 8
  --window W           requests in flight on each connection, default 64; 1 is a synchronous sender
  --body BYTES         default 1024
  --topic TOPIC        default BenchLoad; created by the first message if the broker creates topics
  --queues Q           1 to 10, default 8
  --warmup-ms MS       sent but not counted, default 1000
  --duration-ms MS     default 3000; with --pull the longest a drain may take
  --codec json|binary  remoting: the header's encoding, default json
  --property NAME=VALUE  remoting: a property of each message
  --pid PID            the server's process: adds what it used for each message
  --sync-file FILE     where the server's syncs are counted (bench/syncs.ts)
  --pull               remoting: drains the topic instead: PULL_MESSAGE, 32 messages at a time, one request in flight a queue`;

const PROTOCOLS = { remoting, resp, nats };

const { values } = parseArgs({
  options: {
    protocol: { type: "string", default: "remoting" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    connections: { type: "string", default: "8" },
    window: { type: "string", default: "64" },
    body: { type: "string", default: "1024" },
    topic: { type: "string", default: "BenchLoad" },
    queues: { type: "string", default: "8" },
    "warmup-ms": { type: "string", default: "1000" },
    "duration-ms": { type: "string", default: "3000" },
    codec: { type: "string", default: "json" },
    property: { type: "string" },
    pid: { type: "string" },
    "sync-file": { type: "string" },
    pull: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const protocol = PROTOCOLS[values.protocol as keyof typeof PROTOCOLS];
if (values.help || values.port === undefined || protocol === undefined) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const [name, value] = values.property?.split("=") ?? [];
  const options: LoadOptions = {
    host: values.host,
    port: Number(values.port),
    connections: Number(values.connections),
    window: Number(values.window),
    bodyBytes: Number(values.body),
    topic: values.topic,
    queues: Number(values.queues),
    warmupMs: Number(values["warmup-ms"]),
    durationMs: Number(values["duration-ms"]),
    codec: values.codec === "binary" ? "binary" : "json",
    ...(name === undefined || value === undefined ? {} : { property: { name, value } }),
    server: values.pid === undefined ? undefined : { pid: Number(values.pid), syncFile: values["sync-file"] },
  };
  if (!(options.queues >= 1 && options.queues <= 10)) throw new Error("queues: 1 to 10, a queue id is one digit here");
  console.log(JSON.stringify(values.pull ? await pull(options) : await send(protocol, options)));
}
