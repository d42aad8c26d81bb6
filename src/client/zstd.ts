import { zstdBlocksMax } from "../limits.ts";
import { Output } from "./output.ts";

/*
 * Zstandard (RFC 8878), little-endian. A body is frames, and between them skippable ones (u32 magic, u32 size, its bytes):
 *
 *   0  u32  magic
 *   4  u8   bits 0-1 size of the dictionary's id, 2 a checksum ends the frame, 3 reserved, 5 no window byte, 6-7 size of the
 *           content's size
 *      u8   window, unless bit 5: bits 0-2 mantissa, 3-7 exponent
 *      0, 1, 2 or 4 bytes of dictionary's id
 *      0 (or 1, with bit 5), 2, 4 or 8 bytes of content size; that of 2 bytes is less 256
 *      blocks: u24 with bit 0 last, bits 1-2 raw, RLE or compressed, bits 3-23 size; then its bytes, one for RLE
 *      u32  checksum, if any: passed over, since the message's own CRC has been checked
 *
 * Whatever the bytes are, the work is bounded: by the number of blocks, each with at most four tables of 2,048 entries or less,
 * and by the bytes that come out, since each sequence makes three of them or more.
 */
const magic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const blockBytesMax = 128 * 1024;
const huffmanBitsMax = 11;
/** Further back than 64 MiB nothing is asked for; and these are as many bits as are read at once. */
const offsetBitsMax = 25;

/** `bytesMax` is 64 MiB or less. Throws an `Error` for what is not whole frames, needs a dictionary or holds more. */
export function inflateZstd(body: Uint8Array, bytesMax: number): Uint8Array {
  const input = new Input(body, new DataView(body.buffer, body.byteOffset, body.byteLength), 0, body.length);
  const out = new Output(body, bytesMax);
  let blocks = 0;
  do {
    const start = input.uint(4);
    if (start - (start % 16) === skippableMagic) input.skip(input.uint(4));
    else if (start === magic) blocks += inflateFrame(input, out, zstdBlocksMax - blocks);
    else throw new Error("it is no Zstandard frame");
  } while (input.left > 0);
  return out.bytes();
}

