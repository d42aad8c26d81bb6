/** CRC-32 of java.util.zip.CRC32, a bit at a time. */
export function crc32Model(bytes: Uint8Array, seed = 0): number {
  let register = ~seed;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1;
  }
  return ~register >>> 0;
}

/** The same a byte at a time, for long input. */
export function crc32ByTable(bytes: Uint8Array, seed = 0): number {
  let register = ~seed;
  for (const byte of bytes) register = (register >>> 8) ^ TABLE[(register ^ byte) & 255]!;
  return ~register >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1;
  return register;
});
