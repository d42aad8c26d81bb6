/** Send requests of remoting and the headers of their answers, for a runtime without Node's Buffer. */
export const bodyBytes = 1024;
/** What the store keeps of such a message. */
export const recordBytes = 1242;

const sendMessageV2 = 310;
const sendBatchMessage = 320;
const properties = "UNIQ_KEY\u00017F0000010000000000000000000000000\u0002WAIT\u0001true\u0002";

export function sendFrame(body: Uint8Array): Uint8Array {
  return requestFrame(sendMessageV2, properties, body);
}

/** A batch message holds its messages as MessageDecoder.encodeMessages writes them. */
export function batchFrame(bodies: readonly Uint8Array[]): Uint8Array {
  const own = new TextEncoder().encode(properties);
  const messageBytes = 22 + bodyBytes + own.length;
  const bytes = new Uint8Array(bodies.length * messageBytes);
  const view = new DataView(bytes.buffer);
  for (const [i, body] of bodies.entries()) {
    const at = i * messageBytes;
    view.setInt32(at, messageBytes);
    view.setInt32(at + 16, body.length);
    bytes.set(body, at + 20);
    view.setInt16(at + 20 + bodyBytes, own.length);
    bytes.set(own, at + 22 + bodyBytes);
  }
  return requestFrame(sendBatchMessage, "WAIT\u0001true\u0002", bytes);
}

/** One queue, so that the bytes of a batch lie together as they do raw. */
function requestFrame(code: number, i: string, body: Uint8Array): Uint8Array {
  const extFields = {
    ...{ a: "Bench", b: "Bench", c: "TBW102", d: "4", e: "0", f: "0", g: String(Date.now()), h: "0", i, j: "0" },
    ...{ k: "false", m: String(code === sendBatchMessage) },
  };
  const text = JSON.stringify({ code, extFields, flag: 0, language: "JAVA", opaque: 0, version: 513 });
  const header = new TextEncoder().encode(text);
  const frame = new Uint8Array(8 + header.length + body.length);
  new DataView(frame.buffer).setInt32(0, frame.length - 4);
  new DataView(frame.buffer).setInt32(4, header.length);
  frame.set(header, 8);
  frame.set(body, 8 + header.length);
  return frame;
}

const decoder = new TextDecoder();

/** The headers of whole frames. */
export function* headersIn(bytes: Uint8Array): Generator<string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 4 + view.getInt32(at)) {
    yield decoder.decode(bytes.subarray(at + 8, at + 8 + view.getInt32(at + 4)));
  }
}

export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
