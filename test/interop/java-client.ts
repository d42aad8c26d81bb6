import { readFile } from "node:fs/promises";
import path from "node:path";
import { Child } from "./child.ts";
import { removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { type DoneLine, Scenarios, type ToldLine } from "./scenarios.ts";
import { type ClientVersion, clientClasspath } from "./toolchain.ts";

// A client of one test lives for seconds: the second compiler would cost more than it brings.
const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const waitMs = 90_000;

/** Options of a Java program, by its "--names". An array of them is several batches. */
export type ProgramArgs = Readonly<Record<string, string | number>>;

export interface SentLine {
  readonly event: "sent";
  readonly batch: number;
  readonly index: number;
  readonly msgId: string;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  readonly body?: string;
  /** Absent after a one-way send, as all below. */
  readonly status?: string;
  readonly offsetMsgId?: string;
  readonly broker?: string;
  readonly queueId?: number;
  readonly queueOffset?: number;
  readonly recallHandle?: string | null;
}

export interface FailedLine {
  readonly event: "failed";
  readonly batch: number;
  readonly index: number;
  readonly error: string;
  readonly code: number;
  readonly message: string;
  /** Of Exchange.java, in the place of the first two. */
  readonly command?: string;
}

export interface MessageFields {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly msgId: string;
  readonly tags: string | null;
  readonly keys: string | null;
  readonly reconsumeTimes: number;
  readonly flag: number;
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
  readonly commitLogOffset: number;
  readonly storeHost: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  readonly body?: string;
}

/** What Clients.java tells of one message. */
export interface ClientFields {
  readonly client: string;
  readonly topic: string;
  readonly keys: string;
  readonly broker: string;
}

/** A message that a consumer of Pop.java was given, at a time of this machine's clock. */
export interface PoppedLine {
  readonly event: "popped";
  readonly by: string;
  readonly at: number;
  readonly topic: string;
  readonly keys: string;
  readonly tags: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly reconsumeTimes: number;
  readonly body: string;
}

/** What Exchange.java was told of a message that it sent. */
export interface AcceptedLine {
  readonly event: "accepted";
  readonly kind: string;
  readonly topic: string;
  readonly name: string;
  readonly msgId: string;
  readonly offsetMsgId: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly tags: string | null;
  readonly keys: string | null;
  readonly bodySha256: string;
}

/** ... and of one that it was given. */
export interface DeliveredLine {
  readonly event: "delivered";
  readonly consumer: string;
  readonly name: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly msgId: string;
  readonly tags: string | null;
  readonly keys: string | null;
  readonly reconsumeTimes: number;
  readonly storeTimestamp: number;
  readonly bodySha256: string;
}

/** A transaction of Transact.java's, and what its producer said to it at once. */
export interface BegunLine {
  readonly event: "begun";
  readonly keys: string;
  readonly status: string;
  readonly msgId: string;
  readonly transactionId: string;
  readonly state: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

/** ... and one that a broker asked about, with what it was told. */
export interface CheckedLine extends MessageFields {
  readonly event: "checked";
  readonly client: string;
  readonly state: string;
  readonly transactionId: string;
  readonly atMs: number;
}

export type Line =
  | SentLine
  | FailedLine
  | (MessageFields & { readonly event: "message"; readonly result: "succeeds" | "fails" })
  | (MessageFields & { readonly event: "stored" })
  | (MessageFields & { readonly event: "viewed"; readonly id: string })
  | { readonly event: "assigned"; readonly count: number }
  | {
      readonly event: "progress";
      /** By queue: the offset this consumer would commit, -1 while it knows none, and the queue's end. */
      readonly offsets: Readonly<Record<string, number>>;
      readonly ends: Readonly<Record<string, number>>;
    }
  | {
      readonly event: "queue";
      readonly broker: string;
      readonly queueId: number;
      readonly min: number;
      readonly max: number;
      readonly committed: number;
    }
  | {
      readonly event: "pulled";
      readonly queueId: number;
      readonly offset: number;
      readonly status: string;
      readonly next: number;
      readonly min: number;
      readonly max: number;
    }
  | { readonly event: "found"; readonly queueId: number; readonly time: number; readonly offset: number }
  | {
      readonly event: "asked";
      readonly question: string;
      /** The bodies of what was found, with spaces between; what is below if it was refused. */
      readonly answer?: string;
      readonly error?: string;
      readonly code?: number;
    }
  | { readonly event: "recalled"; readonly batch: number; readonly index: number; readonly msgId: string }
  | {
      readonly event: "filtered";
      readonly by: string;
      readonly expression: string;
      /** What is below if it was refused. */
      readonly keys?: string;
      readonly error?: string;
      readonly code?: number;
      readonly message?: string;
    }
  | { readonly event: "acked"; readonly keys: string }
  | { readonly event: "subscribed"; readonly expression: string }
  | { readonly event: "committed"; readonly consumer?: string; readonly offsets: Readonly<Record<string, number>> }
  | (ClientFields & { readonly event: "put" })
  | (ClientFields & { readonly event: "taken" })
  | { readonly event: "refused"; readonly client: string; readonly keys: string; readonly message: string }
  | DoneLine
  | ToldLine
  | AcceptedLine
  | DeliveredLine
  | PoppedLine
  | { readonly event: "settled"; readonly keys: string; readonly status: string }
  | BegunLine
  | CheckedLine
  | (MessageFields & { readonly event: "answer"; readonly key: string; readonly name: string })
  | { readonly event: "unanswered"; readonly key: string }
  | {
      readonly event: "position";
      readonly topic: string;
      readonly group: string;
      readonly queueId: number;
      readonly min: number;
      readonly max: number;
      readonly committed: number;
    }
  | { readonly event: "started" | "stopped" | "unreachable" };

export type LineOf<Event extends Line["event"]> = Extract<Line, { event: Event }>;

/** Starts the Java programs of one client generation against one broker, and ends those a failed test left behind. */
export class JavaClients {
  readonly version: ClientVersion;
  private readonly classpath: string;
  private readonly home: string;
  private readonly properties: readonly string[];
  private started = 0;
  private readonly running = new Set<JavaProgram>();

  private constructor(version: ClientVersion, classpath: string, home: string, properties: readonly string[]) {
    this.version = version;
    this.classpath = classpath;
    this.home = home;
    this.properties = properties;
  }

  /** `properties` are Java's own: "-Dname=value". */
  static async of(version: ClientVersion, ...properties: string[]): Promise<JavaClients> {
    const home = await temporaryDirectory(`client-${version}`);
    return new JavaClients(version, await clientClasspath(version), home, properties);
  }

  start(
    namesrv: string,
    program: "Produce" | "Consume" | "Load" | "Probe" | "Query" | "Exchange" | "Transact" | "Filter" | "Pop",
    ...batches: ProgramArgs[]
  ): JavaProgram {
    const args = batches.flatMap((batch, index) => [
      ...(index === 0 ? ["--namesrv", namesrv] : ["--then"]),
      ...Object.entries(batch).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ]);
    return this.#start(program, args);
  }

  /** Clients.java: several clients that do what they are told, see `JavaProgram.tell`. */
  startClients(): JavaProgram {
    return this.#start("Clients", []);
  }

  /** Modes.java: scenarios, which are played when they are named, see `JavaProgram.play`. */
  startModes(namesrv: string): JavaProgram {
    return this.#start("Modes", ["--namesrv", namesrv]);
  }

  #start(program: string, args: readonly string[]): JavaProgram {
    // Logs go below the user's home, and the offsets of broadcasting consumers: those of a machine's consumers in one file, so
    // that a consumer started later would go on where another one is.
    const home = path.join(this.home, String(this.started++));
    const java = new JavaProgram(`${program} (client ${this.version})`, home, [
      ...jvm,
      `-Duser.home=${home}`,
      "-Dfile.encoding=UTF-8",
      ...this.properties,
      "-cp",
      this.classpath,
      `wasmq.interop.${program}`,
      ...args,
    ]);
    this.running.add(java);
    void java.child.ended.then(() => this.running.delete(java));
    return java;
  }

  /** Sends and returns what the producer was told; any failed send is an error. */
  async produce(namesrv: string, ...batches: ProgramArgs[]): Promise<SentLine[]> {
    const producer = this.start(namesrv, "Produce", ...batches);
    await producer.finish();
    const failed = producer.all("failed");
    if (failed.length > 0) throw new Error(`${failed.length} sends failed, the first: ${JSON.stringify(failed[0])}`);
    return producer.all("sent");
  }

  async close(): Promise<void> {
    const left = [...this.running];
    for (const program of left) program.child.signal("SIGKILL");
    await Promise.all(left.map((program) => program.child.ended));
    await removeDirectory(this.home);
  }
}

export class JavaProgram {
  readonly lines: Line[] = [];
  /** Of what comes by the thousand. */
  readonly counts = { acked: 0 };
  readonly child: Child;
  private readonly home: string;
  readonly #scenarios: Scenarios;

  constructor(name: string, home: string, args: readonly string[]) {
    this.home = home;
    const take = (line: string) => {
      if (!line.startsWith('{"event":')) return;
      const parsed = JSON.parse(line) as Line;
      this.lines.push(parsed);
      if (parsed.event === "acked") this.counts.acked += 1;
    };
    this.child = new Child(name, "java", args, take);
    this.#scenarios = new Scenarios(this.child, this.lines);
  }

  all<Event extends Line["event"]>(event: Event): LineOf<Event>[] {
    return this.lines.filter((line): line is LineOf<Event> => line.event === event);
  }

  last<Event extends Line["event"]>(event: Event): LineOf<Event> | undefined {
    return this.lines.findLast((line): line is LineOf<Event> => line.event === event);
  }

  /** What the client itself has logged so far. */
  log(): Promise<string> {
    return readFile(path.join(this.home, "logs/rocketmqlogs/rocketmq_client.log"), "utf8");
  }

  /** A consumer subscribes by this expression from then on. */
  async subscribe(expression: string): Promise<void> {
    this.child.say(expression);
    await this.until(() => this.last("subscribed")?.expression === expression, `subscribed by ${expression}`);
  }

  /** Says a line to Clients.java or Transact.java; ends when it has done it. */
  tell(line: string): Promise<void> {
    return this.#scenarios.tell(line);
  }

  /** Says a line; its number. */
  say(line: string): number {
    return this.#scenarios.say(line);
  }

  /** Plays a scenario of Modes.java with topics and groups of a name; what it told. `meanwhile` is given what it has told so far. */
  play(...scenario: Parameters<Scenarios["play"]>): Promise<readonly ToldLine[]> {
    return this.#scenarios.play(...scenario);
  }

  until(holds: () => boolean, what: string, timeoutMs = waitMs): Promise<void> {
    return this.child.until(holds, what, timeoutMs);
  }

  untilMessages(count: number, timeoutMs = waitMs): Promise<void> {
    return this.until(() => this.all("message").length >= count, `${count} messages`, timeoutMs);
  }

  untilAssigned(count: number): Promise<void> {
    return this.until(() => this.last("assigned")?.count === count, `a share of ${count} queues`);
  }

  /** This consumer would commit the ends of all its queues, which hold `count` messages together. */
  untilCaughtUp(count: number, timeoutMs = waitMs): Promise<void> {
    const holds = () => {
      const progress = this.last("progress");
      if (progress === undefined) return false;
      const ends = Object.entries(progress.ends);
      const total = ends.reduce((sum, [, end]) => sum + end, 0);
      return total === count && ends.every(([queue, end]) => end === 0 || progress.offsets[queue] === end);
    };
    return this.until(holds, `offsets at the ends of the queues, ${count} messages`, timeoutMs);
  }

  /** A clean end: the consumer commits its offsets and leaves its group. */
  async stop(): Promise<void> {
    this.child.closeInput();
    await this.finish();
  }

  /** Waits for the program to end by itself. */
  async finish(): Promise<void> {
    const end = await this.child.untilEnd(waitMs);
    if (end !== "exit 0" || this.last("stopped") === undefined) {
      throw new Error(`Java program ended by ${end}\n${this.child.lastLines()}`);
    }
  }

  async kill(): Promise<void> {
    this.child.signal("SIGKILL");
    await this.child.untilEnd(waitMs);
  }
}
