// The store is big-endian throughout (Java's ByteBuffer), WebAssembly is little-endian.

export function loadI16(at: usize): i32 {
  return i32(bswap<i16>(load<i16>(at)));
}

export function loadI32(at: usize): i32 {
  return bswap<i32>(load<i32>(at));
}

export function loadI64(at: usize): i64 {
  return bswap<i64>(load<i64>(at));
}

export function storeI16(at: usize, value: i32): void {
  store<i16>(at, bswap<i16>(i16(value)));
}

export function storeI32(at: usize, value: i32): void {
  store<i32>(at, bswap<i32>(value));
}

export function storeI64(at: usize, value: i64): void {
  store<i64>(at, bswap<i64>(value));
}
