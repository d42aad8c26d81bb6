// CRC-32 as in java.util.zip.CRC32: polynomial x^32+x^26+x^23+x^22+x^16+x^12+x^11+x^10+x^8+x^7+x^5+x^4+x^2+x+1, bit-reflected:
// bit 31 of a register is the coefficient of x^0, bit 0 of a byte is the first on the line.

const POLYNOMIAL: u32 = 0xedb88320;

/** Sixteen tables of 256 words. Table k holds what a byte followed by k zero bytes makes of an empty register. */
export const TABLES: usize = memory.data(16 * 1024, 64);

/** Four tables of 256 words. Table k holds x^(8·d·256^k) mod P for each digit d: the factor that d·256^k bytes apply. */
export const POWERS: usize = memory.data(4 * 1024, 64);

/** The register after four zero bytes: register·x^32 mod P. */
export function shift32(register: u32): u32 {
  return (
    load<u32>(TABLES + 3 * 1024 + (usize(register & 255) << 2)) ^
    load<u32>(TABLES + 2 * 1024 + (usize((register >> 8) & 255) << 2)) ^
    load<u32>(TABLES + 1024 + (usize((register >> 16) & 255) << 2)) ^
    load<u32>(TABLES + (usize(register >> 24) << 2))
  );
}

/** The register after one zero byte: register·x^8 mod P. */
export function shift8(register: u32): u32 {
  return (register >> 8) ^ load<u32>(TABLES + (usize(register & 255) << 2));
}

/** Fills TABLES; everything else in this folder needs it. */
export function buildTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) register = (register >> 1) ^ (POLYNOMIAL & (0 - (register & 1)));
    store<u32>(TABLES + (usize(byte) << 2), register);
  }
  for (let entry: usize = 1024; entry < 16 * 1024; entry += 4) {
    store<u32>(TABLES + entry, shift8(load<u32>(TABLES + entry - 1024)));
  }
}
