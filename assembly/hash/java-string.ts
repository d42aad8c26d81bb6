// Java's String.hashCode: h = 31·h + unit for each UTF-16 unit, in wrapping 32 bits.

/** String.hashCode of what Java's UTF-8 decoder makes of these bytes. */
export function hashUtf8(at: usize, length: i32): i32 {
  return hashUtf8From(0, at, length);
}

/** The same of a text that follows one whose hash is `h`. */
export function hashUtf8From(h: i32, at: usize, length: i32): i32 {
  const end = at + usize(length);
  // Four at a time: a step waits for the one before it.
  for (; at + 4 <= end; at += 4) {
    const four = load<u32>(at);
    if (four & 0x80808080) break;
    h =
      h * 923521 +
      i32(four & 0xff) * 29791 +
      i32((four >> 8) & 0xff) * 961 +
      i32((four >> 16) & 0xff) * 31 +
      i32(four >> 24);
  }
  for (; at < end; at++) {
    const byte = i32(load<u8>(at));
    if (byte >= 0x80) return hashBeyondAscii(h, at, end);
    h = h * 31 + byte;
  }
  return h;
}

const REPLACEMENT: i32 = 0xfffd;

/**
 * What `new String(bytes, UTF_8)` puts in place of malformed bytes (java.lang.StringCoding, JDK 9 and later): one U+FFFD for each
 * longest start of a sequence that could have been well-formed, and one for a whole three-byte surrogate. The latter is where
 * Java differs from the web's TextDecoder, which makes three of it.
 */
function hashBeyondAscii(h: i32, at: usize, end: usize): i32 {
  while (at < end) {
    const b1 = i32(load<u8>(at));
    const left = i32(end - at);
    if (b1 < 0x80) {
      h = h * 31 + b1;
      at += 1;
    } else if (b1 >= 0xc2 && b1 <= 0xdf) {
      if (left >= 2 && continues(at + 1)) {
        h = h * 31 + (((b1 & 0x1f) << 6) | low6(at + 1));
        at += 2;
      } else {
        h = h * 31 + REPLACEMENT;
        at += 1;
      }
    } else if (b1 >= 0xe0 && b1 <= 0xef) {
      if (left < 2 || !continues(at + 1) || (b1 === 0xe0 && load<u8>(at + 1) < 0xa0)) {
        h = h * 31 + REPLACEMENT;
        at += 1;
      } else if (left < 3 || !continues(at + 2)) {
        h = h * 31 + REPLACEMENT;
        at += 2;
      } else {
        const unit = ((b1 & 0x0f) << 12) | (low6(at + 1) << 6) | low6(at + 2);
        h = h * 31 + ((unit & 0xf800) === 0xd800 ? REPLACEMENT : unit);
        at += 3;
      }
    } else if (b1 >= 0xf0 && b1 <= 0xf4) {
      const b2 = left >= 2 ? i32(load<u8>(at + 1)) : 0;
      if ((b2 & 0xc0) !== 0x80 || (b1 === 0xf0 && b2 < 0x90) || (b1 === 0xf4 && b2 > 0x8f)) {
        h = h * 31 + REPLACEMENT;
        at += 1;
      } else if (left < 3 || !continues(at + 2)) {
        h = h * 31 + REPLACEMENT;
        at += 2;
      } else if (left < 4 || !continues(at + 3)) {
        h = h * 31 + REPLACEMENT;
        at += 3;
      } else {
        const point = ((b1 & 0x07) << 18) | ((b2 & 0x3f) << 12) | (low6(at + 2) << 6) | low6(at + 3);
        h = h * 31 + (0xd7c0 + (point >> 10));
        h = h * 31 + (0xdc00 | (point & 0x3ff));
        at += 4;
      }
    } else {
      h = h * 31 + REPLACEMENT;
      at += 1;
    }
  }
  return h;
}

function continues(at: usize): bool {
  return (load<u8>(at) & 0xc0) === 0x80;
}

function low6(at: usize): i32 {
  return i32(load<u8>(at) & 0x3f);
}
