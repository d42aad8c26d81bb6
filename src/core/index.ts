export * from "./core.ts";
export { decodeHost, encodeHost } from "./host-address.ts";
