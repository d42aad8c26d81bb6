/**
 * The rows of the README's table of modes. A test of test/interop counts for a mode if its title, or that of a suite around it, has one of
 * the mode's tags as a word with # before it ("... keep their order #ordered"), or else if its file, or a folder of it, is named so
 * (`transactions.test.ts`). Which client and which broker it is about its titles say as well: "wasmq, client 5.5.0".
 */
export interface Mode {
  readonly name: string;
  readonly tags: readonly string[];
}

export const modes: readonly Mode[] = [
  { name: "Sending: sync, async, one-way; unique keys", tags: ["sending"] },
  { name: "Batches", tags: ["batches", "batch"] },
  { name: "Inner batches (`queue.type=BatchCQ`)", tags: ["inner-batches", "inner-batch", "auto-batch"] },
  { name: "Limits of size, flow control", tags: ["limits", "flow-control"] },
  { name: "Request and reply", tags: ["request-reply"] },
  { name: "Transactions", tags: ["transactions", "transaction"] },
  { name: "Delay levels", tags: ["delay-levels", "delay"] },
  { name: "Timer messages, recall", tags: ["timers", "timer", "recall"] },
  { name: "Ordered, by queue and by sharding key", tags: ["ordered", "orderly"] },
  { name: "Push consumers, clustering", tags: ["push", "clustering"] },
  { name: "Push consumers, broadcasting", tags: ["broadcasting"] },
  { name: "Lite pull consumer", tags: ["lite-pull"] },
  { name: "Pull consumer (the old one)", tags: ["pull", "old-pull"] },
  { name: "POP", tags: ["pop"] },
  { name: "Tags", tags: ["tags"] },
  { name: "SQL92 and property filters", tags: ["sql92", "sql", "filters"] },
  { name: "Strategies of allocation", tags: ["allocation", "rebalance"] },
  { name: "Where a group begins", tags: ["consume-from"] },
  { name: "Retries and dead letters", tags: ["retries"] },
  { name: "Offsets: query, search, reset", tags: ["offsets", "reset-offset"] },
  { name: "Queries: key, unique key, id", tags: ["queries", "query"] },
  { name: "Trace", tags: ["trace"] },
  { name: "Administration (`mqadmin`, but for its `known-gaps.txt`)", tags: ["admin", "mqadmin"] },
];

/** The columns, each with what a title says of it. */
export const clients: readonly { readonly name: string; readonly title: RegExp }[] = [
  { name: "Java 4.9.1", title: /\b(client|Java) 4\.9\.1/ },
  { name: "Java 5.5.0", title: /\b(client|Java|mqadmin) 5\.5\.0/ },
  { name: "JavaScript", title: /\bJavaScript\b/ },
  { name: "Go v2", title: /\bGo\b/ },
  { name: "Spring", title: /\bSpring\b/ },
];
