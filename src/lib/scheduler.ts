/** The only place that sets timers for later work. Tests pass a scheduler of their own and move its time by hand. */

export interface Scheduler {
  /** Runs `task` once, `delayMs` from now. Never keeps the process alive. @returns cancels it */
  after(delayMs: number, task: () => void): Cancel
}

export type Cancel = () => void

/** `setTimeout` fires at once when the delay does not fit 31 bits. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

export const systemScheduler: Scheduler = {
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(delayMs, LONGEST_DELAY_MS)).unref()
    return () => clearTimeout(timer)
  },
}
