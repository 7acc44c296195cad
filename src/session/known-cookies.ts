/**
 * Remembers cookies whose MAC was verified, so that the next request with one costs a look-up. Nobody without our keys
 * can put one in.
 */
import { LRUCache } from 'lru-cache'
import type { ReadCookie, SessionKeys } from './session.ts'

const MOST = 10_000

export function knownCookies({ readCookie }: Pick<SessionKeys, 'readCookie'>): SessionKeys['readCookie'] {
  const known = new LRUCache<string, ReadCookie>({ max: MOST })
  return value => {
    const before = known.get(value)
    if (before !== undefined) return before
    const read = readCookie(value)
    if (read !== undefined) known.set(value, read)
    return read
  }
}
