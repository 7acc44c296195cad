/**
 * A ledger in the memory of one process: the primary keeps one for each limit of its workers.
 *
 * Keys make room for each other like those of a process that counts alone.
 */
import type { Clock } from '../lib/clock.ts'
import { buckets } from './buckets.ts'
import type { Debit } from './ledger.ts'

interface LedgerMemoryOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** How many keys are kept. */
  readonly most: number
}

export interface LedgerMemory {
  /** Answers like the debits of a ledger. */
  debit(debits: readonly Debit[]): readonly number[]
  readonly size: number
}

export function ledgerMemory({ clock, most }: LedgerMemoryOptions): LedgerMemory {
  // The workers count what they evict; nobody would know what to do about these.
  const held = buckets({ most, onEvicted() {} })
  return {
    debit(debits) {
      const nowMs = clock.monotonicMs()
      return debits.map(({ name, spentMs, sinceMs }) => {
        const bucket = held.of(name, nowMs)
        bucket.wasUsed = true
        bucket.paidUntilMs = Math.max(bucket.paidUntilMs, nowMs + sinceMs) + spentMs
        return bucket.paidUntilMs - nowMs
      })
    },
    get size() {
      return held.size
    },
  }
}
