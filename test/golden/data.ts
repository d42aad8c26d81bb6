/** The stores that DefaultMessageStore wrote: what each holds is in README.md. */
export const goldenStores = [
  "store",
  "store_crc",
  "store_ext",
  "store_lmq",
  "store_timer",
  "store_index",
  "store_killed",
] as const;

/** The stores that a broker wrote, for clients. */
export const goldenBrokers = ["broker", "broker_killed"] as const;

export type GoldenStore = (typeof goldenStores)[number];
export type GoldenBroker = (typeof goldenBrokers)[number];

/** One file of a store: text as it is, of bytes all that is not zero. */
export type GoldenFile =
  | { readonly text: string }
  | { readonly byteLength: number; readonly pieces: readonly (readonly [at: number, base64: string])[] };

/** A message as Apache's DefaultMessageStore was given it, and where it says that it stands. */
export interface GoldenRecord {
  readonly topic: string;
  readonly queueId: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly bornHost: readonly [address: string, port: number];
  readonly storeTimestamp: number;
  readonly storeHost: readonly [address: string, port: number];
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  /** Base64. */
  readonly body: string;
  readonly properties: string;
  readonly physicalOffset: number;
  readonly queueOffset: number;
}

/** A message that an official client sent, and where Apache's broker told it that it stands. */
export interface GoldenMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  /** The body; null for one that the client compressed. */
  readonly text: string | null;
}

export interface Golden<Sent> {
  /** RocketMQ's settings that the store was written with, and that are not the usual ones. */
  readonly settings: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, GoldenFile>>;
  readonly sent: readonly Sent[];
}
