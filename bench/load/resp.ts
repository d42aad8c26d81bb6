/** Redis Streams: XADD of a message with one field. Answers come in the order of the requests. */
import { type Answers, bodyOf, Cutter, digitsIn, type LoadOptions, type Protocol, type Wire } from "./wire.ts";

const CR = 0x0d;

export const resp: Protocol = {
  /** A stream is made by its first message. */
  prepare: async () => {},
  wire: (options, _connection, answers) => new RespWire(options, answers),
};

class RespWire implements Wire {
  readonly greeting = undefined;
  readonly request: Buffer;
  readonly #answers: Answers;
  /** Places in the order they were sent in: a ring, as long as the window. */
  readonly #sent: Uint16Array;
  readonly #cutter = new Cutter((bytes, at) => this.#cut(bytes, at));
  #sentCount = 0;
  #answeredCount = 0;

  constructor(options: LoadOptions, answers: Answers) {
    this.#answers = answers;
    this.#sent = new Uint16Array(options.window);
    this.request = command("XADD", options.topic, "*", "v", bodyOf(options.bodyBytes));
  }

  /** The id is Redis's to give. */
  patch(_frames: Buffer, _at: number, place: number): void {
    this.#sent[this.#sentCount++ % this.#sent.length] = place;
  }

  push(chunk: Buffer): void {
    this.#cutter.push(chunk);
  }

  /** `$15\r\n1700000000000-0\r\n`, the id, or `-ERR why\r\n`. */
  #cut(bytes: Buffer, at: number): number {
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0 || lineEnd + 1 >= bytes.length) return -1;
    let next = lineEnd + 2;
    const kind = bytes[at];
    if (kind === 0x24) {
      next += digitsIn(bytes, at + 1, lineEnd) + 2;
      if (next > bytes.length) return -1;
    } else if (kind !== 0x2d) {
      throw new Error(`a reply of an unknown kind: ${bytes.toString("latin1", at, lineEnd)}`);
    }
    const place = this.#sent[this.#answeredCount++ % this.#sent.length]!;
    if (kind === 0x24) this.#answers.stored(place);
    else this.#answers.failed(place, bytes.toString("latin1", at, lineEnd));
    return next;
  }
}

function command(...parts: readonly (string | Buffer)[]): Buffer {
  const pieces = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    pieces.push(Buffer.from(`$${Buffer.byteLength(part)}\r\n`), Buffer.from(part), Buffer.from("\r\n"));
  }
  return Buffer.concat(pieces);
}
