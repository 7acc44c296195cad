/**
 * Remembers which keys tokens asked for in vain, so that a client with an outdated token does not have the
 * set fetched once per cooldown for ever.
 *
 * Each time the provider is asked for the same key in vain, the wait before asking again doubles, up to the refresh
 * interval. The first wait is one cooldown, so that a key which is published a moment after it was first asked for
 * works at the first request outside the cooldown. The memory is bounded, since strangers choose the names.
 */
import { LRUCache } from 'lru-cache'
import type { KeyHint } from '../types.ts'

export interface UnknownKeys {
  /** @returns whether asking the provider for this key is not worth a fetch yet */
  isKnownMissing(hint: KeyHint, nowMs: number): boolean
  /** The provider was asked at this time and does not have the key. */
  remember(hint: KeyHint, askedMs: number): void
  /** The set changed, and everything may be there now. */
  clear(): void
}

interface Miss {
  readonly waitMs: number
  readonly untilMs: number
}

const MOST_ENTRIES = 1_000
/** A name longer than any provider uses is not kept: 1,000 of them would be megabytes. */
const LONGEST_NAME = 256

export function unknownKeys(bounds: { readonly cooldownMs: number; readonly refreshMs: number }): UnknownKeys {
  const misses = new LRUCache<string, Miss>({ max: MOST_ENTRIES })
  return {
    isKnownMissing: (hint, nowMs) => nowMs < (misses.get(nameOf(hint))?.untilMs ?? Number.NEGATIVE_INFINITY),
    remember(hint, askedMs) {
      const name = nameOf(hint)
      if (name.length > LONGEST_NAME) return
      const last = misses.get(name)
      // Many requests wait for one answer; together they asked once.
      if (last !== undefined && askedMs < last.untilMs) return
      const waitMs = last === undefined ? bounds.cooldownMs : Math.min(last.waitMs * 2, bounds.refreshMs)
      misses.set(name, { waitMs, untilMs: askedMs + waitMs })
    },
    clear: () => misses.clear(),
  }
}

/** No two hints share a name: `alg` comes first, and no known algorithm has a blank in it. */
function nameOf({ alg, kid }: KeyHint): string {
  return kid === undefined ? alg : `${alg} ${kid}`
}
