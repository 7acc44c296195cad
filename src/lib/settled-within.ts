/** Waits for a promise to settle, for a while at most; what came of it is for others. */
import type { Scheduler } from './scheduler.ts'

/** @returns true when it has settled, false when the time was up first */
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
