import { answerBytesPartialMax, sendBytesInFlightMax, sendsInFlightMax } from "../limits.ts";
import { encodeUtf8 } from "../ports/text.ts";
import { PartialFrames } from "../protocol/remoting/frame.ts";
import { AwaitedReplies } from "./awaited-replies.ts";
import { Budget } from "./budget.ts";
import type { Carrier } from "./carrier.ts";
import { type ClientClock, platformClock } from "./clock.ts";
import {
  type BrokerReply,
  type BrokerRequest,
  Connection,
  type ConnectionOwner,
  type Fields,
  type Response,
  requestCode,
  responseCode,
} from "./connection.ts";
import { decodeMessages } from "./decode.ts";
import { ClientError, isLost } from "./error.ts";
import { property, type ReceivedMessage } from "./message.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import { PullConsumer, type PullConsumerOptions } from "./pull-consumer.ts";
import { PushConsumer, type PushConsumerOptions } from "./push-consumer.ts";
import { type QueryOptions, queryMessage, viewMessage } from "./query.ts";
import { type QueueOffset, readOffsets } from "./queue-json.ts";
import { Routes } from "./routes.ts";
import { SimpleConsumer, type SimpleConsumerOptions } from "./simple-consumer.ts";
import { TransactionProducer, type TransactionProducerOptions } from "./transaction-producer.ts";
import { UniqueKeys } from "./unique-key.ts";

export interface ClientOptions {
  /** Addresses of NameServers, as the carrier takes them; one that answers is enough. */
  readonly nameServers: readonly string[];
  readonly carrier: Carrier;
  /** Names this client among the members of its groups; made up if not given. No two that live at once have the same. */
  readonly clientId?: string;
  /** How long one request may take. Default 3,000 ms. */
  readonly requestTimeoutMs?: number;
  /** Is told of failures of work that nobody waits for: heartbeats, rebalances, commits, listeners. They are tried again. */
  readonly onError?: (error: unknown, what: string) => void;
  readonly clock?: ClientClock;
}

/** A consumer as its client sees it. */
export interface GroupMember {
  readonly group: string;
  /** ConsumerData of a heartbeat. */
  heartbeat(): object;
  /** The group's members changed. */
  idsChanged(): void;
  /** What an operator asks for: the offsets of a topic's queues on that broker are others now. */
  resetOffsets(topic: string, offsets: readonly QueueOffset[]): void;
  /** ConsumerRunningInfo, as JSON. */
  runningInfo(): string;
  /** A topic's queues changed. */
  routeChanged(topic: string): void;
  stop(): Promise<void>;
}

const routeRefreshMs = 30_000;
const heartbeatMs = 30_000;
const dialTimeoutMs = 5_000;
const requestTimeoutMsDefault = 3_000;
const noBytes = new Uint8Array(0);

/**
 * What producers and consumers of one application share: connections, routes, heartbeats. Connections are opened when they are
 * needed, and again when they broke.
 */
