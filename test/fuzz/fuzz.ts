import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import { smallBudget } from "../../src/limits.ts";
import type { Connection, ConnectionHandler } from "../../src/ports/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";
import { openInProcess } from "../lib/in-process-client.ts";
import { RemotingClient } from "../lib/remoting-client.ts";
import { Chance, inputOf } from "./inputs.ts";

/** What a run has to say; a run that finds something throws instead. */
export interface Fuzzed {
  readonly inputs: number;
  readonly seconds: number;
  /** The longest that one input took, or the turn of the event loop that goes on with the last few; where it took as long again. */
  readonly slowestMs: number;
  /** Connections that were closed for what came over them. */
  readonly refused: number;
  /** Bytes of the heap after a collection, with a new broker: after the first of them, and at the end. */
  readonly heapBytes: { readonly first: number; readonly last: number } | undefined;
}

/** The longest that the broker may be busy with one input. */
const inputMsMax = 100;
const inputsPerBrokerUsual = 50_000;
const inputsPerCheck = 5_000;
const budget = { ...smallBudget, topicsMax: 500, subscriptionGroupsMax: 500, heldPullsMax: 500 };

/**
 * Feeds a broker what a peer might send: `inputs` frames of `inputOf`, each in pieces, from `first` on. Throws when the broker throws, fails
 * unexpectedly, is busy with one of them for more than 100 ms, or no longer answers a right request: with the seed and number that replay it.
 */
export async function fuzz(options: {
  readonly seed: number;
  readonly inputs: number;
  readonly first?: number;
  /** Inputs of one broker: what they store is gone with it, and does not count as memory that grows. Default 50,000. */
  readonly inputsPerBroker?: number;
  /** Collects the garbage; without it the heap is not looked at. */
  readonly collect?: (() => void) | undefined;
  readonly progress?: (done: number) => void;
}): Promise<Fuzzed> {
  const { seed, inputs, first = 0, collect, inputsPerBroker = inputsPerBrokerUsual } = options;
  const coreModule = await loadCoreModule();
  const replay = (i: number, count = 1): string => `npm run fuzz -- --seed ${seed} --first ${i} --inputs ${count}`;
  let unexpected: string | undefined;
  const telemetry = {
    log(_level: string, event: string, fields: object = {}) {
      if (event === "a request failed unexpectedly") unexpected ??= JSON.stringify(fields);
    },
  };
  const rejected = (reason: unknown): void => {
    unexpected ??= `an unhandled rejection: ${reason}`;
  };
  process.on("unhandledRejection", rejected);
  const startedAt = performance.now();
  let slowestMs = 0;
  let refused = 0;
  let firstHeap: number | undefined;
  let lastHeap = 0;
  try {
    for (let done = 0; done < inputs; ) {
      const broker = await startInMemory({ coreModule, telemetry, broker: { budget, nameServer: {} } });
      if (collect !== undefined && (firstHeap === undefined || inputs - done <= inputsPerBroker)) {
        collect();
        lastHeap = process.memoryUsage().heapUsed;
        // What the first broker's inputs have had compiled is there to stay.
        if (done > 0) firstHeap ??= lastHeap;
      }
      const pushAlone = (bytes: Uint8Array, chance: Chance): number => {
        const alone = new Line(broker);
        const ms = alone.push(bytes, chance);
        alone.close();
        return ms;
      };
      const until = Math.min(inputs, done + inputsPerBroker);
      let line = new Line(broker);
      let turnFrom = first + done;
      for (; done < until; done++) {
        const i = first + done;
        const bytes = bytesOf(seed, i);
        const chance = new Chance(~i ^ seed);
        let ms = 0;
        try {
          ms = line.push(bytes, chance);
          // A pause of the machine's does not come twice in the same place.
          for (let again = 0; ms > inputMsMax && again < 3; again++) ms = Math.min(ms, pushAlone(bytes, chance));
        } catch (error) {
          throw new Error(`the broker threw ${error}\n${replay(i)}`, { cause: error });
        }
        if (ms > inputMsMax) throw new Error(`the broker was busy for ${ms.toFixed(0)} ms\n${replay(i)}`);
        slowestMs = Math.max(slowestMs, ms);
        if (line.isClosed) refused++;
        // A frame that has not ended would swallow the inputs that follow.
        if (line.isClosed || !isWhole(bytes)) {
          line.close();
          line = new Line(broker);
        }
        if (chance.below(8) === 0) {
          let turnMs = await turn();
          for (let again = 0; turnMs > inputMsMax && again < 3; again++) {
            for (let j = turnFrom; j <= i; j++) pushAlone(bytesOf(seed, j), chance);
            turnMs = Math.min(turnMs, await turn());
          }
          if (turnMs > inputMsMax) {
            throw new Error(
              `the broker was busy for ${turnMs.toFixed(0)} ms afterwards\n${replay(turnFrom, i + 1 - turnFrom)}`,
            );
          }
          slowestMs = Math.max(slowestMs, turnMs);
          turnFrom = i + 1;
          options.progress?.(done);
        }
        if (unexpected !== undefined) throw new Error(`${unexpected}\nat or before ${replay(i)}`);
        if (done % inputsPerCheck === 0 && !(await answers(broker))) {
          throw new Error(`a right request is not answered any more\nat or before ${replay(i)}`);
        }
      }
      line.close();
      await broker.stop();
    }
  } finally {
    process.off("unhandledRejection", rejected);
  }
  if (unexpected !== undefined) throw new Error(`${unexpected}\nseed ${seed}`);
  return {
    inputs,
    seconds: (performance.now() - startedAt) / 1000,
    slowestMs,
    refused,
    heapBytes: firstHeap === undefined ? undefined : { first: firstHeap, last: lastHeap },
  };
}

