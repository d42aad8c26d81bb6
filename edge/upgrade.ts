import { type HibernatingSocket, WasmqError } from "../src/hosts/durable-object/index.ts";

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

const statuses: Readonly<Record<string, number>> = {
  INVALID_PARAMETER: 400,
  MESSAGE_ILLEGAL: 400,
  NO_PERMISSION: 403,
  TOPIC_NOT_EXIST: 404,
  STORE_UNWRITABLE: 409,
  SYSTEM_BUSY: 503,
  SERVICE_NOT_AVAILABLE: 503,
  STORE_UNREADABLE: 503,
  STORE_FULL: 507,
};

/** What went wrong, as JSON with the stable code. */
export function failure(error: unknown): Response {
  if (!(error instanceof WasmqError)) throw error;
  const { code, message } = error;
  return Response.json({ code, message }, { status: statuses[code] ?? 500 });
}
