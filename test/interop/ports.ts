import { createServer, type Server } from "node:net";

// Below the range systems take the source ports of outgoing connections from: there a client that keeps trying to reach a
// stopped broker may be given the broker's own port, and TCP connects it to itself.
const portMin = 20_000;
const portsPerWorker = 1_250;
const workersMax = 8;
const triesMax = 200;

// A port is free between being picked and being bound, so what was handed out stays reserved: in this worker by the set, and
// against the test files of other workers by a range for each.
const handedOut = new Set<number>();
const firstPort = portMin + (Number(process.env["VITEST_POOL_ID"] ?? 0) % workersMax) * portsPerWorker;

/** A port P such that P + each offset is free on loopback and handed out to nobody else. */
export async function freePort(offsets: readonly number[] = [0]): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = firstPort + Math.floor(Math.random() * portsPerWorker);
    const wanted = offsets.map((offset) => port + offset);
    if (wanted.some((one) => handedOut.has(one))) continue;
    for (const one of wanted) handedOut.add(one);
    const held = await Promise.all(wanted.map(hold));
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
