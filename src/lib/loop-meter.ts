/**
 * Measures how late the event loop runs and how busy it is, which tells a drowning process from one that paused once.
 *
 * A reset histogram drops the first gap that follows. Under load a turn of the loop takes longer than the
 * time between two samples, and a histogram that is reset with each of them would never see a delay. So
 * there is no sample until there is a gap.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

export interface LoopSample {
  /** The 99th percentile, since the last sample, of the gap between two looks at the time: 10 when idle. */
  readonly delayMs: number
  /** The share of the time since the last sample that was spent working, from 0 to 1. */
  readonly utilization: number
}

export interface LoopMeter {
  /** @returns undefined while nothing was measured since the last sample; the time then counts for the next one */
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
