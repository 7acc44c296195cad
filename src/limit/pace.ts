/**
 * Says how fast a caller may go, in the numbers that counting works with.
 *
 * GCRA (generic cell rate algorithm): one number per key, the theoretical arrival time, until which all that was spent
 * is paid for. A request moves it on by one interval. It is within the limit as long as that time is no further away
 * than the whole burst.
 */
import { defaultBurst, intervalMs, type Rate } from './rate.ts'

export interface Pace {
  readonly rate: Rate
  readonly intervalMs: number
  /** How many requests may come at once. */
  readonly burst: number
  /** So far ahead may be what was spent. */
  readonly toleranceMs: number
}

/** @param burst undefined: one second's worth */
export function pace(rate: Rate, burst: number = defaultBurst(rate)): Pace {
  const interval = intervalMs(rate)
  return Object.freeze({ rate, intervalMs: interval, burst, toleranceMs: interval * burst })
}

/** Sums of intervals are no whole numbers, and the less exact the longer a machine is up. */
const ROUNDING_MS = 0.001

function rounding(interval: number): number {
  return Math.min(ROUNDING_MS, interval / 2)
}

/**
 * @param aheadMs until when is paid for, from now
 * @returns how long it takes until one more is within the limit; 0 or less: it is now
 */
export function waitMs({ intervalMs: interval, toleranceMs }: Pace, aheadMs: number): number {
  const wait = Math.max(0, aheadMs) + interval - toleranceMs
  return wait < rounding(interval) ? 0 : wait
}

/** @returns how many more are within the limit now */
export function remaining({ intervalMs: interval, toleranceMs }: Pace, aheadMs: number): number {
  return Math.max(0, Math.floor((toleranceMs - Math.max(0, aheadMs) + rounding(interval)) / interval))
}
