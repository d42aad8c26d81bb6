export { WasmqError } from "../../ports/error.ts";
export type { LogLevel, Telemetry } from "../../ports/telemetry.ts";
export type { TopicQueues } from "../../wasmq.ts";
export { ObjectBroker, type ObjectBrokerOptions, objectGeometry } from "./host.ts";
export { type BrokerRegistration, ObjectNameServer } from "./name-server.ts";
export type { HibernatingSocket, ObjectContext } from "./platform.ts";