/** Gives how many blocks the frame had. */
function inflateFrame(input: Input, out: Output, blocksMax: number): number {
  const descriptor = input.uint(1);
  if ((descriptor & 8) !== 0) throw new Error("its header is unknown");
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowByte = isSingleSegment ? 0 : input.uint(1);
  if (input.uint([0, 1, 2, 4][descriptor & 3]!) !== 0) throw new Error("it needs a dictionary");
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const size = sizeBytes === 0 ? undefined : input.uint(sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  const window = isSingleSegment ? size! : 2 ** (10 + (windowByte >> 3)) * (1 + (windowByte & 7) / 8);

  const start = out.length;
  const compressed = new CompressedBlocks(out, window);
  const bytesMax = Math.min(blockBytesMax, window);
  for (let blocks = 1; ; blocks++) {
    if (blocks > blocksMax) throw new Error(`it has more than ${zstdBlocksMax} blocks`);
    const header = input.uint(3);
    const bytes = header >> 3;
    if (bytes > bytesMax) throw new Error(blockTooLarge);
    const kind = (header >> 1) & 3;
    if (kind === 0) out.append(input.bytes, input.skip(bytes), bytes);
    else if (kind === 1) out.fill(input.uint(1), bytes);
    else if (kind === 2) compressed.inflate(input.part(bytes), bytesMax);
    else throw new Error("it has a block of an unknown kind");
    if ((header & 1) === 0) continue;
    if ((descriptor & 4) !== 0) input.skip(4);
    if (size !== undefined && out.length - start !== size) throw new Error("it does not hold as much as it says");
    return blocks;
  }
}

/** The compressed blocks of one frame: literals, then sequences that say what of them and what of the output comes next. */
class CompressedBlocks {
  readonly #out: Output;
  readonly #start: number;
  readonly #window: number;

  // What a block leaves to the next one.
  #huffman: Uint16Array | undefined;
  readonly #tables = new Map<Field, FseTable>();
  readonly #distances: [number, number, number] = [1, 4, 8];

  constructor(out: Output, window: number) {
    this.#out = out;
    this.#start = out.length;
    this.#window = window;
  }

  inflate(input: Input, bytesMax: number): void {
    const end = this.#out.length + bytesMax;
    const literals = this.#literals(input, bytesMax);
    const taken = this.#sequences(input, literals, end);
    const rest = literals.length - taken;
    if (this.#out.length + rest > end) throw new Error(blockTooLarge);
    this.#out.append(literals, taken, rest);
  }

  /**
   * Bits 0-1 raw, RLE, compressed or treeless (compressed by the table before), bits 2-3 format of the sizes that follow:
   *
   *   raw, RLE              0 and 2 a u5 from bit 3, 1 u12, 3 u20
   *   compressed, treeless  inflated and compressed size: 0 and 1 two u10, 2 two u14, 3 two u18; 0 is one stream, the others four
   */
  #literals(input: Input, bytesMax: number): Uint8Array {
    const first = input.uint(1);
    const kind = first & 3;
    const format = (first >> 2) & 3;
    if (kind < 2) {
      const size = (format & 1) === 0 ? first >> 3 : (first >> 4) + input.uint(format === 1 ? 1 : 2) * 16;
      if (size > bytesMax) throw new Error(blockTooLarge);
      return kind === 0 ? input.part(size).rest() : new Uint8Array(size).fill(input.uint(1));
    }
    const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18;
    const sizes = (first >> 4) + input.uint(format < 2 ? 2 : format + 1) * 16;
    const size = sizes % 2 ** sizeBits;
    if (size > bytesMax) throw new Error(blockTooLarge);
    const compressed = input.part(Math.floor(sizes / 2 ** sizeBits));
    if (kind === 2) this.#huffman = huffmanTable(huffmanWeights(compressed));
    if (this.#huffman === undefined) throw new Error(noTableBefore);
    const literals = new Uint8Array(size);
    if (format === 0) {
      readHuffman(compressed, this.#huffman, literals);
      return literals;
    }
    // Three u16 sizes of streams, and the fourth has the rest.
    if (size < 6) throw new Error("it has four streams for too few literals");
    const streams = [compressed.uint(2), compressed.uint(2), compressed.uint(2)].map((bytes) => compressed.part(bytes));
    streams.push(compressed);
    const quarter = Math.ceil(size / 4);
    for (const [i, stream] of streams.entries()) {
      readHuffman(stream, this.#huffman, literals.subarray(i * quarter, (i + 1) * quarter));
    }
    return literals;
  }

  /** Writes all sequences; gives how many literals they took. */
  #sequences(input: Input, literals: Uint8Array, end: number): number {
    let count = input.uint(1);
    if (count === 255) count = 0x7f00 + input.uint(2);
    else if (count > 127) count = (count - 128) * 256 + input.uint(1);
    if (count === 0) {
      if (input.left !== 0) throw new Error(cutOff);
      return 0;
    }
    const modes = input.uint(1);
    if ((modes & 3) !== 0) throw new Error("its sequences are of an unknown kind");
    const literalCodes = this.#table(literalLengths, modes >> 6, input);
    const offsetCodes = this.#table(offsets, (modes >> 4) & 3, input);
    const matchCodes = this.#table(matchLengths, (modes >> 2) & 3, input);

    const out = this.#out;
    const bits = new BackwardBits(input);
    let literalState = bits.read(literalCodes.log);
    let offsetState = bits.read(offsetCodes.log);
    let matchState = bits.read(matchCodes.log);
    let [last, beforeLast, third] = this.#distances;
    let taken = 0;
    for (let left = count; ; ) {
      const literalEntry = literalCodes.entries[literalState]!;
      const offsetEntry = offsetCodes.entries[offsetState]!;
      const matchEntry = matchCodes.entries[matchState]!;

      const offsetCode = offsetEntry & 255;
      if (offsetCode > offsetBitsMax) throw new Error(tooFarBack);
      const offset = (1 << offsetCode) + bits.read(offsetCode);
      const matchCode = matchEntry & 255;
      const match = matchBases[matchCode]! + bits.read(matchBits[matchCode]!);
      const literalCode = literalEntry & 255;
      const literal = literalBases[literalCode]! + bits.read(literalBits[literalCode]!);

      // 1 to 3 are the distances of before, one further on where no literals stand between; the third one on is the last less 1.
      const recent = offset > 3 ? 3 : offset - (literal > 0 ? 1 : 0);
      let distance = last;
      if (recent > 0) {
        if (offset > 3) distance = offset - 3;
        else distance = recent === 1 ? beforeLast : recent === 2 ? third : last - 1;
        if (recent > 1) third = beforeLast;
        beforeLast = last;
        last = distance;
      }

      if (taken + literal > literals.length) throw new Error(cutOff);
      if (out.length + literal + match > end) throw new Error(blockTooLarge);
      out.append(literals, taken, literal);
      taken += literal;
      const written = out.length - this.#start;
      if (distance < 1 || distance > written || distance > this.#window) throw new Error(tooFarBack);
      out.repeat(distance, match);

      if (--left === 0) break;
      literalState = (literalEntry >>> 16) + bits.read((literalEntry >> 8) & 255);
      matchState = (matchEntry >>> 16) + bits.read((matchEntry >> 8) & 255);
      offsetState = (offsetEntry >>> 16) + bits.read((offsetEntry >> 8) & 255);
    }
    if (bits.left !== 0) throw new Error(notItsEnd);
    this.#distances[0] = last;
    this.#distances[1] = beforeLast;
    this.#distances[2] = third;
    return taken;
  }

  /** Modes: 0 the predefined table, 1 one code for all, 2 a table of its own, 3 the one before. */
  #table(field: Field, mode: number, input: Input): FseTable {
    let table: FseTable | undefined;
    if (mode === 0) table = field.predefined;
    else if (mode === 2) table = readFseTable(input, field.logMax, field.codeMax);
    else if (mode === 3) table = this.#tables.get(field);
    else {
      const code = input.uint(1);
      if (code > field.codeMax) throw new Error(badTable);
      table = { log: 0, entries: Uint32Array.of(code) };
    }
    if (table === undefined) throw new Error(noTableBefore);
    this.#tables.set(field, table);
    return table;
  }
}

/** Fills `literals` from a stream, which has to end with them. */
function readHuffman(stream: Input, table: Uint16Array, literals: Uint8Array): void {
  const bits = new BackwardBits(stream);
  const { view, start } = bits;
  const shift = 1 + Math.clz32(table.length);
  let at = bits.at;
  let i = 0;
  // Two codes have 22 bits at most, of the 25 that there are.
  for (; i + 1 < literals.length; i += 2) {
    const word = lastWord(at);
    const ahead = view.getUint32(word, true) << (8 * word + 32 - at);
    const one = table[ahead >>> shift]!;
    const two = table[(ahead << (one >> 8)) >>> shift]!;
    at -= (one >> 8) + (two >> 8);
    if (at < start) throw new Error(cutOff);
    literals[i] = one & 255;
    literals[i + 1] = two & 255;
  }
  if (i < literals.length) {
    const word = lastWord(at);
    const one = table[(view.getUint32(word, true) << (8 * word + 32 - at)) >>> shift]!;
    at -= one >> 8;
    literals[i] = one & 255;
  }
  if (at !== start) throw new Error(notItsEnd);
}

/**
 * All weights but the last, which is what is missing. A first byte above 127: 127 more than how many, each of 4 bits, high ones
 * first. Below: how many bytes an FSE table and the stream of two states in turn have.
 */
function huffmanWeights(input: Input): Uint8Array {
  const first = input.uint(1);
  if (first > 127) {
    const packed = input.part((first - 126) >> 1).rest();
    return new Uint8Array(first - 127).map((_, i) => (i % 2 === 0 ? packed[i >> 1]! >> 4 : packed[i >> 1]! & 15));
  }
  const compressed = input.part(first);
  const { log, entries } = readFseTable(compressed, 6, huffmanBitsMax);
  const bits = new BackwardBits(compressed);
  const weights = new Uint8Array(255);
  let entry = entries[bits.read(log)]!;
  let next = entries[bits.read(log)]!;
  // A state may take no bits and never get to the end.
  for (let i = 0; i < weights.length - 1; i++) {
    weights[i] = entry & 255;
    const taken = (entry >> 8) & 255;
    if (taken > bits.left) {
      weights[i + 1] = next & 255;
      return weights.subarray(0, i + 2);
    }
    const after = entries[(entry >>> 16) + bits.read(taken)]!;
    entry = next;
    next = after;
  }
  throw new Error(badTable);
}

/**
 * What each 1 to 11 bits begin with: bits 0-7 the byte, 8-11 how many bits it takes. A byte of weight w > 0 has 2^(w - 1) of the
 * entries; those of the least weight come first.
 */
function huffmanTable(weights: Uint8Array): Uint16Array {
  let entries = 0;
  for (const weight of weights) entries += weight === 0 ? 0 : 1 << (weight - 1);
  const log = 32 - Math.clz32(entries);
  const missing = (1 << log) - entries;
  if (log === 0 || log > huffmanBitsMax || (missing & (missing - 1)) !== 0) throw new Error(badTable);
  const all = [...weights, 32 - Math.clz32(missing)];

  const next = new Uint16Array(huffmanBitsMax + 2);
  for (const weight of all) if (weight > 0) next[weight + 1]! += 1 << (weight - 1);
  for (let weight = 1; weight < next.length; weight++) next[weight]! += next[weight - 1]!;
  const table = new Uint16Array(1 << log);
  for (const [byte, weight] of all.entries()) {
    if (weight === 0) continue;
    const from = next[weight]!;
    next[weight] = from + (1 << (weight - 1));
    table.fill(((log + 1 - weight) << 8) | byte, from, next[weight]);
  }
  return table;
}

/** What each state stands for: bits 0-7 the code, 8-15 how many bits are added to bits 16-31 for the next state. */
interface FseTable {
  readonly log: number;
  readonly entries: Uint32Array;
}

/**
 * Bits from the least one on: 4 of the table's log, less 5; then each code's cells of the table, 0, more, or -1 for one cell that
 * stands apart, in as many bits as what is left to give needs, or one less for the smallest values. Behind each 0, 2 bits say how
 * many more follow, 3 that more is said. Ends when all cells are given.
 */
function readFseTable(input: Input, logMax: number, codeMax: number): FseTable {
  const bytes = input.rest();
  let at = 0;
  const peek = (bits: number): number => {
    const i = at >> 3;
    const ahead = (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16);
    return (ahead >> (at & 7)) & ((1 << bits) - 1);
  };
  const log = peek(4) + 5;
  at += 4;
  if (log > logMax) throw new Error(badTable);
  const cells: number[] = [];
  for (let left = 1 << log; left > 0; ) {
    const bits = 32 - Math.clz32(left + 1);
    const short = (1 << bits) - 2 - left;
    let value = peek(bits - 1);
    if (value < short) at += bits - 1;
    else {
      value = peek(bits);
      if (value >= 1 << (bits - 1)) value -= short;
      at += bits;
    }
    cells.push(value - 1);
    left -= Math.abs(value - 1);
    if (value === 1) {
      let zeros: number;
      do {
        zeros = peek(2);
        at += 2;
        for (let i = 0; i < zeros; i++) cells.push(0);
      } while (zeros === 3 && cells.length <= codeMax);
    }
    if (cells.length > codeMax + 1) throw new Error(badTable);
  }
  input.skip((at + 7) >> 3);
  return fseTable(cells, log);
}

function fseTable(cells: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const codes = new Uint8Array(size);
  let apart = size;
  for (const [code, count] of cells.entries()) if (count === -1) codes[--apart] = code;
  // All counts together are the size, and steps of this many meet every cell once before they meet one again.
  const step = (size >> 1) + (size >> 3) + 3;
  let cell = 0;
  for (const [code, count] of cells.entries()) {
    for (let i = 0; i < count; cell = (cell + step) % size) {
      if (cell >= apart) continue;
      codes[cell] = code;
      i++;
    }
  }
  const next = cells.map((count) => Math.abs(count));
  const entries = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    const code = codes[i]!;
    const state = next[code]!++;
    const bits = log - (31 - Math.clz32(state));
    entries[i] = code | (bits << 8) | (((state << bits) - size) << 16);
  }
  return { log, entries };
}

/** A stream that is read from its end, which is the highest bit of its last byte that is set, to its start. */
class BackwardBits {
  readonly view: DataView;
  /** In bits of the whole body, and never among its first 32. */
  readonly start: number;
  at: number;

  constructor(input: Input) {
    this.view = input.view;
    this.start = 8 * input.at;
    const last = input.left === 0 ? 0 : input.bytes[input.end - 1]!;
    if (last === 0) throw new Error(cutOff);
    this.at = 8 * input.end - 1 - (Math.clz32(last) - 24);
  }

  get left(): number {
    return this.at - this.start;
  }

  /** At most 25 bits. */
  read(bits: number): number {
    const to = this.at;
    const at = to - bits;
    if (at < this.start) throw new Error(cutOff);
    this.at = at;
    const word = lastWord(to);
    return (this.view.getUint32(word, true) >>> (at - 8 * word)) & ((1 << bits) - 1);
  }
}

/** Where the four bytes begin that have at least the last 25 bits before `bit`. */
function lastWord(bit: number): number {
  return ((bit + 7) >> 3) - 4;
}

/** What is read forward, and what it leaves. */
class Input {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, view: DataView, at: number, end: number) {
    this.bytes = bytes;
    this.view = view;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Gives where the bytes begin that are passed over. */
  skip(bytes: number): number {
    if (bytes > this.left) throw new Error(cutOff);
    const at = this.at;
    this.at += bytes;
    return at;
  }

  /** Exact up to 6 bytes; one of 8 is good for comparing with what is smaller. */
  uint(bytes: number): number {
    const at = this.skip(bytes);
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.bytes[at + i]!;
    return value;
  }

  part(bytes: number): Input {
    return new Input(this.bytes, this.view, this.skip(bytes), this.at);
  }

  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }
}

/** A code stands for a length from its base on, as many of them as its bits tell apart. */
function bases(first: number, bits: readonly number[]): number[] {
  let base = first;
  return bits.map((count) => {
    const at = base;
    base += 1 << count;
    return at;
  });
}

const literalBits = [...times(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const literalBases = bases(0, literalBits);
const matchBits = [...times(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const matchBases = bases(3, matchBits);

/** One of the three codes of a sequence. */
interface Field {
  readonly logMax: number;
  readonly codeMax: number;
  readonly predefined: FseTable;
}

const literalLengths: Field = {
  logMax: 9,
  codeMax: 35,
  predefined: fseTable([4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)], 6),
};

const offsets: Field = {
  logMax: 8,
  codeMax: 31,
  predefined: fseTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5),
};

const matchLengths: Field = {
  logMax: 9,
  codeMax: 52,
  predefined: fseTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6),
};

function times(count: number, value: number): number[] {
  return new Array<number>(count).fill(value);
}

const cutOff = "it is cut off";
const notItsEnd = "a stream does not end where its last code does";
const blockTooLarge = "a block is larger than it may be";
const tooFarBack = "a match reaches back too far";
const badTable = "a table of codes is wrong";
const noTableBefore = "it takes a table of before where none is";
