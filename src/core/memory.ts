import type { CoreExports } from "./exports.ts";

/** Part of the core's memory, handed out once and never freed. Positions in it count from its first byte. */
export interface Region {
  readonly address: number;
  readonly byteLength: number;
  /** A live view: read it anew after every allocate(), whose growth detaches the old one. */
  readonly bytes: Uint8Array;
}

/**
 * Views of the core's memory. Growing it detaches every view, and only allocate() grows it: so the views are plain fields, made
 * again there and nowhere else. The core is little-endian, as are the typed arrays of every machine these hosts run on.
 */
export class Memory {
  bytes!: Uint8Array;
  words!: Int32Array;
  doubles!: Float64Array;
  readonly #wasm: CoreExports;
  readonly #regions: MutableRegion[] = [];

  constructor(wasm: CoreExports) {
    this.#wasm = wasm;
    this.#makeViews();
  }

  allocate(byteLength: number): Region {
    if (!Number.isInteger(byteLength) || byteLength < 0 || byteLength > BYTES_MAX) {
      throw new RangeError(`allocate: byteLength ${byteLength}`);
    }
    const address = this.#wasm.allocate(byteLength) >>> 0;
    if (address === 0) throw new RangeError(`allocate: the host grants no ${byteLength} bytes more`);
    const region = { address, byteLength, bytes: this.bytes };
    this.#regions.push(region);
    this.#makeViews();
    return region;
  }

  #makeViews(): void {
    const { buffer } = this.#wasm.memory;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    for (const region of this.#regions) region.bytes = new Uint8Array(buffer, region.address, region.byteLength);
  }
}

type MutableRegion = { -readonly [Key in keyof Region]: Region[Key] };

const BYTES_MAX = 0x7fffffff;
