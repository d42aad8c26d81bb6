import { WasmqError } from "../../ports/error.ts";
import { fieldsOf } from "./answer-fields.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { NameServerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 100 (DefaultRequestProcessor.putKVConfig). */
export async function putKvConfig({ header: { fields }, answer }: Request, { nameServer }: NameServerRole) {
  await nameServer.kv.put(fields.text("namespace"), fields.text("key"), fields.text("value"));
  answer.reply(responseCode.success);
}

/** 101 (DefaultRequestProcessor.getKVConfig). */
export function getKvConfig(request: Request, { nameServer }: NameServerRole): void {
  const namespace = request.header.fields.text("namespace");
  const key = request.header.fields.text("key");
  const value = nameServer.kv.get(namespace, key);
  if (value === undefined) {
    throw new WasmqError("QUERY_NOT_FOUND", `No config item, Namespace: ${namespace} Key: ${key}`);
  }
  request.reply(responseCode.success, fieldsOf({ value }));
}

/** 102 (DefaultRequestProcessor.deleteKVConfig). */
export async function deleteKvConfig({ header: { fields }, answer }: Request, { nameServer }: NameServerRole) {
  await nameServer.kv.delete(fields.text("namespace"), fields.text("key"));
  answer.reply(responseCode.success);
}

/** 219 (DefaultRequestProcessor.getKVListByNamespace). */
export function getKvList(request: Request, { nameServer }: NameServerRole): void {
  const namespace = request.header.fields.text("namespace");
  const entries = nameServer.kv.all(namespace);
  if (entries === undefined) throw new WasmqError("QUERY_NOT_FOUND", `No config item, Namespace: ${namespace}`);
  request.reply(responseCode.success, undefined, undefined, kvTable(entries));
}

/** KVTable. */
export function kvTable(entries: ReadonlyMap<string, string>): Uint8Array {
  return writeBody({ table: Object.fromEntries(entries) });
}
