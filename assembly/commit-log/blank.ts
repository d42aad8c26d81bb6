import { storeI32 } from "../endian";
import { MAGIC, MAGIC_BLANK, SIZE } from "./layout";

// What fills a CommitLog file up when the next record does not fit (CommitLog.DefaultAppendMessageCallback):
//
//   0  i32  bytes from here to the end of the file
//   4  i32  magic CBD43194
//   8       left as it is
//
// A record is only written where these 8 bytes fit behind it.

export function encodeBlank(at: usize, length: i32): void {
  storeI32(at + SIZE, length);
  storeI32(at + MAGIC, MAGIC_BLANK);
}
