import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { clock } from "../../../src/hosts/durable-object/clock.ts";
import { entropy } from "../../../src/hosts/durable-object/entropy.ts";
import { DurableObjectLogStorage } from "../../../src/hosts/durable-object/log-storage.ts";
import type { ObjectStorage } from "../../../src/hosts/durable-object/platform.ts";
import { AlarmScheduler } from "../../../src/hosts/durable-object/scheduler.ts";
import { chunkBytesMax } from "../../../src/limits.ts";
import { describeClock } from "../../conformance/clock.ts";
import { describeEntropy } from "../../conformance/entropy.ts";
import { describeNetwork } from "../../conformance/network.ts";
import { describeScheduler } from "../../conformance/scheduler.ts";
import { openWire } from "./object-hosted.ts";
import { freshObject } from "./objects.ts";
import { acceptors } from "./worker.ts";

describeClock({ name: "Durable Object", clock });
describeEntropy({ name: "Durable Object", entropy });
describeScheduler({
  name: "Durable Object",
  wakesEarly: "setting the alarm costs a row: one that is set for earlier is left to come",
  async fresh() {
    const object = freshObject();
    let woken: AlarmScheduler | undefined;
    // Within a wake the object is who runs already.
    const inside = (run: (scheduler: AlarmScheduler) => void) => {
      if (woken === undefined) void runInDurableObject(object, ({ scheduler }) => run(scheduler));
      else run(woken);
    };
    // Tasks belong to whoever runs, the alarm to the object.
    const here = new AlarmScheduler({} as ObjectStorage, undefined);
    return {
      scheduler: {
        onWake: (wake) =>
          inside((scheduler) =>
            scheduler.onWake(() => {
              woken = scheduler;
              wake();
              woken = undefined;
            }),
          ),
        wakeAt: (atMs) => inside((scheduler) => scheduler.wakeAt(atMs)),
        soon: (task) => here.soon(task),
      },
      stop() {},
    };
  },
});
describeNetwork({
  name: "Durable Object",
  listen(accept) {
    const object = freshObject();
    acceptors.set(object.id.toString(), (connection) => {
      const inside = (run: () => void) => void runInDurableObject(object, run);
      return accept({
        remoteAddress: connection.remoteAddress,
        remotePort: connection.remotePort,
        localAddress: connection.localAddress,
        localPort: connection.localPort,
        get unsentBytes() {
          return connection.unsentBytes;
        },
        send: (chunks) => inside(() => connection.send(chunks)),
        abort: () => inside(() => connection.abort()),
        close: () => inside(() => connection.close()),
      });
    });
    return { open: (events) => openWire(object, events), close() {} };
  },
});

test("no row is larger than the platform takes, which its local runtime does not check", async () => {
  await runInDurableObject(freshObject(), async (_, { storage }) => {
    const files = new DurableObjectLogStorage(storage);
    files.lock();
    files.create("a", 0);
    const bytes = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * 7) % 251);
    await files.write([{ file: "a", at: 100, bytes }]);
    await files.write([{ file: "a", at: 0, bytes: bytes.subarray(0, 3_000_000) }]);
    await files.write([{ file: "a", at: 9_000_000, bytes: bytes.subarray(0, 10) }]);
    await files.write([{ file: "a", at: 4_000_000, bytes: bytes.subarray(0, 4_999_000) }]);
    const lengths = storage.sql.exec("SELECT length(bytes) AS n FROM chunk").toArray();
    expect(lengths.length).toBeGreaterThan(5);
    expect(Math.max(...lengths.map(({ n }) => Number(n)))).toBeLessThanOrEqual(chunkBytesMax);
    const read = new Uint8Array(9_000_010);
    expect(files.readNow("a", 0, read)).toBe(9_000_010);
    const expected = new Uint8Array(9_000_010);
    expected.set(bytes, 100);
    expected.set(bytes.subarray(0, 3_000_000), 0);
    expected.set(bytes.subarray(0, 10), 9_000_000);
    expected.set(bytes.subarray(0, 4_999_000), 4_000_000);
    expect(read).toEqual(expected);
  });
});

test("a full storage is told by its stable name, and nothing of the batch is there", async () => {
  await runInDurableObject(freshObject(), async (_, { storage }) => {
    let isFull = false;
    const limited = new Proxy(storage, {
      get(target, name) {
        if (name !== "sql") return Reflect.get(target, name).bind(target);
        return {
          exec(query: string, ...bindings: unknown[]) {
            // The second row of a batch finds no room.
            if (isFull && query.startsWith("INSERT INTO chunk") && (bindings[1] as Uint8Array).length === 3) {
              throw new Error("database or disk is full: SQLITE_FULL");
            }
            return target.sql.exec(query, ...bindings);
          },
        };
      },
    });
    const files = new DurableObjectLogStorage(limited);
    files.lock();
    for (const file of ["a", "b"]) files.create(file, 10);
    const batch = [
      { file: "a", at: 0, bytes: Uint8Array.of(1, 2) },
      { file: "b", at: 20, bytes: Uint8Array.of(1, 2, 3) },
    ];
    isFull = true;
    expect(() => files.write(batch)).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    const bytes = new Uint8Array(2);
    expect([files.readNow("a", 0, bytes), ...bytes]).toEqual([2, 0, 0]);
    expect(files.list("").map(({ sizeBytes, dataBytesMax }) => [sizeBytes, dataBytesMax])).toEqual([
      [10, 0],
      [10, 0],
    ]);
    isFull = false;
    await files.write(batch);
    expect([files.readNow("a", 0, bytes), ...bytes]).toEqual([2, 1, 2]);
  });
});
