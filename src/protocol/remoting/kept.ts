import type { QueueName } from "../../broker/orderly/queue-locks.ts";
import { keptConnectionBytesMax } from "../../limits.ts";
import { noFields } from "./answer-fields.ts";
import { writeBody } from "./body-json.ts";
import { requestCode } from "./codes.ts";
import { prefixBytes, writePrefix } from "./frame.ts";
import { type HeaderCodec, onewayBit } from "./header.ts";

/** A request of a connection, as it came, and when. */
export interface KeptRequest {
  readonly atMs: number;
  readonly frame: Uint8Array;
}

/** One that is handled again; answered only if the client still waits for it. */
export interface ResumedRequest extends KeptRequest {
  readonly isAwaited: boolean;
}

/*
 * A request in what is kept, big-endian:
 *
 *   0  f64  when it came, wall-clock milliseconds
 *   8  u8   1 if its answer is awaited
 *   9  the frame
 */
const frameOffset = 9;

/** Unregistrations kept behind a heartbeat; a client has a handful of groups, and its next heartbeat replaces all. */
const unregistrationsMax = 64;

/**
 * What a connection needs to go on after the broker's memory is gone while the host still holds the socket (WebSocket hibernation): the
 * requests that made it what it is, as they came. Handled again in their order they give back its groups, its locks, and
 * the pulls that wait for an answer.
 */
export class KeptRequests {
  /**
   * By client id: the last heartbeat that names the client's subscriptions, and what came since: what was unregistered, and the last
   * heartbeat without them, which tells when the client was last heard of.
   */
  readonly #clients = new Map<string, { requests: KeptRequest[]; withoutSubscriptions: KeptRequest | undefined }>();
  /** By group and client id: the queues locked. */
  readonly #locks = new Map<
    string,
    { atMs: number; group: string; clientId: string; queues: Map<string, QueueName> }
  >();
  /** By opaque. */
  readonly #pulls = new Map<number, KeptRequest>();
  /** More was to be kept than a host is asked to: such a connection ends with the memory, and nothing is kept of it from then on. */
  #isTooMuch = false;

  heartbeat(clientId: string, request: KeptRequest, withoutSubscriptions = false): void {
    if (this.#isTooMuch) return;
    const known = this.#clients.get(clientId);
    if (withoutSubscriptions && known !== undefined) {
      known.requests = known.requests.filter((each) => each !== known.withoutSubscriptions);
      known.requests.push(request);
      known.withoutSubscriptions = request;
    } else this.#clients.set(clientId, { requests: [request], withoutSubscriptions: undefined });
  }

  unregistered(request: KeptRequest): void {
    if (this.#isTooMuch) return;
    // Which client of the connection it was about, the request tells when it is handled again.
    for (const { requests } of this.#clients.values()) {
      if (requests.length > unregistrationsMax) requests.splice(1, 1);
      requests.push(request);
    }
  }

  locked(group: string, clientId: string, queues: readonly QueueName[], atMs: number): void {
    if (this.#isTooMuch) return;
    const key = `${group}\n${clientId}`;
    const known = this.#locks.get(key)?.queues ?? new Map<string, QueueName>();
    for (const queue of queues) known.set(`${queue.topic}@${queue.queueId}`, queue);
    this.#locks.set(key, { atMs, group, clientId, queues: known });
  }

  unlocked(group: string, clientId: string, queues: readonly QueueName[]): void {
    const key = `${group}\n${clientId}`;
    const known = this.#locks.get(key)?.queues;
    for (const queue of queues) known?.delete(`${queue.topic}@${queue.queueId}`);
    if (known?.size === 0) this.#locks.delete(key);
  }

  held(opaque: number, request: KeptRequest): void {
    if (this.#isTooMuch) return;
    this.#pulls.set(opaque, request);
  }

  /** True if the answered request was kept. */
  answered(opaque: number): boolean {
    return this.#pulls.delete(opaque);
  }

  /**
   * Undefined if it is more than a host is asked to keep. Called after each turn in which something changed. `codec`: how the client
   * writes its headers; what is handled again last tells the next life so.
   */
  encode(codec: HeaderCodec): Uint8Array | undefined {
    if (this.#isTooMuch) return undefined;
    const answered = [
      ...[...this.#clients.values()].flatMap(({ requests }) => requests),
      ...Array.from(this.#locks.values(), ({ atMs, group, clientId, queues }) => ({
        atMs,
        frame: frameOf(codec, requestCode.lockBatch, {
          consumerGroup: group,
          clientId,
          mqSet: [...queues.values()],
        }),
      })),
    ];
    const requests = [...answered, ...this.#pulls.values()];
    const length = requests.reduce((sum, { frame }) => sum + frameOffset + frame.length, 0);
    if (length > keptConnectionBytesMax) {
      this.#isTooMuch = true;
      this.#clients.clear();
      this.#locks.clear();
      this.#pulls.clear();
      return undefined;
    }
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    requests.forEach(({ atMs, frame }, i) => {
      view.setFloat64(at, atMs);
      view.setUint8(at + 8, i < answered.length ? 0 : 1);
      bytes.set(frame, at + frameOffset);
      at += frameOffset + frame.length;
    });
    return bytes;
  }

  static decode(bytes: Uint8Array): ResumedRequest[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const requests: ResumedRequest[] = [];
    for (let at = 0; at + frameOffset + prefixBytes <= bytes.length; ) {
      const frameAt = at + frameOffset;
      const frameEnd = frameAt + 4 + view.getInt32(frameAt);
      requests.push({
        atMs: view.getFloat64(at),
        isAwaited: view.getUint8(at + 8) === 1,
        frame: bytes.subarray(frameAt, frameEnd),
      });
      at = frameEnd;
    }
    return requests;
  }
}

function frameOf(codec: HeaderCodec, code: number, body: object): Uint8Array {
  const header = { code, flag: onewayBit, opaque: 0, fields: noFields, remark: undefined };
  const bodyBytes = writeBody(body);
  const room = new Uint8Array(prefixBytes + codec.bytesMax(header) + bodyBytes.length);
  const headerEnd = codec.write(header, room, prefixBytes);
  writePrefix(room, 0, codec.serializeType, headerEnd - prefixBytes, bodyBytes.length);
  room.set(bodyBytes, headerEnd);
  return room.slice(0, headerEnd + bodyBytes.length);
}
