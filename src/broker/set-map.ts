/** Sets by key; an empty one is forgotten. */
export class SetMap<K, V> {
  readonly #sets = new Map<K, Set<V>>();

  add(key: K, value: V): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([value]));
    else set.add(value);
  }

  /** False if it was not there. */
  delete(key: K, value: V): boolean {
    const set = this.#sets.get(key);
    if (set?.delete(value) !== true) return false;
    if (set.size === 0) this.#sets.delete(key);
    return true;
  }

  /** Those of a key, which may be deleted on the way. */
  of(key: K): Iterable<V> {
    return this.#sets.get(key) ?? [];
  }

  count(key: K): number {
    return this.#sets.get(key)?.size ?? 0;
  }
}
