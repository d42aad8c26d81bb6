import { unreadable } from "./tar-header.ts";

/** A stream of pieces, taken by counts of bytes. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** So many bytes, in memory of their own. Throws STORE_UNREADABLE if the stream ends before. */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.takeOrEnd(count);
    if (bytes === undefined) throw unreadable("it ends too early");
    return bytes;
  }

  /** The same, or undefined where the stream has ended. */
  async takeOrEnd(count: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      if (!(await this.#fill())) {
        if (at === 0) return undefined;
        throw unreadable("it ends too early");
      }
      const part = this.#piece.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    return bytes;
  }

  /** Between one byte and `max`, as they come. Throws STORE_UNREADABLE if the stream has ended. */
  async some(max: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw unreadable("it ends too early");
    const part = this.#piece.subarray(0, max);
    this.#piece = this.#piece.subarray(part.length);
    return part;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.some(left)).length;
  }

  /** Lets the sender come to its end, if that is no further away than `max` bytes; then it is told to stop. */
  async finish(max: number): Promise<void> {
    for (let left = max; left > 0 && (await this.#fill()); ) {
      left -= this.#piece.length;
      this.#piece = new Uint8Array(0);
    }
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#piece = new Uint8Array(0);
    await this.#pieces.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return false;
      this.#piece = value;
    }
    return true;
  }
}
