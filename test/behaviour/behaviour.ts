import { afterEach, describe } from "vitest";
import { describeGroups } from "./groups.ts";
import { type BrokerHost, type HostedBroker, smallFiles } from "./host.ts";
import { describeHostileBytes } from "./hostile-bytes.ts";
import { describeHostileRequests } from "./hostile-requests.ts";
import { describeOffsets } from "./offsets.ts";
import { describePulling } from "./pull.ts";
import { describeQueueLocks } from "./queue-locks.ts";
import { describeRecovery } from "./recovery.ts";
import { describeRetries } from "./retries.ts";
import { describeSending } from "./send.ts";
import { connect, type Start } from "./start.ts";
import { describeStores } from "./stores.ts";
import { behaviourTitle } from "./title.ts";
import { describeTopics } from "./topics.ts";

/** What a broker does, on whatever host: the one suite that each host's behaviour.test.ts calls with its factory. */
export function describeBehaviour(host: BrokerHost): void {
  describe(`${behaviourTitle}${host.name}`, () => {
    const brokers: HostedBroker[] = [];
    const start: Start = async (options = {}) => {
      const broker = await host.fresh({ ...options, store: { ...smallFiles, ...options.store } });
      brokers.push(broker);
      return { broker, client: await connect(broker) };
    };

    afterEach(async () => {
      for (const broker of brokers.splice(0)) await broker.dispose();
    });

    describeSending(start);
    describePulling(start);
    describeOffsets(start);
    describeGroups(start);
    describeQueueLocks(start);
    describeRetries(start);
    describeTopics(start);
    describe("recovery", () => describeRecovery(start));
    describe("stores", () => describeStores(start));
    describe("hostile bytes", () => describeHostileBytes(host, start));
    describe("hostile requests", () => describeHostileRequests(start));
  });
}
