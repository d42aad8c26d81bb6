// A CommitLog record (org.apache.rocketmq.store.MessageExtEncoder; MessageDecoder reads it). Big-endian. B and H are 8 for an
// IPv4 and 20 for an IPv6 address, T is 1 in V1 and 2 in V2.
//
//     0  i32  size                        of the whole record
//     4  i32  magic                       V1, V2, or that of a blank
//     8  i32  body CRC                    CRC-32 with bit 31 cleared; 0 without a body
//    12  i32  queue id
//    16  i32  flag                        the application's
//    20  i64  queue offset                index in the queue, not bytes
//    28  i64  physical offset             where byte 0 of this record stands in the CommitLog
//    36  i32  sysFlag                     0x10: B is 20, 0x20: H is 20
//    40  i64  born timestamp              ms, the producer's
//    48   B   born host                   4 or 16 address bytes, i32 port
//  48+B  i64  store timestamp             ms, the broker's
//  56+B   H   store host
//     X  i32  reconsume times             X = 56+B+H
//   X+4  i64  prepared transaction offset of the half message that a committed one came from
//  X+12  i32  body length
//  X+16       body
//         T   topic length                V1: a signed byte, V2: i16
//             topic                       UTF-8
//        i16  properties length
//             properties                  name 0x01 value 0x02, repeated; the last 0x02 may be missing
//
// 91 bytes in V1 with two IPv4 addresses and nothing of variable length.

export const MAGIC_V1: i32 = 0xdaa320a7;
export const MAGIC_V2: i32 = 0xdaa320ab;
export const MAGIC_BLANK: i32 = 0xcbd43194;

export const SIZE: usize = 0;
export const MAGIC: usize = 4;
export const BODY_CRC: usize = 8;
export const QUEUE_ID: usize = 12;
export const FLAG: usize = 16;
export const QUEUE_OFFSET: usize = 20;
export const PHYSICAL_OFFSET: usize = 28;
export const SYS_FLAG: usize = 36;
export const BORN_TIMESTAMP: usize = 40;
export const BORN_HOST: usize = 48;

// Behind the born host, counted from its end.
export const STORE_TIMESTAMP_AFTER_BORN_HOST: usize = 0;
export const STORE_HOST_AFTER_BORN_HOST: usize = 8;

// Behind the store host, counted from its end (X above).
export const RECONSUME_TIMES_AT_X: usize = 0;
export const PREPARED_TRANSACTION_OFFSET_AT_X: usize = 4;
export const BODY_LENGTH_AT_X: usize = 12;
export const BODY_AT_X: usize = 16;

export const HOST_V4_BYTES: i32 = 8;
export const HOST_V6_BYTES: i32 = 20;
export const BORN_HOST_V6: i32 = 0x10;
export const STORE_HOST_V6: i32 = 0x20;

/** Size of a V1 record with IPv4 addresses, without body, topic and properties. */
export const RECORD_BYTES_MIN: i32 = 91;

/** A V1 topic length is a signed byte; a longer topic makes the record V2. */
export const TOPIC_V1_BYTES_MAX: i32 = 127;
export const TOPIC_V2_BYTES_MAX: i32 = 32767;
export const PROPERTIES_BYTES_MAX: i32 = 32767;

/** CRC values are stored without their highest bit (UtilAll.crc32). */
export const CRC_MASK: u32 = 0x7fffffff;

/** Distance of the body from the record's start: X+16. */
export function bodyAt(bornHostLength: i32, storeHostLength: i32): i32 {
  return 72 + bornHostLength + storeHostLength;
}

/** Bytes of the topic's length field. */
export function topicLengthBytes(magic: i32): i32 {
  return magic === MAGIC_V2 ? 2 : 1;
}
