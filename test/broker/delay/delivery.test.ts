import { expect, test } from "vitest";
import { DelayLevels } from "../../../src/broker/delay/delay-levels.ts";
import { DelayDelivery } from "../../../src/broker/delay/delivery.ts";
import { WasmqError } from "../../../src/ports/error.ts";
import type { AppendListener } from "../../../src/store/commit-log.ts";

test("of delayed messages that are delivered together those that could not be are tried again, and no other", async () => {
  const bodies = ["a", "b", "c"];
  const delivered: string[] = [];
  let refuses = "b";
  let runAgain!: () => void;
  const failed = new Promise<void>((resolve) => {
    runAgain = resolve;
  });
  let again: (() => void) | undefined;
  const delivery = new DelayDelivery({
    store: {
      range: () => ({ minOffset: 0, maxOffset: bodies.length }),
      messageAt: async (_topic: string, _queueId: number, offset: number) => ({
        ...{ body: bodies[offset], storeTimestamp: 0, physicalOffset: offset },
        properties: "REAL_TOPIC\u0001T\u0002REAL_QID\u00010\u0002",
      }),
      append: ({ body }: { body: string }, _queueId: number, listener: AppendListener) => {
        queueMicrotask(() => {
          if (body === refuses) listener.failed(new WasmqError("SYSTEM_BUSY", "later"));
          else {
            delivered.push(body);
            listener.stored({} as never);
          }
        });
      },
    },
    levels: new DelayLevels("1s"),
    file: { load: async () => undefined, save: async () => {}, settled: async () => {} },
    persistDelayMs: 1_000,
    clock: { now: () => 10_000, monotonic: () => 10_000 },
    telemetry: { log: () => runAgain() },
    dues: {
      later: () => ({ ask() {}, stop() {} }),
      cancel() {},
      at: (_atMs: number, run: () => void) => {
        again = run;
        return {};
      },
    },
  } as unknown as ConstructorParameters<typeof DelayDelivery>[0]);
  await delivery.start();
  await failed;
  await expect.poll(() => again).toBeDefined();
  expect(delivered).toEqual(["a", "c"]);
  refuses = "";
  again!();
  await expect.poll(() => delivered).toEqual(["a", "c", "b"]);
  await delivery.stop();
  expect(delivered).toEqual(["a", "c", "b"]);
  expect(delivery.offsets()).toEqual([{ level: 1, offset: 3, end: 3 }]);
});
