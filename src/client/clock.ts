/** Time, delay and chance as a client needs them; a test may bring its own. */
export interface ClientClock {
  /** Wall-clock milliseconds since 1970. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Runs `task` once after `ms` milliseconds. What is returned takes that back. */
  after(ms: number, task: () => void): () => void;
  /** Runs `task` when the code that runs now has ended: what was written meanwhile leaves as one. */
  soon(task: () => void): void;
  /** When the month began, in the time zone of this place, as wall-clock milliseconds: unique keys count from there. */
  monthStart(atMs: number): number;
}

export const platformClock: ClientClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  soon: (task) => queueMicrotask(task),
  monthStart(atMs) {
    const at = new Date(atMs);
    return new Date(at.getFullYear(), at.getMonth(), 1).getTime();
  },
};

/** Resolves when `promise` is settled, or after `ms` milliseconds. */
export async function settledWithin(clock: ClientClock, promise: Promise<unknown>, ms: number): Promise<void> {
  let cancel = (): void => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([Promise.allSettled([promise]), late]);
  cancel();
}

/** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
export function sleep(clock: ClientClock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const aborted = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
