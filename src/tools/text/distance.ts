/** Says in words how far a time is from now: `in 5 minutes`, `3 days ago`. Whole units are enough for a person. */

const UNITS = [
  ['year', 365 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** @param ms the time from now; it is negative when the time is past */
export function distance(ms: number): string {
  const [name, unitMs] = UNITS.find(([, each]) => Math.abs(ms) >= each) ?? ['second', 1000]
  const amount = Math.trunc(Math.abs(ms) / unitMs)
  if (amount === 0) return 'now'
  const words = `${amount.toLocaleString('en')} ${name}${amount === 1 ? '' : 's'}`
  return ms > 0 ? `in ${words}` : `${words} ago`
}
