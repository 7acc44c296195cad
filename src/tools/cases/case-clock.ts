/** A clock that a case may set: what is judged then is judged as of that time. */
import type { Clock } from '../../lib/clock.ts'

export interface CaseClock extends Clock {
  /** @param nowSeconds since the epoch; undefined lets the real time count again */
  set(nowSeconds: number | undefined): void
}

/** @param real tells the time for the cases that set none */
export function caseClock(real: Clock): CaseClock {
  let setMs: number | undefined
  return {
    nowMs: () => setMs ?? real.nowMs(),
    monotonicMs: () => real.monotonicMs(),
    set(nowSeconds) {
      setMs = nowSeconds === undefined ? undefined : nowSeconds * 1000
    },
  }
}
