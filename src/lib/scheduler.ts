/**
 * Runs a task later. Whoever has to wait is given a scheduler, so that a test can pass one whose time it moves by hand.
 *
 * A few files set a timer of their own instead: `test/docs/comments.test.ts` lists them, each with its reason.
 */

export interface Scheduler {
  /** Runs `task` once, `delayMs` from now, and never keeps the process alive for it. @returns cancels it */
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
