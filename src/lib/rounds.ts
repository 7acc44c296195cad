/**
 * Visits everything in a changing set at intervals: one timer serves any number of items, and none runs without items.
 *
 * It is for deadlines that may be met a little late, where a timer for each item would cost more than it is worth.
 */
import { type Enrolled, Roster } from './roster.ts'
import type { Scheduler } from './scheduler.ts'

interface RoundsOptions<T> {
  readonly scheduler: Scheduler
  /** Is asked before each round. */
  readonly intervalMs: () => number
  /** May add and delete items. */
  readonly visit: (item: T) => void
}

export interface Rounds<T> {
  add(item: T): void
  delete(item: T): void
  /** Goes over a copy, since items may be added and deleted meanwhile. */
  [Symbol.iterator](): Iterator<T>
}

export function rounds<T extends Enrolled>({ scheduler, intervalMs, visit }: RoundsOptions<T>): Rounds<T> {
  const items = new Roster<T>()
  let isScheduled = false

  const round = (): void => {
    isScheduled = false
    for (const item of items) visit(item)
    if (items.size > 0) schedule()
  }

  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    scheduler.after(intervalMs(), round)
  }

  return {
    add(item) {
      items.add(item)
      schedule()
    },
    delete: item => items.delete(item),
    [Symbol.iterator]: () => items[Symbol.iterator](),
  }
}
