/**
 * Decides from samples of the event loop whether it is overloaded, and which share of the requests is too much for it.
 *
 * It is a pure function of the state so far and one more sample: it keeps nothing, and neither looks at the loop nor
 * refuses anything (`overload.ts`).
 */
import type { LoopSample } from '../lib/loop-meter.ts'

export interface OverloadState {
  readonly isShedding: boolean
  /** Samples in a row that speak for the other state. */
  readonly streak: number
  /** Share of requests to refuse: 0 to {@link HIGHEST_SHARE}. */
  readonly share: number
}

export const CALM: OverloadState = { isShedding: false, streak: 0, share: 0 }

/** Some requests always get through: how the loop copes with them shows whether the overload is over. */
const HIGHEST_SHARE = 0.95

const ENTER_DELAY_MS = 200
/** A process that waits for the disk or is paused runs late, too, but refusing requests would not help it. */
const ENTER_UTILIZATION = 0.95
/** A garbage collection, or the compiling of a large policy, makes one sample late, but not two in a row. */
const ENTER_SAMPLES = 2
const LEAVE_DELAY_MS = 100
const LEAVE_SAMPLES = 5

/** Entering and leaving have thresholds of their own, so that a load between them does not flip the state. */
export function nextState({ isShedding, streak }: OverloadState, { delayMs, utilization }: LoopSample): OverloadState {
  if (isShedding) {
    const calmSamples = delayMs < LEAVE_DELAY_MS ? streak + 1 : 0
    return calmSamples === LEAVE_SAMPLES ? CALM : { isShedding, streak: calmSamples, share: shareOf(delayMs) }
  }
  const lateSamples = delayMs > ENTER_DELAY_MS && utilization > ENTER_UTILIZATION ? streak + 1 : 0
  return lateSamples === ENTER_SAMPLES
    ? { isShedding: true, streak: 0, share: shareOf(delayMs) }
    : { isShedding, streak: lateSamples, share: 0 }
}

/** Returns the part of the work that is too much: with so much less to do, the loop would be on time. */
function shareOf(delayMs: number): number {
  return Math.min(HIGHEST_SHARE, Math.max(0, (delayMs - LEAVE_DELAY_MS) / delayMs))
}
