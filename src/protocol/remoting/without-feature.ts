import { WasmqError } from "../../ports/error.ts";
import { writeBody } from "./body-json.ts";
import { requestCode, responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/*
 * What tools ask about features that a broker may be without: slaves, a controller, access control, RocksDB. Answered as an Apache broker
 * answers that is without them.
 */

/** 907: a master without slaves (AdminBrokerProcessor.getBrokerHaStatus). */
export function getBrokerHaStatus(request: Request, { broker }: BrokerRole): void {
  const body = {
    haClientRuntimeInfo: {
      lastReadTimestamp: 0,
      lastWriteTimestamp: 0,
      masterFlushOffset: 0,
      maxOffset: 0,
      transferredByteInSecond: 0,
    },
    haConnectionInfo: [],
    inSyncSlaveNums: 0,
    master: true,
    masterCommitLogMaxOffset: broker.store.logRange().maxOffset,
  };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** 908: what only a slave goes by (resetMasterFlushOffset). */
export function resetMasterFlushOffset(request: Request): void {
  request.reply(responseCode.success);
}

/** 1007 (getBrokerEpochCache). */
export function getBrokerEpochs(): never {
  throw new WasmqError("SYSTEM_ERROR", "this request only for controllerMode");
}

/** 354: ConsumeQueues of RocksDB beside those of files (checkRocksdbCqWriteProgress). */
export function checkRocksdbQueues(request: Request): void {
  const checkOk = 0;
  const body = { checkResult: "It is not CombineConsumeQueueStore, no need check", checkStatus: checkOk };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** 2003 (getColdDataFlowCtrInfo): no group is held back for reading what is old. */
export function getColdDataFlowControl(request: Request): void {
  const body = {
    runtimeTable: {},
    configTable: {},
    cgColdReadThreshold: 3_145_728,
    globalColdReadThreshold: 104_857_600,
    globalAcc: 0,
  };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** 3001 to 3010: users and what they may do. */
export function refuseAccessControl(): never {
  throw new WasmqError("SYSTEM_ERROR", "this broker has no access control: it serves whoever reaches it");
}

export const accessControlCodes: readonly number[] = [
  requestCode.authCreateUser,
  requestCode.authUpdateUser,
  requestCode.authDeleteUser,
  requestCode.authGetUser,
  requestCode.authListUsers,
  requestCode.authCreateAcl,
  requestCode.authUpdateAcl,
  requestCode.authDeleteAcl,
  requestCode.authGetAcl,
  requestCode.authListAcls,
];
