import { WasmqError } from "../../ports/error.ts";
import { answerTo } from "./carrier.ts";
import { holdLock, lineChannel, lockName, whenReleased } from "./names.ts";
import { piecesOf, sendPieces, streamOf, takePieces } from "./pieces.ts";

/** The store as an archive, from whichever tab has the broker. */
export function exportFrom(name: string): ReadableStream<Uint8Array> {
  return streamOf(exported(name));
}

async function* exported(name: string): AsyncGenerator<Uint8Array, void> {
  const line = await dialArchive(name, "export");
  try {
    yield* takePieces(line.channel, line.gone);
  } finally {
    line.close();
  }
}

export async function importInto(name: string, stream: ReadableStream<Uint8Array>): Promise<void> {
  const line = await dialArchive(name, "import");
  try {
    await sendPieces(line.channel, piecesOf(stream), line.gone);
  } finally {
    line.close();
  }
}

interface ArchiveLine {
  readonly channel: BroadcastChannel;
  /** Aborted when the broker is gone. */
  readonly gone: AbortSignal;
  close(): void;
}

async function dialArchive(name: string, purpose: "export" | "import"): Promise<ArchiveLine> {
  const id = crypto.randomUUID();
  const release = await holdLock(lockName.line(name, id));
  const channel = lineChannel(name, id);
  const ending = new AbortController();
  const close = () => {
    ending.abort();
    release();
    channel.close();
  };
  try {
    const broker = await answerTo(name, id, purpose, channel, undefined);
    whenReleased(lockName.broker(name, broker), ending.signal, () =>
      ending.abort(new WasmqError("CONNECTION_CLOSED", "the broker has ended")),
    );
  } catch (error) {
    close();
    throw error;
  }
  return { channel, gone: ending.signal, close };
}
