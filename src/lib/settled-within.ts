/** Waits for a promise to settle, but only for a while; what became of it is for others to find out. */
import type { Scheduler } from './scheduler.ts'

/** @returns true when it has settled, false when the time was up before */
export async function settledWithin(
  scheduler: Scheduler,
  limitMs: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  const { promise: timeUp, resolve } = Promise.withResolvers<false>()
  const cancel = scheduler.after(limitMs, () => resolve(false))
  const settled = promise.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, timeUp])
  } finally {
    cancel()
  }
}
