import { hashCodeModel } from "./java-string.ts";
import { parsePropertiesModel } from "./properties.ts";
import { encodeRecordModel, encodeUnitModel, Reader, type RecordModel, Writer } from "./record.ts";

// Where records and units stand, a second time: section 1.5, 3.1 and 3.2 of RocketMQ's format, one message after the other.

/** A record that was taken apart field by field. */
export interface DecodedModel extends RecordModel {
  readonly size: number;
  readonly physicalOffset: number;
}

/** The record at a byte, by its own lengths; undefined for anything else. Throws for one that does not add up. */
export function decodeRecordModel(bytes: Uint8Array, at: number): DecodedModel | undefined {
  if (bytes.length - at < 8) return undefined;
  const size = new Reader(bytes.subarray(at)).i32();
  if (size < 91 || size > bytes.length - at) return undefined;
  const reader = new Reader(bytes.subarray(at, at + size));
  reader.raw(4);
  const magic = reader.i32() >>> 0;
  if (magic !== 0xdaa320a7 && magic !== 0xdaa320ab) return undefined;
  reader.raw(4);
  const queueId = reader.i32();
  const flag = reader.i32();
  const queueOffset = Number(reader.i64());
  const physicalOffset = Number(reader.i64());
  const sysFlag = reader.i32();
  const bornTimestamp = Number(reader.i64());
  const bornHost = reader.raw(sysFlag & 0x10 ? 20 : 8).slice();
  const storeTimestamp = Number(reader.i64());
  const storeHost = reader.raw(sysFlag & 0x20 ? 20 : 8).slice();
  const reconsumeTimes = reader.i32();
  const preparedTransactionOffset = Number(reader.i64());
  const body = reader.raw(reader.i32()).slice();
  const topic = reader.raw(magic === 0xdaa320ab ? reader.i16() : reader.i8()).slice();
  const properties = new TextDecoder().decode(reader.raw(reader.i16()));
  if (reader.left !== 0) throw new Error(`${reader.left} bytes are left of the record at ${at}`);
  return {
    ...{
      size,
      physicalOffset,
      queueId,
      flag,
      queueOffset,
      sysFlag,
      bornTimestamp,
      bornHost,
      storeTimestamp,
      storeHost,
    },
    ...{ reconsumeTimes, preparedTransactionOffset, topic, body, properties },
  };
}

/** All records of a CommitLog of whole files, in order. */
export function recordsModel(log: Uint8Array, fileSize: number): DecodedModel[] {
  const records: DecodedModel[] = [];
  for (let start = 0; start < log.length; start += fileSize) {
    for (let at = start; at < start + fileSize; ) {
      const record = decodeRecordModel(log.subarray(0, start + fileSize), at);
      if (record === undefined) break;
      records.push(record);
      at += record.size;
    }
  }
  return records;
}

/**
 * The CommitLog that these messages make, in their order: `together` has for each how many follow it as one batch, itself included (they
 * move to the next file as one); default: each alone.
 */
export function commitLogModel(
  records: readonly RecordModel[],
  fileSize: number,
  propertyCrc: boolean,
  together: readonly number[] = records.map(() => 1),
): Uint8Array {
  const files: Uint8Array[] = [new Uint8Array(fileSize)];
  let at = 0;
  let record = 0;
  for (const count of together) {
    const encode = (): Uint8Array[] => {
      let offset = (files.length - 1) * fileSize + at;
      return records.slice(record, record + count).map((one) => {
        const { bytes } = encodeRecordModel(one, offset, propertyCrc)!;
        offset += bytes.length;
        return bytes;
      });
    };
    let encoded = encode();
    if (encoded.reduce((sum, { length }) => sum + length, 0) + 8 > fileSize - at) {
      files.at(-1)!.set(new Writer().i32(fileSize - at).i32(0xcbd43194).bytes, at);
      files.push(new Uint8Array(fileSize));
      at = 0;
      encoded = encode();
    }
    for (const bytes of encoded) {
      files.at(-1)!.set(bytes, at);
      at += bytes.length;
    }
    record += count;
  }
  const log = new Uint8Array(files.length * fileSize);
  for (const [index, file] of files.entries()) log.set(file, index * fileSize);
  return log;
}

/** The units of each queue, `topic/queue`, without the zeros behind them. Delays are those of the levels, in milliseconds. */
export function consumeQueuesModel(
  records: readonly DecodedModel[],
  delaysMs: readonly number[],
): Map<string, Uint8Array> {
  const units = new Map<string, number[]>();
  for (const record of records) {
    const kind = record.sysFlag & 0xc;
    // Prepared and rolled back; and inner batches, whose queues are of another kind.
    if (kind === 4 || kind === 12 || (record.sysFlag & 0x80) !== 0) continue;
    const topic = new TextDecoder().decode(record.topic);
    const properties = parsePropertiesModel(record.properties);
    let code = BigInt(hashCodeModel(properties.get("TAGS") ?? ""));
    const level = Number(properties.get("DELAY") ?? 0);
    if (topic === "SCHEDULE_TOPIC_XXXX" && level > 0) {
      code = BigInt(record.storeTimestamp + (delaysMs[Math.min(level, delaysMs.length) - 1] ?? 1_000));
    }
    const unit = encodeUnitModel(
      record.physicalOffset,
      record.size,
      Number(code >> 32n),
      Number(BigInt.asIntN(32, code)),
    );
    const queue = `${topic}/${record.queueId}`;
    units.set(queue, [...(units.get(queue) ?? []), ...unit]);
  }
  return new Map(Array.from(units, ([queue, bytes]) => [queue, Uint8Array.from(bytes)]));
}
