import { tabPieceBytesMax, tabWindowBytes } from "../../limits.ts";

/** What goes over a line between a tab and the broker's Worker. */
export type LineMessage =
  /** The first of the broker's: which broker it is. */
  | { readonly accepted: string }
  | { readonly bytes: Uint8Array }
  /** So many bytes were taken since the last such message: as many more may be sent. */
  | { readonly taken: number }
  | { readonly closed: true };

export interface WindowEvents {
  received(bytes: Uint8Array): void;
  /** The line is gone, from whichever side. Called once. */
  closed(): void;
}

/**
 * One end of a byte stream over a BroadcastChannel that two have. A BroadcastChannel takes all that is posted, so what may be
 * on the way is bounded here: beyond a window, bytes wait until the other end says that it took some.
 */
export class WindowedLine {
  readonly #channel: BroadcastChannel;
  readonly #events: WindowEvents;
  readonly #unsentBytesPausing: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Of the first held chunk, what is sent already. */
  #heldFrom = 0;
  #underWayBytes = 0;
  #takenBytes = 0;
  #isClosing = false;
  #isClosed = false;

  /** `unsentBytesPausing`: with more than this waiting here, the other end is not asked for more. */
  constructor(channel: BroadcastChannel, events: WindowEvents, unsentBytesPausing = Number.POSITIVE_INFINITY) {
    this.#channel = channel;
    this.#events = events;
    this.#unsentBytesPausing = unsentBytesPausing;
  }

  get unsentBytes(): number {
    return this.#heldBytes;
  }

  /** Takes what came over the channel. */
  message(message: LineMessage): void {
    if (this.#isClosed) return;
    if ("bytes" in message) {
      this.#takenBytes += message.bytes.length;
      this.#events.received(message.bytes);
      this.#tellTaken();
    } else if ("taken" in message) {
      this.#underWayBytes -= message.taken;
      this.#pump();
      this.#tellTaken();
    } else if ("closed" in message) {
      this.end();
    }
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isClosing) return;
    for (const chunk of chunks) {
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
    }
    this.#pump();
  }

  /** Ends the line once what waits has left. */
  close(): void {
    if (this.#isClosed || this.#isClosing) return;
    this.#isClosing = true;
    this.#pump();
  }

  /** Ends the line at once. */
  abort(): void {
    if (this.#isClosed) return;
    this.#post({ closed: true });
    this.end();
  }

  /** The other end is gone. */
  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = [];
    this.#heldBytes = 0;
    this.#channel.close();
    this.#events.closed();
  }

  #pump(): void {
    while (this.#heldBytes > 0 && this.#underWayBytes < tabWindowBytes) {
      const bytes = this.#gather(Math.min(this.#heldBytes, tabPieceBytesMax, tabWindowBytes - this.#underWayBytes));
      this.#underWayBytes += bytes.length;
      this.#post({ bytes });
    }
    if (this.#isClosing && this.#heldBytes === 0) this.abort();
  }

  /** The next bytes, as an array of their own: of a view, all that it is a view of would be copied to the other end. */
  #gather(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let chunks = 0;
    for (let done = 0; done < length; ) {
      const chunk = this.#held[chunks]!;
      const count = Math.min(chunk.length - this.#heldFrom, length - done);
      bytes.set(chunk.subarray(this.#heldFrom, this.#heldFrom + count), done);
      done += count;
      this.#heldFrom += count;
      if (this.#heldFrom < chunk.length) break;
      this.#heldFrom = 0;
      chunks++;
    }
    this.#held.splice(0, chunks);
    this.#heldBytes -= length;
    return bytes;
  }

  /** By quarters of a window: the sender never waits for less. */
  #tellTaken(): void {
    if (this.#isClosed || this.#takenBytes < tabWindowBytes / 4 || this.#heldBytes > this.#unsentBytesPausing) return;
    this.#post({ taken: this.#takenBytes });
    this.#takenBytes = 0;
  }

  #post(message: LineMessage): void {
    this.#channel.postMessage(message);
  }
}
