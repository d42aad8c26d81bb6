import { WasmqError } from "../../ports/error.ts";

/** A store taken by a Web Lock: the browser gives it back when its holder's page or Worker is gone, however it went. */
export class StoreLock {
  readonly #name: string;
  #release: (() => void) | undefined;
  #released: Promise<unknown> | undefined;

  /** `store` names the store among all of its origin. */
  constructor(store: string) {
    this.#name = `wasmq:${store}`;
  }

  /**
   * Rejects with STORE_LOCKED when the store is another's for all of `waitMs`: the Worker of a closed tab may live a moment
   * longer than its tab.
   */
  take(waitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const kept = new Promise<void>((release) => {
        this.#release = release;
      });
      const locked = () => reject(new WasmqError("STORE_LOCKED", `${this.#name} is in use by another tab or Worker`));
      this.#released = navigator.locks
        .request(
          this.#name,
          waitMs > 0 ? { signal: AbortSignal.timeout(waitMs) } : { ifAvailable: true },
          (lock): Promise<void> | undefined => {
            if (lock === null) {
              locked();
              return undefined;
            }
            resolve();
            return kept;
          },
        )
        .catch((error: unknown) => {
          if (error instanceof DOMException && error.name === "TimeoutError") locked();
          else reject(error);
        });
    });
  }

  /** Ends when another may take it. */
  async release(): Promise<void> {
    this.#release?.();
    await this.#released;
  }
}
