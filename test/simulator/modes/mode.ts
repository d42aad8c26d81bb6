/** How messages are sent and consumed beside the usual way: clients that do so, and what is held against the broker. */
export interface Mode {
  /** Its topics, and how many queues each has: made before anything fails. */
  readonly topics: Readonly<Record<string, number>>;
  /** A client does something; what comes of it is looked at when it comes. Called all along, whatever state the broker is in. */
  operate(): void;
  /** Nothing fails any more, and clients end what they have begun: called until no time is left for that. */
  windUp(leftMs: number): void;
  /** Nothing goes on: everything is read, and all that was promised has to be there. */
  audit(): Promise<void>;
}
