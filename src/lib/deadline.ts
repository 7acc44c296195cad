/**
 * Bounds how long a task may take, whether or not it heeds the signal it is given.
 *
 * A read from a network volume or a pipe cannot be aborted. Whoever waits for such a task gets the deadline's reason
 * all the same, and what the task brings later is dropped.
 */
import type { Scheduler } from './scheduler.ts'

export interface Deadline {
  /** @throws what the task throws, or the reason why it was ended */
  run<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Ends the task at once, for this reason. */
  end(reason: Error): void
}

/** @param reason is thrown when `delayMs` have passed since the task began */
export function deadline(scheduler: Scheduler, delayMs: number, reason: Error): Deadline {
  const controller = new AbortController()
  return {
    async run(task) {
      const { signal } = controller
      const ended = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true })
      const cancel = scheduler.after(delayMs, () => controller.abort(reason))
      try {
        return await Promise.race([task(signal), ended.promise])
      } finally {
        cancel()
      }
    },
    end: early => controller.abort(early),
  }
}
