/**
 * Decides when to fetch again: before the keys in hand are due, and after a failure.
 *
 * RFC 9111 §4.2.1 (freshness): `max-age` shortens the configured refresh and never lengthens it, because how long a
 * withdrawn key may go on working is the operator's decision; `no-store`, `no-cache` and tiny values are raised to the
 * cooldown. A hint in the set itself (`spiffe_refresh_hint`) counts in the same way. A conditional request for an
 * unchanged set costs the provider next to nothing.
 *
 * After failures the wait is 1 s, 2 s, 4 s … up to 30 s (or the refresh, if that is shorter). That bound is the promise
 * that everything heals within one retry interval of the provider's return. Jitter only ever brings a moment forward,
 * so that bounds hold; it keeps hundreds of sidecars from asking in step.
 */

interface Freshness {
  readonly cacheControl: string | undefined
  readonly ageSeconds: number
  /** How soon the set itself asks to be fetched again; undefined where it does not say. */
  readonly hintSeconds?: number | undefined
}

export interface RefreshBounds {
  /** The longest time between two fetches while all is well. */
  readonly refreshMs: number
  /** The time that the last good set serves while fetching fails. */
  readonly maxStaleMs: number
  /** The shortest time between an attempt and one that an unknown key causes. */
  readonly cooldownMs: number
  /** @returns a number from 0 up to 1, for jitter */
  readonly random: () => number
}

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000
const JITTER = 0.2

/** @returns the delay until the next fetch after a success */
export function refreshDelayMs(freshness: Freshness, bounds: RefreshBounds): number {
  const longestMs = Math.min(bounds.refreshMs, bounds.maxStaleMs)
  const shortestMs = Math.min(bounds.cooldownMs, longestMs)
  const lifetimeMs = Math.min(lifetimeSeconds(freshness), freshness.hintSeconds ?? Number.POSITIVE_INFINITY) * 1_000
  return jittered(Math.min(Math.max(lifetimeMs, shortestMs), longestMs), bounds)
}

/** @returns the delay until the next fetch after `failures` failures in a row */
export function retryDelayMs(failures: number, bounds: RefreshBounds): number {
  const longestMs = Math.min(LONGEST_RETRY_MS, bounds.refreshMs)
  return jittered(Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), longestMs), bounds)
}

function lifetimeSeconds({ cacheControl = '', ageSeconds }: Freshness): number {
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/i.test(cacheControl)) return 0
  const maxAge = /(?:^|[\s,])max-age="?(\d+)/i.exec(cacheControl)?.[1]
  return maxAge === undefined ? Number.POSITIVE_INFINITY : Number(maxAge) - ageSeconds
}

function jittered(delayMs: number, { random }: RefreshBounds): number {
  return delayMs * (1 - JITTER * random())
}
