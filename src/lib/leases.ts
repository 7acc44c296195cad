/**
 * Shares what is costly to make among all who want the same: acquire a lease on it, and release the lease when done.
 *
 * A value is made for the first lease of an identity, and every later lease shares it. A value that nobody leases lives
 * on for a while, because work that began with it may still come to it, and because a change that is taken back finds
 * it as it was; then it is ended. Acquiring never waits: a value that needs time to become useful says so itself.
 */
import type { Cancel, Scheduler } from './scheduler.ts'

interface LeasesOptions<D, T> {
  /** Definitions of the same identity share one value. */
  readonly identityOf: (definition: D) => string
  /** What it throws is thrown to whoever acquires, and nothing is kept. */
  readonly make: (definition: D) => T
  /** Ends a value that nobody leases any more. It may take its time. */
  readonly end: (value: T) => Promise<void>
  /** Ends a value at once when all close, also one that is ending. Left out, `end` is called and waited for. */
  readonly endNow?: (value: T) => Promise<void>
  /** How long a value lives on that nobody leases. */
  readonly lingerMs: number
  readonly scheduler: Scheduler
}

export interface Lease<T> {
  readonly value: T
  /**
   * A number that only this value has: a successor of the same identity has another. It tells what is built on this
   * value from what is built on the successor.
   */
  readonly serial: number
  /** Only the first call counts. */
  release(): void
}

export interface Leases<D, T> {
  acquire(definition: D): Lease<T>
  /** Ends every value, whoever leases it; resolves when all have ended. */
  close(): Promise<void>
}

interface Held<T> {
  readonly value: T
  readonly serial: number
  leases: number
  cancelEnd: Cancel
}

export function leases<D, T>(options: LeasesOptions<D, T>): Leases<D, T> {
  const { identityOf, make, end, endNow, lingerMs, scheduler } = options
  const held = new Map<string, Held<T>>()
  const ending = new Map<T, Promise<void>>()
  let made = 0

  const beginEnd = (identity: string, { value }: Held<T>): void => {
    held.delete(identity)
    const ended = (): void => void ending.delete(value)
    ending.set(value, end(value).then(ended, ended))
  }
  const release = (identity: string, entry: Held<T>): void => {
    entry.leases -= 1
    if (entry.leases > 0 || held.get(identity) !== entry) return
    entry.cancelEnd = scheduler.after(lingerMs, () => beginEnd(identity, entry))
  }
  const hold = (identity: string, definition: D): Held<T> => {
    const entry: Held<T> = { value: make(definition), serial: made++, leases: 0, cancelEnd: () => {} }
    held.set(identity, entry)
    return entry
  }

  return {
    acquire(definition) {
      const identity = identityOf(definition)
      const entry = held.get(identity) ?? hold(identity, definition)
      entry.cancelEnd()
      entry.leases += 1
      let isReleased = false
      return {
        value: entry.value,
        serial: entry.serial,
        release() {
          if (!isReleased) release(identity, entry)
          isReleased = true
        },
      }
    },
    async close() {
      const entries = [...held.values()]
      held.clear()
      for (const { cancelEnd } of entries) cancelEnd()
      await Promise.all([
        ...[...ending].map(([value, ended]) => endNow?.(value) ?? ended),
        ...entries.map(({ value }) => (endNow ?? end)(value)),
      ])
    },
  }
}
