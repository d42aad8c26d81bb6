/** Which records a reader wants, by their properties. */
export interface RecordFilter {
  /** Whether it wants the record whose properties are the bytes from `from` to `to`. */
  matches(bytes: Uint8Array, from: number, to: number): boolean;
  /** Conditions it may have to look at: each look takes as many times the properties' length. */
  readonly parts: number;
}
