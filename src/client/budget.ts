import { ClientError } from "./error.ts";

interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
  readonly fail: (error: unknown) => void;
}

/** Room for so many requests of so many bytes; who finds none waits in line. */
export class Budget {
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #requests = 0;
  #bytes = 0;
  #isClosed = false;
  readonly #waiters = new Set<Waiter>();

  constructor(requestsMax: number, bytesMax: number) {
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  /** Resolves with the room taken, in the order asked. What is larger than the whole room gets it once it is empty. */
  take(bytes: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      if (this.#isClosed) {
        reject(new ClientError("CLIENT_CLOSED", "the client is closed"));
        return;
      }
      if (this.#waiters.size === 0 && this.#fits(bytes)) {
        this.#add(bytes);
        resolve();
        return;
      }
      const aborted = (): void => {
        this.#waiters.delete(waiter);
        reject(signal!.reason);
        this.#letIn();
      };
      const waiter: Waiter = {
        bytes,
        go: () => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        },
        fail: (error) => {
          signal?.removeEventListener("abort", aborted);
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  give(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
    this.#letIn();
  }

  close(): void {
    this.#isClosed = true;
    for (const { fail } of this.#waiters) fail(new ClientError("CLIENT_CLOSED", "the client is closed"));
    this.#waiters.clear();
  }

  #fits(bytes: number): boolean {
    return this.#requests === 0 || (this.#requests < this.#requestsMax && this.#bytes + bytes <= this.#bytesMax);
  }

  #add(bytes: number): void {
    this.#requests++;
    this.#bytes += bytes;
  }

  #letIn(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      this.#add(waiter.bytes);
      waiter.go();
    }
  }
}
