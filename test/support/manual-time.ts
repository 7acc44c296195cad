/** A clock and a scheduler whose time moves only when a test says so. */
import type { Clock } from '../../src/lib/clock.ts'
import type { Scheduler } from '../../src/lib/scheduler.ts'

export interface ManualTime extends Clock, Scheduler {
  /** Runs what falls due on the way, in order; after each task `settle` may wait for what the task began. */
  advance(ms: number, settle?: () => Promise<void>): Promise<void>
  /** Delays of the tasks that wait, soonest first. */
  pendingMs(): readonly number[]
}

export function manualTime(startMs = 1_750_000_000_000): ManualTime {
  let nowMs = 0
  const tasks = new Set<{ readonly dueMs: number; readonly run: () => void }>()
  const soonest = () => [...tasks].sort((a, b) => a.dueMs - b.dueMs)
  return {
    nowMs: () => startMs + nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, run) {
      const task = { dueMs: nowMs + delayMs, run }
      tasks.add(task)
      return () => void tasks.delete(task)
    },
    async advance(ms, settle = async () => {}) {
      const targetMs = nowMs + ms
      for (let next = soonest()[0]; next !== undefined && next.dueMs <= targetMs; next = soonest()[0]) {
        tasks.delete(next)
        nowMs = next.dueMs
        next.run()
        await settle()
      }
      nowMs = targetMs
    },
    pendingMs: () => soonest().map(({ dueMs }) => dueMs - nowMs),
  }
}
