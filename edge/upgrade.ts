import { type HibernatingSocket, WasmqError } from "../src/hosts/durable-object/index.ts";
import { log } from "./log.ts";

/** Answers a request for a WebSocket, whose one end `accept` takes. */
export function upgrade(
  request: Request,
  accept: (socket: HibernatingSocket, from: { remoteAddress: string; origin: string }) => void,
): Response {
  if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
    return Response.json({ code: "INVALID_PARAMETER", message: "connect with a WebSocket" }, { status: 426 });
  }
  const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  const { protocol, host } = new URL(request.url);
  try {
    accept(server, {
      remoteAddress: request.headers.get("CF-Connecting-IP") ?? "127.0.0.1",
      origin: `${protocol === "https:" ? "wss:" : "ws:"}//${host}`,
    });
  } catch (error) {
    return failure(error);
  }
  return new Response(null, { status: 101, webSocket: client });
}

/** The status of each code; 500 for what is no fault of the caller's and will not pass by itself. */
const statuses: Readonly<Record<string, number>> = {
  INVALID_PARAMETER: 400,
  MESSAGE_ILLEGAL: 400,
  NO_PERMISSION: 403,
  TOPIC_NOT_EXIST: 404,
  STORE_UNWRITABLE: 409,
  SYSTEM_BUSY: 503,
  SERVICE_NOT_AVAILABLE: 503,
  ADDRESS_UNUSABLE: 503,
  CONNECTION_CLOSED: 503,
  STORE_UNREADABLE: 503,
  REQUEST_TIMEOUT: 504,
  STORE_FULL: 507,
};

/** What went wrong, as JSON with the stable code. Of what nobody expected only the log has the details. */
export function failure(error: unknown, status?: number): Response {
  if (error instanceof WasmqError) {
    const { code, message } = error;
    return Response.json({ code, message }, { status: status ?? statuses[code] ?? 500 });
  }
  // The platform's sign that an object has more to do than it can.
  if (error instanceof Error && (error as { readonly overloaded?: boolean }).overloaded === true) {
    return Response.json({ code: "SYSTEM_BUSY", message: error.message }, { status: 503 });
  }
  log.log("error", "a request failed", {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return Response.json({ code: "SYSTEM_ERROR", message: "the request failed; the log has why" }, { status: 500 });
}
