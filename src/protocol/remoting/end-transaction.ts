import { transactionType } from "../../broker/transaction/half.ts";
import { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 37 (EndTransactionProcessor). Clients send it one-way; that its sender does not know the end either changes nothing. */
export function endTransaction(request: Request, { broker }: BrokerRole): void | Promise<void> {
  const { fields } = request.header;
  const { answer } = request;
  const type = fields.int("commitOrRollback");
  const asked = {
    producerGroup: fields.text("producerGroup"),
    queueOffset: fields.long("tranStateTableOffset"),
    physicalOffset: fields.long("commitLogOffset"),
    isAnswer: fields.flag("fromTransactionCheck"),
  };
  if (type === transactionType.none) {
    answer.reply(responseCode.success);
    return;
  }
  if (type !== transactionType.commit && type !== transactionType.rollback) {
    throw new WasmqError("SYSTEM_ERROR", `commitOrRollback field wrong: ${type}`);
  }
  return broker.transactions.end(
    { ...asked, outcome: type === transactionType.commit ? "commit" : "rollback" },
    { ended: () => answer.reply(responseCode.success), failed: (error) => answer.fail(error) },
  );
}

/** 323 (AdminBrokerProcessor.resumeCheckHalfMessage): `msgId` is the id of its place. */
export async function resumeCheckHalfMessage(request: Request, { broker }: BrokerRole): Promise<void> {
  const id = request.header.fields.text("msgId");
  const place = /^(?:[0-9A-F]{16}|[0-9A-F]{40})([0-9A-F]{16})$/i.exec(id)?.[1];
  if (place === undefined)
    throw new WasmqError("SYSTEM_ERROR", `msgId names no place in the CommitLog: ${id.slice(0, 64)}`);
  await broker.transactions.resume(Number.parseInt(place, 16));
  request.reply(responseCode.success);
}
