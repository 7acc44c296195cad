/**
 * Says when something is: exactly (`2026-01-01T00:00:00Z`), and in words for a person (`in 5 minutes`, `3 days ago`),
 * for whom whole units are enough. Output for programs has exact times only.
 */

const UNITS = [
  ['year', 365 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** @param ms the time from now; it is negative when the time is past */
export function distance(ms: number): string {
  const words = amount(ms)
  if (words === undefined) return 'now'
  return ms > 0 ? `in ${words}` : `${words} ago`
}

/** Returns `5 minutes`; undefined for less than a second. */
export function amount(ms: number): string | undefined {
  const [name, unitMs] = UNITS.find(([, each]) => Math.abs(ms) >= each) ?? ['second', 1000]
  const count = Math.trunc(Math.abs(ms) / unitMs)
  return count === 0 ? undefined : `${count.toLocaleString('en')} ${name}${count === 1 ? '' : 's'}`
}

/** @param ms since the epoch, at most those of the year 9999 */
export function exactTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

const EXACT = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g

/** Writes how far it is behind each exact time in a text. */
export function withDistances(text: string, nowMs: number): string {
  return text.replaceAll(EXACT, time => {
    const ms = Date.parse(time)
    return Number.isNaN(ms) ? time : `${time} (${distance(ms - nowMs)})`
  })
}

/** Claims that are moments, which no person reads as numbers. */
const MOMENTS: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat', 'auth_time'])

/** Returns the exact time that a claim of a token says; undefined for a claim that says none. */
export function momentOf(claim: string, value: unknown): string | undefined {
  return MOMENTS.has(claim) && typeof value === 'number' && Math.abs(value) < 1e11 ? exactTime(value * 1000) : undefined
}
