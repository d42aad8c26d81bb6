import { afterEach, beforeEach, describe } from "vitest";
import type { Carrier } from "../../src/client/carrier.ts";
import { Client, type ClientOptions } from "../../src/client/client.ts";
import { consumingTests } from "./consuming.ts";
import { groupTests } from "./groups.ts";
import { poppingTests } from "./popping.ts";
import { sendingTests } from "./sending.ts";
import { transactionTests } from "./transactions.ts";

/** Retries come back soon. */
export const messageDelayLevel = Array.from({ length: 18 }, () => "1s").join(" ");

/** Transactions are asked about soon, where a host lets a test say so. */
export const soonAsked = { transactionTimeOutMs: 300, transactionCheckIntervalMs: 500 };

/** A broker that is running, and the way to it. */
export interface ClientSetting {
  readonly nameServers: readonly string[];
  /** Called once for each client. */
  carrier(): Carrier;
  stop(): Promise<void>;
}

/** What the tests of one carrier are given: clients of a fresh broker, ended after each test. */
export interface Clients {
  client(options?: Partial<ClientOptions>): Client;
}

/** The client's behaviour, whatever carries its bytes. `start` makes a fresh broker for each test. */
export function describeClient(name: string, start: () => Promise<ClientSetting>): void {
  describe(`a client ${name}`, { timeout: 60_000 }, () => {
    let setting: ClientSetting;
    let running: Client[];

    beforeEach(async () => {
      setting = await start();
      running = [];
    });

    afterEach(async () => {
      await Promise.all(running.map((client) => client.close()));
      await setting.stop();
    });

    const clients: Clients = {
      client(options = {}) {
        const client = new Client({ nameServers: setting.nameServers, carrier: setting.carrier(), ...options });
        running.push(client);
        return client;
      },
    };
    sendingTests(clients);
    consumingTests(clients);
    groupTests(clients);
    poppingTests(clients);
    transactionTests(clients);
  });
}

export const utf8 = new TextDecoder();

/** Polls until `holds`, for so long as a starved machine may need. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
