/** A value that a host may have at once. Keeps promises off the hot path of hosts that never wait. */
export type Eventually<T> = T | Promise<T>;

/** Goes on with the value: now if it is here, else when it comes. */
export function whenReady<T, R>(value: Eventually<T>, go: (value: T) => Eventually<R>): Eventually<R> {
  return value instanceof Promise ? value.then(go) : go(value);
}

/** As `then`, for work that may also fail: a throw now and a rejection later both reach `fail`. */
export function attempt<R>(
  work: () => Eventually<void>,
  done: () => Eventually<R>,
  fail: (error: unknown) => R,
): Eventually<R> {
  let outcome: Eventually<void>;
  try {
    outcome = work();
  } catch (error) {
    return fail(error);
  }
  return outcome instanceof Promise ? outcome.then(done, fail) : done();
}
