import { encodeBinaryHeader } from "../../lib/binary-header.ts";
import { type Answer, connectionClosed, frameOf, RemotingClient } from "../../lib/remoting-client.ts";
import { openSocket } from "../../lib/socket-wire.ts";
import { startApache } from "../apache-broker.ts";
import type { RunningBroker } from "../running-broker.ts";
import { startWasmq } from "../wasmq-broker.ts";
import { wireClients } from "../wire-client.ts";
import { nameOf, type Request, type Side, type Wait } from "./request.ts";

/** Longer than a held pull is looked at again by Apache (PullRequestHoldService, 5 s). */
const answerMsMax = 8_000;
/** Of bytes that no client sends: nothing is held for them. */
const frameAnswerMsMax = 1_000;
const waitMsMax = 60_000;
const currentVersion = 513;
const onewayBit = 2;
const responseBit = 1;

/** What both are started with. Apart from that each has its defaults. */
const conf = [
  "recallMessageEnable=true",
  "enablePropertyFilter=true",
  // Check-backs would put half messages where requests look.
  "transactionCheckInterval=86400000",
  // There are many topics.
  "mappedFileSizeConsumeQueue=60000",
].join("\n");

/** What was answered: "none" within the time, "closed" the connection. */
export type Answered = Answer | "none" | "closed";

/** One broker with its NameServer, and the connections to it. */
export class Judged {
  readonly side: Side;
  readonly #broker: RunningBroker;
  readonly #ports: { readonly broker: number; readonly namesrv: number };
  readonly #connections = new Map<string, RemotingClient>();
  #opaque = 0;

  private constructor(side: Side, broker: RunningBroker) {
    this.side = side;
    this.#broker = broker;
    this.#ports = { broker: portOf(side.broker), namesrv: portOf(side.namesrv) };
  }

  static async start(name: Side["name"]): Promise<Judged> {
    const broker = await (name === "Apache"
      ? startApache({ conf })
      : // Sizes of records and places in the log are compared, too.
        startWasmq({ conf: `${conf}\nenabledAppendPropCRC=false\n` }));
    const { namesrv, client, address } = await wireClients(broker);
    namesrv.close();
    client.close();
    return new Judged({ name, namesrv: broker.namesrv, broker: address, kept: new Map() }, broker);
  }

  async ask(request: Request): Promise<Answered> {
    const connection = await this.#connection(request);
    const opaque = ++this.#opaque;
    const exchanged = connection.exchange(opaque, request.frame?.(opaque) ?? frameFor(request, opaque, this.side));
    // Answered on the same connection by the same broker, later than what came before it would have been.
    if (request.isOneway === true) await this.#probe(request, connection);
    if (request.frame !== undefined) {
      // Who has answered this has had the time for those bytes, too, however starved it is.
      const { frame: _, ...other } = request;
      await this.#probe(other, await this.#connection(other));
    }
    const answer = await within(
      exchanged,
      request.isOneway === true ? 1 : request.frame === undefined ? answerMsMax : frameAnswerMsMax,
    );
    if (answer === "none") return answer;
    if (answer.code === connectionClosed) {
      this.#connections.delete(keyOf(request));
      return "closed";
    }
    return answer;
  }

  async wait({ until, holds }: Wait): Promise<void> {
    const deadline = performance.now() + waitMsMax;
    for (;;) {
      const answer = await this.ask(until);
      if (typeof answer !== "string" && holds(answer)) return;
      if (performance.now() > deadline) throw new Error(`${this.side.name}: waited too long for ${nameOf(until)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    for (const connection of this.#connections.values()) connection.close();
    await this.#broker.close();
  }

  async #probe(request: Request, connection: RemotingClient): Promise<void> {
    const opaque = ++this.#opaque;
    const asked = { ...request, code: request.to === "broker" ? 305 : 106, fields: {}, isOneway: false };
    await connection.exchange(opaque, frameFor(asked, opaque, this.side));
  }

  async #connection(request: Request): Promise<RemotingClient> {
    const key = keyOf(request);
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const connection: RemotingClient = await RemotingClient.open((events) =>
      openSocket(this.#ports[request.to], {
        received(bytes) {
          events.received(bytes);
          answerAsked(connection);
        },
        closed: () => events.closed(),
      }),
    );
    this.#connections.set(key, connection);
    return connection;
  }
}

function keyOf({ to, connection, frame }: Request): string {
  // Hostile bytes end their connection, and nothing else with it.
  return `${to} ${connection ?? (frame === undefined ? "" : "hostile")}`;
}

function frameFor(request: Request, opaque: number, side: Side): Uint8Array {
  const { code, version = currentVersion, isOneway, serializeType = 0 } = request;
  const flag = isOneway === true ? onewayBit : 0;
  const fields = Object.fromEntries(
    Object.entries(request.fields).map(([name, value]) => [name, typeof value === "string" ? value : value(side)]),
  );
  const body = typeof request.body === "function" ? request.body(side) : request.body;
  if (serializeType === 1) return frameOf(1, encodeBinaryHeader({ code, version, opaque, flag, fields }), body);
  const header = { code, language: "JAVA", version, opaque, flag, extFields: fields };
  return frameOf(0, new TextEncoder().encode(JSON.stringify(header)), body);
}

/** What a Java client would say of itself to the broker that asks: 221, 307, 309. */
function answerAsked(client: RemotingClient): void {
  for (const { code, opaque, flag } of client.notifications.splice(0)) {
    const body = asked.get(code);
    if (body === undefined || (flag & onewayBit) !== 0) continue;
    const header = { code: 0, language: "JAVA", version: currentVersion, opaque, flag: responseBit, extFields: {} };
    client.push(frameOf(0, new TextEncoder().encode(JSON.stringify(header)), new TextEncoder().encode(body)));
  }
}

const asked = new Map([
  [221, '{"consumerTable":{},"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"Plain"}:2}}'],
  [
    307,
    '{"jstack":"","mqTable":{},"properties":{"PROP_CLIENT_VERSION":"V5_5_0"},"statusTable":{},"subscriptionSet":[]}',
  ],
  [309, '{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"remark":"fine","spentTimeMills":1}'],
]);

function within(answer: Promise<Answer>, ms: number): Promise<Answer | "none"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"none">((resolve) => {
    timer = setTimeout(() => resolve("none"), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}
