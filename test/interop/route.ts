import { connect } from "node:net";

const getRouteInfoByTopic = 105;
const askEveryMs = 100;
const answerMs = 2_000;

/** Resolves when the NameServer gives a route for the topic: the first thing any client asks for. */
export async function untilRouted(namesrv: string, topic: string, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  let last = "nothing";
  while (Date.now() < end) {
    last = await ask(namesrv, topic);
    if (last === "0") return;
    await new Promise((done) => setTimeout(done, askEveryMs));
  }
  throw new Error(`${namesrv} gave no route for ${topic} in ${timeoutMs} ms, its last answer: ${last}`);
}

/** The response code of one request, or what went wrong. Frame: i32 length, i32 type and header length, JSON header. */
function ask(namesrv: string, topic: string): Promise<string> {
  const header = Buffer.from(
    JSON.stringify({
      code: getRouteInfoByTopic,
      language: "OTHER",
      version: 0,
      opaque: 1,
      flag: 0,
      extFields: { topic },
    }),
  );
  const frame = Buffer.alloc(8);
  frame.writeInt32BE(4 + header.length, 0);
  frame.writeInt32BE(header.length, 4);
  const [host, port] = namesrv.split(":");
  return new Promise((done) => {
    const socket = connect(Number(port), host);
    const finish = (answer: string) => {
      socket.destroy();
      done(answer);
    };
    let received = Buffer.alloc(0);
    socket.setTimeout(answerMs, () => finish("no answer"));
    socket.on("error", (error) => finish(error.message));
    socket.on("close", () => finish("connection closed"));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 8) return;
      const headerBytes = received.readInt32BE(4) & 0xffffff;
      if (received.length < 8 + headerBytes) return;
      finish(String((JSON.parse(received.toString("utf8", 8, 8 + headerBytes)) as { code: number }).code));
    });
    socket.write(Buffer.concat([frame, header]));
  });
}