export class Client implements ConnectionOwner {
  readonly clientId: string;
  readonly clock: ClientClock;
  readonly partialFrames = new PartialFrames(answerBytesPartialMax);
  readonly routes: Routes;
  readonly uniqueKeys: UniqueKeys;
  /** Of its producers' requests. */
  readonly replies: AwaitedReplies;
  /** Of all sends that wait for their answers. */
  readonly sendBudget = new Budget(sendsInFlightMax, sendBytesInFlightMax);
  readonly requestTimeoutMs: number;
  readonly #nameServers: readonly string[];
  readonly #carrier: Carrier;
  readonly #onError: (error: unknown, what: string) => void;
  readonly #connections = new Map<string, Promise<Connection>>();
  readonly #producerGroups = new Map<string, number>();
  readonly #transactionProducers = new Map<string, TransactionProducer>();
  readonly #members = new Map<string, GroupMember>();
  readonly #closing = new AbortController();
  #nameServerIndex = 0;
  #isTicking = false;
  #closed: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    if (options.nameServers.length === 0) throw new ClientError("INVALID_PARAMETER", "no NameServer is named");
    this.clock = options.clock ?? platformClock;
    this.uniqueKeys = new UniqueKeys(this.clock);
    this.replies = new AwaitedReplies(this.clock);
    this.clientId = options.clientId ?? `js@${this.uniqueKeys.next()}`;
    this.requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutMsDefault;
    this.#nameServers = options.nameServers;
    this.#carrier = options.carrier;
    this.#onError = options.onError ?? (() => {});
    this.routes = new Routes((topic) => this.#askRoute(topic));
  }

  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen();
    return new Producer(this, options);
  }

  /** Throws INVALID_PARAMETER if this client has one of the group. */
  transactionProducer(options: TransactionProducerOptions): TransactionProducer {
    this.#checkOpen();
    return new TransactionProducer(this, options);
  }

  pullConsumer(options: PullConsumerOptions): PullConsumer {
    this.#checkOpen();
    return new PullConsumer(this, options);
  }

  pushConsumer(options: PushConsumerOptions): PushConsumer {
    this.#checkOpen();
    return new PushConsumer(this, options);
  }

  simpleConsumer(options: SimpleConsumerOptions): SimpleConsumer {
    this.#checkOpen();
    return new SimpleConsumer(this, options);
  }

  /**
   * The messages of a topic that have a key, from all its brokers, oldest first; none if there is none. Rejects with TOPIC_NOT_EXIST for a
   * topic that no NameServer knows, and with what a broker answered if it could not look.
   */
  queryMessage(topic: string, key: string, options: QueryOptions = {}): Promise<ReceivedMessage[]> {
    return queryMessage(this, topic, key, options);
  }

  /** The message with this `offsetMessageId` or `messageId`, or undefined. Rejects as `queryMessage` does. */
  viewMessage(topic: string, id: string): Promise<ReceivedMessage | undefined> {
    return viewMessage(this, topic, id);
  }

  /** Stops its consumers (they commit what was consumed and leave their groups) and ends the connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Aborted once the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  failed(error: unknown, what: string): void {
    if (!this.#closing.signal.aborted) this.#onError(error, what);
  }

  /** See `Connection.request`. Rejects besides with ADDRESS_UNUSABLE and CLIENT_CLOSED. */
  async request(
    address: string,
    code: number,
    fields: Fields = {},
    body: Uint8Array = noBytes,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Response> {
    const connection = await this.connect(address, options.signal);
    const { timeoutMs = this.requestTimeoutMs, signal } = options;
    return connection.request(code, fields, body, { timeoutMs, signal });
  }

  /** The open connection to an address; several who ask at once get the same. */
  connect(address: string, signal?: AbortSignal): Promise<Connection> {
    this.#checkOpen();
    let opening = this.#connections.get(address);
    if (opening === undefined) {
      opening = this.#open(address);
      this.#connections.set(address, opening);
      const asked = opening;
      asked.catch(() => {
        if (this.#connections.get(address) === asked) this.#connections.delete(address);
      });
    }
    return unlessAborted(opening, signal);
  }

  /** Counts the producers of a group: the broker is told of it while there is one. */
  addProducer(group: string): void {
    this.#producerGroups.set(group, (this.#producerGroups.get(group) ?? 0) + 1);
    this.#tick();
  }

  async removeProducer(group: string): Promise<void> {
    const left = this.#producerGroups.get(group)! - 1;
    if (left > 0) {
      this.#producerGroups.set(group, left);
      return;
    }
    this.#producerGroups.delete(group);
    await this.#unregister({ producerGroup: group });
  }

  addTransactionProducer(producer: TransactionProducer): void {
    const { group } = producer;
    if (this.#transactionProducers.has(group)) {
      throw new ClientError("INVALID_PARAMETER", `this client has a producer of transactions of the group ${group}`);
    }
    this.#transactionProducers.set(group, producer);
  }

  removeTransactionProducer(producer: TransactionProducer): void {
    if (this.#transactionProducers.get(producer.group) === producer) this.#transactionProducers.delete(producer.group);
  }

  /** Throws INVALID_PARAMETER if this client is a member of the group already. */
  addMember(member: GroupMember): void {
    this.#checkOpen();
    if (this.#members.has(member.group)) {
      throw new ClientError("INVALID_PARAMETER", `this client has a consumer of the group ${member.group} already`);
    }
    this.#members.set(member.group, member);
    this.#tick();
  }

  async removeMember(member: GroupMember): Promise<void> {
    if (this.#members.get(member.group) !== member) return;
    this.#members.delete(member.group);
    await this.#unregister({ consumerGroup: member.group });
  }

  /** Tells all brokers of the known routes which groups this client belongs to. Those that are away hear it later. */
  async heartbeat(): Promise<void> {
    const addresses = this.#groupBrokers();
    if (addresses.length === 0) return;
    const body = this.#heartbeatBody();
    await Promise.all(
      addresses.map(async (address) => {
        try {
          const { code, remark } = await this.request(address, requestCode.heartBeat, {}, body);
          if (code !== responseCode.success) throw ClientError.ofAnswer(code, remark, `heartbeat to ${address}`);
        } catch (error) {
          this.failed(error, "heartbeat");
          // A line that swallows requests tells of no end by itself.
          if (error instanceof ClientError && error.code === "REQUEST_TIMEOUT") this.#drop(address);
        }
      }),
    );
  }

  /** `connection`: where an answer that takes a while goes. */
  asked(request: BrokerRequest, connection?: Connection): BrokerReply {
    const { code, fields } = request;
    if (code === requestCode.checkTransactionState) {
      this.#checkTransaction(request, connection);
      return { code: responseCode.success };
    }
    if (code === requestCode.notifyConsumerIdsChanged) {
      this.#members.get(fields["consumerGroup"] ?? "")?.idsChanged();
      return { code: responseCode.success };
    }
    if (code === requestCode.resetConsumerClientOffset) {
      this.#members.get(fields["group"] ?? "")?.resetOffsets(fields["topic"] ?? "", readOffsets(request.body));
      return { code: responseCode.success };
    }
    if (code === requestCode.pushReplyMessageToClient) {
      this.replies.arrived(request);
      return { code: responseCode.success };
    }
    if (code === requestCode.getConsumerRunningInfo) {
      const group = fields["consumerGroup"] ?? "";
      const info = this.#members.get(group)?.runningInfo();
      if (info !== undefined) return { code: responseCode.success, body: encodeUtf8(info) };
      return { code: responseCode.systemError, remark: `The Consumer Group <${group}> not exist in this consumer` };
    }
    return { code: responseCode.requestCodeNotSupported, remark: `request type ${code} not supported` };
  }

  /** The message says of which group it is. */
  #checkTransaction(request: BrokerRequest, connection: Connection | undefined): void {
    try {
      const [message] = decodeMessages(request.body.slice(), request.fields["bname"] ?? "").messages;
      const group = message?.properties[property.producerGroup] ?? "";
      if (message === undefined || connection === undefined) return;
      this.#transactionProducers.get(group)?.asked(request.fields, message, connection);
    } catch (error) {
      this.failed(error, "transaction check");
    }
  }

  closed(connection: Connection): void {
    const opening = this.#connections.get(connection.address);
    void opening?.then(
      (open) => {
        if (open === connection && this.#connections.get(connection.address) === opening) {
          this.#connections.delete(connection.address);
        }
      },
      () => {},
    );
  }

  async #open(address: string): Promise<Connection> {
    const connection = await this.#dial(address);
    if (this.#closing.signal.aborted) {
      connection.close();
      this.#checkOpen();
    }
    // A broker forgets the members that were on the line before: it hears of them first on this one.
    if (this.#groupBrokers().includes(address)) {
      connection
        .request(requestCode.heartBeat, {}, this.#heartbeatBody(), { timeoutMs: this.requestTimeoutMs })
        .catch((error: unknown) => this.failed(error, "heartbeat"));
    }
    return connection;
  }

  async #dial(address: string): Promise<Connection> {
    const dialling = new AbortController();
    const closed = (): void => dialling.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", closed, { once: true });
    const cancel = this.clock.after(dialTimeoutMs, () =>
      dialling.abort(new ClientError("ADDRESS_UNUSABLE", `${address} took no connection in ${dialTimeoutMs} ms`)),
    );
    try {
      return await Connection.open(this.#carrier, address, this, dialling.signal);
    } finally {
      cancel();
      this.#closing.signal.removeEventListener("abort", closed);
    }
  }

  #drop(address: string): void {
    void this.#connections.get(address)?.then(
      (connection) => connection.close(),
      () => {},
    );
  }

  /** Where this client's groups are made known: consumers also on slaves. */
  #groupBrokers(): string[] {
    if (this.#members.size === 0 && this.#producerGroups.size === 0) return [];
    return this.routes.brokerAddresses(this.#members.size === 0);
  }

  #heartbeatBody(): Uint8Array {
    return encodeUtf8(
      JSON.stringify({
        clientID: this.clientId,
        consumerDataSet: Array.from(this.#members.values(), (member) => member.heartbeat()),
        heartbeatFingerprint: 0,
        producerDataSet: Array.from(this.#producerGroups.keys(), (groupName) => ({ groupName })),
        withoutSub: false,
      }),
    );
  }

  /** What can't be told to a broker now it finds out when the connection ends. */
  async #unregister(group: Fields): Promise<void> {
    const fields = { clientID: this.clientId, ...group };
    const open = this.routes.brokerAddresses(false).filter((address) => this.#connections.has(address));
    await Promise.all(
      open.map((address) => this.request(address, requestCode.unregisterClient, fields).catch(() => undefined)),
    );
  }

  async #askRoute(topic: string): Promise<Response> {
    let failure: unknown;
    for (let tries = 0; tries < this.#nameServers.length; tries++) {
      const address = this.#nameServers[this.#nameServerIndex % this.#nameServers.length]!;
      try {
        return await this.request(address, requestCode.getRouteInfoByTopic, { topic, acceptStandardJsonOnly: true });
      } catch (error) {
        if (!isLost(error)) throw error;
        failure = error;
        this.#nameServerIndex++;
      }
    }
    throw failure;
  }

  /** From the first producer or consumer on: heartbeats and routes are kept fresh. */
  #tick(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.every(heartbeatMs, () => this.heartbeat(), "heartbeat");
    this.every(routeRefreshMs, () => this.#refreshRoutes(), "routes");
  }

  async #refreshRoutes(): Promise<void> {
    for (const topic of this.routes.topics()) {
      if (this.#closing.signal.aborted) return;
      try {
        await this.refreshRoute(topic);
      } catch (error) {
        this.failed(error, `route of ${topic}`);
      }
    }
  }

  async refreshRoute(topic: string): Promise<void> {
    const before = JSON.stringify((await this.routes.get(topic))?.readQueues);
    const after = JSON.stringify((await this.routes.refresh(topic))?.readQueues);
    if (before === after) return;
    for (const member of this.#members.values()) member.routeChanged(topic);
  }

  /** Runs `task` again and again, `ms` after it ended, until the client is closed or what is returned is called. */
  every(ms: number, task: () => void | Promise<void>, what: string): () => void {
    let isOver = false;
    let cancel = (): void => {};
    const end = (): void => {
      isOver = true;
      cancel();
      this.#closing.signal.removeEventListener("abort", end);
    };
    const run = async (): Promise<void> => {
      try {
        await task();
      } catch (error) {
        this.failed(error, what);
      }
      if (!isOver) cancel = this.clock.after(ms, () => void run());
    };
    this.#closing.signal.addEventListener("abort", end, { once: true });
    cancel = this.clock.after(ms, () => void run());
    return end;
  }

  async #close(): Promise<void> {
    await Promise.all(Array.from(this.#members.values(), (member) => member.stop()));
    await Promise.all(Array.from(this.#producerGroups.keys(), (group) => this.#unregister({ producerGroup: group })));
    this.#producerGroups.clear();
    this.sendBudget.close();
    this.#closing.abort(new ClientError("CLIENT_CLOSED", "the client is closed"));
    for (const opening of this.#connections.values()) {
      void opening.then(
        (connection) => connection.close(),
        () => {},
      );
    }
    await Promise.allSettled(this.#connections.values());
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new ClientError("CLIENT_CLOSED", "the client is closed");
  }
}

/** The same number of turns with and without a signal, so that sends with one don't fall behind those without. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal!.reason);
    if (signal?.aborted === true) aborted();
    signal?.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", aborted));
  });
}
