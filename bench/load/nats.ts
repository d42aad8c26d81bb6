/** NATS JetStream: PUB with a reply subject, on which the stream acknowledges what it has stored. */
import { connectSocket } from "../remoting-client.ts";
import {
  type Answers,
  bodyOf,
  Cutter,
  DIGITS,
  digitsIn,
  type LoadOptions,
  type Protocol,
  type Wire,
  writeDigits,
} from "./wire.ts";

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":false,"lang":"bench","version":"1"}\r\n';
const CR = 0x0d;
const SPACE = 0x20;
const NUMBER_MARK = "0".repeat(DIGITS - 1).concat("7");
const PONG = Buffer.from("PONG\r\n");
const ERROR_TEXT = Buffer.from('"error"');
const ADMIN_DEADLINE_MS = 10_000;

export const nats: Protocol = {
  async prepare({ port, topic }) {
    const stream = { name: topic, subjects: [topic], storage: "file", num_replicas: 1, retention: "limits" };
    const answer = await asked(port, `$JS.API.STREAM.CREATE.${topic}`, JSON.stringify(stream));
    if (answer.includes('"error"')) throw new Error(`no stream ${topic}: ${answer}`);
  },
  wire: (options, connection, answers) => new NatsWire(options, connection, answers),
};

class NatsWire implements Wire {
  readonly greeting: Buffer;
  readonly request: Buffer;
  readonly #answers: Answers;
  readonly #window: number;
  readonly #numberAt: number;
  /** Where in a reply's subject its number stands. */
  readonly #inboxBytes: number;
  readonly #numbers: Float64Array;
  readonly #parser = new NatsParser({
    message: (bytes, subjectAt, payloadAt, end) => this.#onMessage(bytes, subjectAt, payloadAt, end),
    ping: () => this.#answers.send(PONG),
  });

  constructor(options: LoadOptions, connection: number, answers: Answers) {
    this.#answers = answers;
    this.#window = options.window;
    this.#numbers = new Float64Array(options.window);
    const inbox = `_INBOX.${process.pid}c${connection}.`;
    this.#inboxBytes = inbox.length;
    this.greeting = Buffer.from(`${CONNECT}SUB ${inbox}* 1\r\n`);
    const line = `PUB ${options.topic} ${inbox}${NUMBER_MARK} ${options.bodyBytes}\r\n`;
    this.request = Buffer.concat([Buffer.from(line), bodyOf(options.bodyBytes), Buffer.from("\r\n")]);
    this.#numberAt = line.indexOf(NUMBER_MARK);
  }

  patch(frames: Buffer, at: number, place: number, round: number): void {
    const number = round * this.#window + place;
    this.#numbers[place] = number;
    writeDigits(frames, at + this.#numberAt, number);
  }

  push(chunk: Buffer): void {
    this.#parser.push(chunk);
  }

  #onMessage(bytes: Buffer, subjectAt: number, payloadAt: number, end: number): void {
    const numberAt = subjectAt + this.#inboxBytes;
    const number = digitsIn(bytes, numberAt, numberAt + DIGITS);
    const place = number % this.#window;
    if (this.#numbers[place] !== number) throw new Error(`an acknowledgement nobody waits for: ${number}`);
    // {"stream":"Bench","seq":7}, or with "error" in it.
    const error = bytes.subarray(payloadAt, end).indexOf(ERROR_TEXT);
    if (error < 0) this.#answers.stored(place);
    else this.#answers.failed(place, bytes.toString("latin1", payloadAt, end));
  }
}

interface NatsHandlers {
  message(bytes: Buffer, subjectAt: number, payloadAt: number, end: number): void;
  ping(): void;
}

/** MSG, PING and -ERR; all else a server says is passed over. */
class NatsParser {
  readonly #handlers: NatsHandlers;
  readonly #cutter = new Cutter((bytes, at) => this.#cut(bytes, at));

  constructor(handlers: NatsHandlers) {
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    this.#cutter.push(chunk);
  }

  #cut(bytes: Buffer, at: number): number {
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0 || lineEnd + 1 >= bytes.length) return -1;
    const next = lineEnd + 2;
    switch (bytes[at]) {
      case 0x4d: {
        // MSG <subject> <sid> <bytes>\r\n<payload>\r\n
        const lengthAt = bytes.lastIndexOf(SPACE, lineEnd) + 1;
        const end = next + digitsIn(bytes, lengthAt, lineEnd);
        if (end + 2 > bytes.length) return -1;
        this.#handlers.message(bytes, at + 4, next, end);
        return end + 2;
      }
      case 0x2d:
        throw new Error(bytes.toString("latin1", at, lineEnd));
      case 0x50:
        if (bytes[at + 1] === 0x49) this.#handlers.ping();
    }
    return next;
  }
}

/** One request of JetStream's API and its answer. */
async function asked(port: number, subject: string, payload: string): Promise<string> {
  const socket = await connectSocket({ port });
  const inbox = `_INBOX.${process.pid}admin`;
  const answer = new Promise<string>((resolve, reject) => {
    socket.setTimeout(ADMIN_DEADLINE_MS, () => socket.destroy(new Error(`no answer to ${subject}`)));
    socket.once("error", reject);
    const parser = new NatsParser({
      message: (bytes, _subjectAt, payloadAt, end) => resolve(bytes.toString("latin1", payloadAt, end)),
      ping: () => socket.write(PONG),
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        parser.push(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
  });
  socket.write(`${CONNECT}SUB ${inbox} 1\r\nPUB ${subject} ${inbox} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
  try {
    return await answer;
  } finally {
    socket.destroy();
  }
}
