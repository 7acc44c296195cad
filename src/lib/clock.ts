/** The only place that reads the time. Tests pass a clock of their own. */

export interface Clock {
  /** Milliseconds since the epoch; may jump. For comparing with claims and dates. */
  nowMs(): number
  /** Milliseconds from an arbitrary start; never goes back. For durations. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
