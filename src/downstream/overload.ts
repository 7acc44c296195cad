/**
 * Refuses a share of the requests while the event loop cannot keep up, so that the others are answered in time.
 *
 * Work that waits for a busy event loop stands in no queue whose length could be limited. Each request gets slower
 * until clients give up and ask again, which is more work. A request that is refused early costs next to nothing (RFC
 * 9110 §15.6.4). The gate does not know who is asking: it prefers no caller, and limits per caller are not made here.
 * When to refuse, and how large a share, is for `overload-state.ts` to decide.
 */
import type { LoopMeter, LoopSample } from '../lib/loop-meter.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Log } from '../telemetry/log.ts'
import { CALM, nextState, type OverloadState } from './overload-state.ts'

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

const SAMPLE_MS = 100

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
