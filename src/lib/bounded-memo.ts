/**
 * Remembers what a pure function said about a short string, for keys that a stranger chooses.
 *
 * A full cache is emptied. That costs an attacker's flood and an honest request the same small recount, needs no
 * bookkeeping on a hit, and keeps memory under `maxEntries × maxKeyLength`. It is no LRU and does not pretend to be
 * one: use it where computing again is cheap.
 */

interface MemoLimits {
  readonly maxEntries: number
  /** A longer key is computed every time: nobody honest sends one, and it would pin memory. */
  readonly maxKeyLength: number
}

export function boundedMemo<T extends string | number | boolean | object>(
  compute: (key: string) => T,
  { maxEntries, maxKeyLength }: MemoLimits,
): (key: string) => T {
  const known = new Map<string, T>()
  return key => {
    const found = known.get(key)
    if (found !== undefined) return found
    const value = compute(key)
    if (key.length > maxKeyLength) return value
    if (known.size >= maxEntries) known.clear()
    known.set(key, value)
    return value
  }
}
