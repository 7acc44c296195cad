/**
 * Refuses a share of the requests while the event loop cannot keep up, so that the others are answered in time.
 *
 * Work that waits for a busy event loop stands in no queue whose length could be limited. Each request gets slower
 * until clients give up and ask again, which is more work. A request that is refused early costs next to nothing (RFC
 * 9110 §15.6.4). The gate does not know who is asking: it prefers no caller, and limits per caller are not made here.
 */
import type { LoopMeter, LoopSample } from '../lib/loop-meter.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Log } from '../telemetry/log.ts'

export interface OverloadState {
  readonly isShedding: boolean
  /** Samples in a row that speak for the other state. */
  readonly streak: number
  /** Share of requests to refuse: 0 to {@link HIGHEST_SHARE}. */
  readonly share: number
}

export interface OverloadGate {
  /** Whether to take one more request. */
  admits(): boolean
  close(): void
}

interface OverloadOptions {
  readonly scheduler: Scheduler
  readonly meter: LoopMeter
  /** Returns a number from 0 to 1, but never 1. */
  readonly random: () => number
  readonly log: Log
}

export const CALM: OverloadState = { isShedding: false, streak: 0, share: 0 }
/** Some requests always get through: how the loop copes with them shows whether the overload is over. */
export const HIGHEST_SHARE = 0.95

const SAMPLE_MS = 100
const ENTER_DELAY_MS = 200
/** A process that waits for the disk or is paused runs late, too, but refusing requests would not help it. */
const ENTER_UTILIZATION = 0.95
/** A garbage collection, or the compiling of a large policy, makes one sample late, but not two in a row. */
const ENTER_SAMPLES = 2
const LEAVE_DELAY_MS = 100
const LEAVE_SAMPLES = 5

export function overloadGate({ scheduler, meter, random, log }: OverloadOptions): OverloadGate {
  let state = CALM
  const look = (): void => {
    const sample = meter.sample()
    if (sample !== undefined) {
      const before = state
      state = nextState(before, sample)
      if (state.isShedding !== before.isShedding) tell(state, sample)
    }
    cancel = scheduler.after(SAMPLE_MS, look)
  }
  let cancel = scheduler.after(SAMPLE_MS, look)

  function tell({ isShedding }: OverloadState, { delayMs, utilization }: LoopSample): void {
    const seen = { delay_ms: Math.round(delayMs), utilization: Math.round(utilization * 100) / 100 }
    if (isShedding) log.warn(seen, 'overloaded, refusing a share of the requests')
    else log.info(seen, 'no longer overloaded')
  }

  return {
    admits: () => !state.isShedding || random() >= state.share,
    close() {
      cancel()
      meter.close()
    },
  }
}

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
