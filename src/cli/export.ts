import { readTar } from "../archive/tar-reader.ts";
import { WasmqError } from "../hosts/node/index.ts";
import { told, UsageError } from "./failure.ts";
import { archiveOf, placeOf, storeOption, withProgress, writePlace } from "./store-place.ts";

export const exportOptions = {
  store: { type: "string" },
  from: { type: "string" },
  token: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = { readonly [name in keyof typeof exportOptions]?: string | boolean | undefined };

/** Writes a store as an archive or into a directory; the exit code. */
export async function exportTo(values: Values, positionals: readonly string[]): Promise<number> {
  try {
    if (positionals.length > 1) throw new UsageError("one FILE.tar, directory or - is needed");
    const to = placeOf(positionals[0]);
    if (values.from !== undefined && values.store !== undefined) throw new UsageError("--store or --from, not both");
    const from =
      values.from === undefined
        ? archiveOf(storeOption(values.store))
        : download(String(values.from), values.token === undefined ? process.env["WASMQ_TOKEN"] : String(values.token));
    await withProgress("exported", from, (archive) => writePlace(archive, to));
    return 0;
  } catch (error) {
    return told(error);
  }
}

/** The archive that a broker elsewhere sends. It is read on its way, so that one that is cut off is an error. */
async function* download(from: string, token: string | undefined): AsyncGenerator<Uint8Array> {
  if (!URL.canParse(from) || !/^https?:$/.test(new URL(from).protocol)) {
    throw new UsageError(`--from is an http(s) URL, not ${from}`);
  }
  // A redirect would take the token elsewhere.
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(from, { headers, redirect: "error" }).catch((error: unknown) => {
    throw unavailable(from, error);
  });
  if (!response.ok || response.body === null) {
    const said = (await response.text().catch(() => "")).slice(0, 200).trim();
    throw new WasmqError(
      "SERVICE_NOT_AVAILABLE",
      `${from} answered ${response.status}${said === "" ? "" : `: ${said}`}`,
    );
  }
  yield* checked(piecesOf(from, response.body));
}

async function* piecesOf(from: string, body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw unavailable(from, error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Hands the pieces on as the reader of the archive takes them. */
async function* checked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let taken: Uint8Array[] = [];
  const tapped = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      taken.push(piece);
      yield piece;
    }
  };
  for await (const { data } of readTar(tapped())) {
    for await (const _ of data) {
      yield* taken;
      taken = [];
    }
  }
  yield* taken;
}

function unavailable(from: string, error: unknown): WasmqError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WasmqError("SERVICE_NOT_AVAILABLE", `${from} can't be read: ${why}`, { cause: error });
}
