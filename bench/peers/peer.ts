import type { MeasuredProcess } from "../server.ts";

/** A server of another kind, loaded by the generator in its own protocol. */
export interface Peer extends MeasuredProcess {
  readonly port: number;
  readonly protocol: "resp" | "nats";
}

export interface PeerFound {
  readonly version: string;
  /** With its store in a directory of its own. `syncLibrary` as in ServerOptions. */
  start(syncLibrary?: string): Promise<Peer>;
}

/** What a machine may have; `missing` says why it has not. */
export type FindPeer = () => Promise<PeerFound | { readonly missing: string }>;
