/**
 * How late the event loop runs, and how busy it is: what tells a drowning process from one that paused once.
 *
 * A reset histogram drops the first gap that follows, so under load, where a turn of the loop takes longer than the time
 * between two samples, resetting each time would never see a delay at all. Until there is a gap, there is no sample.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

export interface LoopSample {
  /** 99th percentile since the last sample, 10 when idle: the gap between two looks, which come every 10 ms. */
  readonly delayMs: number
  /** Share of the time that was spent working, since the last sample: 0 to 1. */
  readonly utilization: number
}

export interface LoopMeter {
  /** Since the last one. Undefined while there is nothing to go by; the time then counts towards the next one. */
  sample(): LoopSample | undefined
  close(): void
}

const RESOLUTION_MS = 10
const NANOSECONDS_PER_MS = 1e6

export function loopMeter(): LoopMeter {
  const gaps = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  gaps.enable()
  let last = performance.eventLoopUtilization()
  return {
    sample() {
      if (gaps.count === 0) return undefined
      const delayMs = gaps.percentile(99) / NANOSECONDS_PER_MS
      gaps.reset()
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, last)
      last = now
      return { delayMs, utilization }
    },
    close: () => void gaps.disable(),
  }
}
