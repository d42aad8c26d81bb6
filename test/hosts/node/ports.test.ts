import { connect } from "node:net";
import { expect, test } from "vitest";
import { clock } from "../../../src/hosts/node/clock.ts";
import { entropy } from "../../../src/hosts/node/entropy.ts";
import { Listener } from "../../../src/hosts/node/network.ts";
import { NodeScheduler } from "../../../src/hosts/node/scheduler.ts";
import type { Connection } from "../../../src/ports/network.ts";
import { silentTelemetry } from "../../../src/ports/telemetry.ts";
import { describeClock } from "../../conformance/clock.ts";
import { describeEntropy } from "../../conformance/entropy.ts";
import { describeNetwork } from "../../conformance/network.ts";
import { describeScheduler } from "../../conformance/scheduler.ts";
import { openSocket } from "../../lib/socket-wire.ts";

describeClock({ name: "node", clock });
describeEntropy({ name: "node", entropy });
describeScheduler({
  name: "node",
  fresh() {
    const scheduler = new NodeScheduler();
    return { scheduler, stop: () => scheduler.stop() };
  },
});
describeNetwork({
  name: "node",
  async listen(accept) {
    const listener = await Listener.listen("127.0.0.1", 0, silentTelemetry);
    listener.serve(accept);
    return { open: (events) => openSocket(listener.port, events), close: () => listener.close(1_000) };
  },
});

test("what a peer does not read is told as unsent, and dropped by an abort", async () => {
  const listener = await Listener.listen("127.0.0.1", 0, silentTelemetry);
  const accepted = new Promise<Connection>((resolve) => {
    listener.serve((connection) => {
      resolve(connection);
      return { received() {}, closed() {} };
    });
  });
  // A socket that nobody listens to is not read.
  const socket = connect({ host: "127.0.0.1", port: listener.port });
  socket.on("error", () => {});
  const connection = await accepted;
  const chunk = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 64; i++) connection.send([chunk]);
  expect(connection.unsentBytes).toBeGreaterThan(chunk.length);
  connection.abort();
  await expect.poll(() => connection.unsentBytes).toBe(0);
  socket.destroy();
  await listener.close(0);
});
