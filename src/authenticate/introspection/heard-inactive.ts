/**
 * Notes which tokens of a provider were called inactive a moment ago, for open streams to hear of it.
 *
 * A stream hears what was said about its token although the memory has dropped that, and although a reload has put
 * another memory in the place of the one that the stream began with.
 */
import { LRUCache } from 'lru-cache'

export interface HeardInactive {
  note(key: string, nowMs: number): void
  /** Call when the token is called active. */
  forget(key: string): void
  /** Whether it was noted within the time in which every stream looks. */
  within(key: string, nowMs: number): boolean
}

/** Streams look once a second, or later where the process is busy. */
const HEARD_FOR_MS = 10_000

/** @param entries most tokens that are noted */
export function heardInactive(entries: number): HeardInactive {
  const notedMs = new LRUCache<string, number>({ max: entries })
  return {
    note: (key, nowMs) => void notedMs.set(key, nowMs),
    forget: key => void notedMs.delete(key),
    within(key, nowMs) {
      const sinceMs = notedMs.peek(key)
      return sinceMs !== undefined && nowMs - sinceMs < HEARD_FOR_MS
    },
  }
}
