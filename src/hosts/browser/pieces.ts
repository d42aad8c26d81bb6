import { archiveChunkBytes } from "../../limits.ts";
import { type ErrorCode, WasmqError } from "../../ports/error.ts";

/**
 * What goes over a line that carries an archive. Each piece is sent when the other end asks for it: the slower one sets the pace,
 * and nothing but one piece is on the way.
 */
export type PieceMessage =
  /** The first of the broker's: which broker it is. */
  | { readonly accepted: string }
  | { readonly more: true }
  | { readonly piece: Uint8Array }
  /** Of the sender: there are no more pieces. Of the taker: all of them are kept. */
  | { readonly ended: true }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string } };

/** Sends pieces as they are asked for. Ends when the taker says that it has all; rejects with its failure or the signal's reason. */
export async function sendPieces(
  channel: BroadcastChannel,
  source: AsyncGenerator<Uint8Array, void>,
  signal: AbortSignal,
): Promise<void> {
  const next = async (): Promise<void> => {
    let message: PieceMessage;
    try {
      const { value, done } = await source.next();
      message = done === true ? { ended: true } : { piece: value };
    } catch (error) {
      message = failureOf(error);
    }
    if (!signal.aborted) post(channel, message);
  };
  try {
    for (;;) {
      const message = await nextMessage(channel, signal);
      if ("more" in message) void next();
      else if ("failed" in message) throw errorOf(message);
      else return;
    }
  } finally {
    // It may be at work on a piece that nobody waits for.
    source.return().catch(() => {});
  }
}

/** The pieces that the other end sends. Throws its failure or the signal's reason. */
export async function* takePieces(channel: BroadcastChannel, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    signal.throwIfAborted();
    const answer = nextMessage(channel, signal);
    post(channel, { more: true });
    const message = await answer;
    if ("failed" in message) throw errorOf(message);
    if (!("piece" in message)) return;
    yield message.piece;
  }
}

/** A stream's bytes in pieces of a bounded size, each an array of its own: of a view, all that it is a view of would be sent. */
export async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (let at = 0; at < value.length; at += archiveChunkBytes) yield value.slice(at, at + archiveChunkBytes);
    }
  } finally {
    // Of a stream that has ended, nothing is left to be cancelled.
    reader.cancel().catch(() => {});
  }
}

/** Pieces as a stream that asks for none before it is read. */
export function streamOf(pieces: AsyncGenerator<Uint8Array, void>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

export function post(channel: BroadcastChannel, message: PieceMessage): void {
  channel.postMessage(message);
}

export function failureOf(error: unknown): PieceMessage {
  const message = error instanceof Error ? error.message : String(error);
  return { failed: { code: error instanceof WasmqError ? error.code : "SYSTEM_ERROR", message } };
}

function errorOf({ failed }: Extract<PieceMessage, { readonly failed: unknown }>): WasmqError {
  return new WasmqError(failed.code, failed.message);
}

/** Who asks for it has nothing else to hear: one message answers another. */
function nextMessage(channel: BroadcastChannel, signal: AbortSignal): Promise<PieceMessage> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    channel.onmessage = ({ data }: MessageEvent<PieceMessage>) => {
      signal.removeEventListener("abort", aborted);
      resolve(data);
    };
  });
}
