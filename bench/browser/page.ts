import type { Measured, Run } from "./worker.ts";

declare global {
  interface Window {
    measure(run: Run): Promise<Measured>;
  }
}

/** Each run has a Worker of its own, so that none stands on what another one left in memory. */
window.measure = (run) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Measured>) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = ({ message }) => {
      worker.terminate();
      reject(new Error(message));
    };
    worker.postMessage(run);
  });
