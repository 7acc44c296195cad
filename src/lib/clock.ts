/** Reads the time. Nothing else does, so that a test can pass a clock of its own. */

export interface Clock {
  /** @returns milliseconds since the epoch, which may jump; they are for comparing with claims and dates */
  nowMs(): number
  /** @returns milliseconds from an arbitrary start, which never go back; they are for durations */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