/** One turn of the event loop; how long it kept the machine busy, in milliseconds. */
async function turn(): Promise<number> {
  const elapsed = stopwatch();
  await new Promise<void>((resolve) => setImmediate(resolve));
  return elapsed();
}

/** Milliseconds since then, without those in which other processes had the machine. */
function stopwatch(): () => number {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return Math.min(performance.now() - startedAt, (user + system) / 1000);
  };
}

export function bytesOf(seed: number, i: number): Uint8Array {
  return inputOf(new Chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b)));
}

function isWhole(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && new DataView(bytes.buffer, bytes.byteOffset).getInt32(0) === bytes.length - 4;
}

/** The far end of a connection that sends what it likes and reads all. */
class Line implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 40_000;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 10_911;
  readonly unsentBytes = 0;
  isClosed = false;
  readonly #handler: ConnectionHandler;

  constructor(broker: RunningBroker) {
    this.#handler = broker.accept(this);
  }

  /** In up to four pieces; how long the broker was busy with them, in milliseconds. */
  push(bytes: Uint8Array, chance: Chance): number {
    const cuts = Array.from({ length: chance.below(4) }, () => chance.below(bytes.length + 1)).sort((a, b) => a - b);
    const elapsed = stopwatch();
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (!this.isClosed && cut > from) this.#handler.received(bytes.slice(from, cut));
      from = cut;
    }
    return elapsed();
  }

  send(): void {}

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handler.closed();
  }

  abort(): void {
    this.close();
  }
}

/** Whether a client that does everything right is served. */
async function answers(broker: RunningBroker): Promise<boolean> {
  const client = new RemotingClient((events) => openInProcess(broker, events));
  const late = new Promise<false>((resolve) => setTimeout(resolve, 5_000, false).unref());
  // Its topic is there from the start: those that inputs may bring into being can be used up.
  const sent = client.trySend("BenchmarkTest", "m").then(({ code }) => code === 0);
  const answered = await Promise.race([sent, late]);
  client.close();
  return answered;
}
