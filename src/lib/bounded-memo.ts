/**
 * Remembers what a pure function said about a short string, for keys that a stranger chooses.
 *
 * When the cache is full it is emptied: that costs an attacker's flood and an honest request the same small recount,
 * needs no bookkeeping on a hit, and memory stays under `maxEntries × maxKeyLength`.
 * It is no LRU and does not pretend to be: use it where computing again is cheap.
 */

interface MemoLimits {
  readonly maxEntries: number
  /** Longer keys are computed every time: nobody honest sends them, and they would pin memory. */
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
