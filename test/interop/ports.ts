import { createServer, type Server } from "node:net";

// Below the range systems take the source ports of outgoing connections from: there a client that keeps trying to reach a
// stopped broker may be given the broker's own port, and TCP connects it to itself.
const portMin = 20_000;
const portMax = 30_000;
const triesMax = 200;

/** A port P such that P + each offset is free on loopback at this moment. */
export async function freePort(offsets: readonly number[] = [0]): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    const held = await Promise.all(offsets.map((offset) => hold(port + offset)));
    await Promise.all(held.map((server) => new Promise((done) => (server ? server.close(done) : done(undefined)))));
    if (held.every((server) => server !== undefined)) return port;
  }
  throw new Error(`no free port in ${triesMax} tries`);
}

function hold(port: number): Promise<Server | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(undefined));
    server.listen(port, "127.0.0.1", () => done(server));
  });
}
