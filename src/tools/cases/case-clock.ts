/** A clock for cases: what is judged in one is judged at one instant, as of the time that it sets. */
import type { Clock } from '../../lib/clock.ts'

export interface CaseClock extends Clock {
  /** Begins a case, during which no time passes for limits. @param nowSeconds since the epoch; undefined: real time */
  begin(nowSeconds: number | undefined): void
  /** Lets the real time count again. */
  end(): void
}

/** @param real tells the time for the cases that set none */
export function caseClock(real: Clock): CaseClock {
  let setMs: number | undefined
  let beganMs: number | undefined
  return {
    nowMs: () => setMs ?? real.nowMs(),
    monotonicMs: () => beganMs ?? real.monotonicMs(),
    begin(nowSeconds) {
      setMs = nowSeconds === undefined ? undefined : nowSeconds * 1000
      beganMs = real.monotonicMs()
    },
    end() {
      setMs = undefined
      beganMs = undefined
    },
  }
}
