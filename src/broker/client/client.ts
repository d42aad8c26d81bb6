import { clientIdCharsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";

/** A connected client, as its protocol presents it. One connection may carry many groups. */
export interface Client {
  /** `address:port` of the far end, for people to read. */
  readonly address: string;
  /** True while so much waits to be read that the client is to be sent no messages. */
  readonly isBehind: boolean;
  /** Tells the client that the members of one of its groups changed. */
  notifyConsumerIdsChanged(group: string): void;
}

/** What a client says of itself with each heartbeat. */
export interface ClientInfo {
  readonly clientId: string;
  readonly language: string;
  readonly version: number;
}

export function checkClientId(clientId: string): void {
  if (clientId.length > clientIdCharsMax) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      `a client id of ${clientId.length} characters: allowed are ${clientIdCharsMax}`,
    );
  }
}
