import { createConnection } from "node:net";
import { connectionIdleMsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Dialer } from "../../ports/network.ts";
import { type Accept, attach } from "./network.ts";

/** Opens TCP connections to `host:port`, an IPv6 host in brackets. */
export class TcpDialer implements Dialer {
  readonly #timeoutMs: number;

  /** `timeoutMs`: RocketMQ's setting connectTimeoutMillis. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  dial(address: string, accept: Accept): Promise<void> {
    return new Promise((resolve, reject) => {
      const { host, port } = hostAndPort(address);
      const socket = createConnection({ host, port, noDelay: true });
      const fail = (why: string): void => {
        socket.destroy();
        reject(new WasmqError("ADDRESS_UNUSABLE", `${address}: ${why}`));
      };
      const late = (): void => fail(`no connection in ${this.#timeoutMs} ms`);
      socket.setTimeout(this.#timeoutMs, late);
      // Stays for the socket's life: an error then ends the connection, and "close" follows.
      socket.on("error", (error) => fail(error.message));
      socket.once("close", () => fail("the connection was closed"));
      socket.once("connect", () => {
        socket.off("timeout", late);
        attach(socket, accept, connectionIdleMsMax);
        resolve();
      });
    });
  }
}

/** Throws INVALID_PARAMETER for what is no `host:port`. */
export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535 || Number(port) === 0) {
    throw new WasmqError("INVALID_PARAMETER", `${JSON.stringify(address)} is no address of a name server: HOST:PORT`);
  }
  return { host, port: Number(port) };
}
