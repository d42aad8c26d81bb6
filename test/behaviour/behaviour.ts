import { afterEach, describe } from "vitest";
import { describeAdministration } from "./administration.ts";
import { describeBinaryHeaders } from "./binary-headers.ts";
import { describeDedup } from "./dedup.ts";
import { describeFilters } from "./filters.ts";
import { describeGroups } from "./groups.ts";
import { type BrokerHost, type HostedBroker, smallFiles } from "./host.ts";
import { describeHostileBytes } from "./hostile-bytes.ts";
import { describeHostileRequests } from "./hostile-requests.ts";
import { describeInnerBatches } from "./inner-batches.ts";
import { describeOffsets } from "./offsets.ts";
import { describePops } from "./pops.ts";
import { describePulling } from "./pull.ts";
import { describeQueries } from "./queries.ts";
import { describeQueueLocks } from "./queue-locks.ts";
import { describeRecovery } from "./recovery.ts";
import { describeReplies } from "./replies.ts";
import { describeRetention } from "./retention.ts";
import { describeRetries } from "./retries.ts";
import { describeSending } from "./send.ts";
import { connect, type Start } from "./start.ts";
import { describeStores } from "./stores.ts";
import { describeTimers } from "./timers.ts";
import { behaviourTitle } from "./title.ts";
import { describeTopics } from "./topics.ts";
import { describeTransactions } from "./transactions.ts";

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
    describeDedup(start);
    describePulling(start);
    describeFilters(start);
    describeBinaryHeaders(start);
    describeQueries(start);
    describeOffsets(start);
    describeGroups(start);
    describeQueueLocks(start);
    describeRetries(start);
    describeReplies(start);
    describeTransactions(start);
    describeTimers(start);
    describePops(start);
    describeTopics(start);
    describeAdministration(start);
    describeInnerBatches(start);
    describeRetention(start);
    describe("recovery", () => describeRecovery(start));
    describe("stores", () => describeStores(start));
    describe("hostile bytes", () => describeHostileBytes(host, start));
    describe("hostile requests", () => describeHostileRequests(start));
  });
}
