/**
 * Keeps in the primary what the workers have spent of each limit, where they share no store.
 *
 * It outlives a worker, so that nobody gets a new quota by the end of one. It does not outlive the primary.
 */
import type { Clock } from '../../lib/clock.ts'
import { type LedgerMemory, ledgerMemory } from '../../limit/ledger-memory.ts'
import type { Spent } from './messages.ts'

interface SharedLimits {
  /** Enters what a worker has spent. @returns how far ahead each key is */
  spent(told: Spent): readonly number[]
  /** How many limits are kept. */
  readonly size: number
}

interface Kept {
  readonly ledger: LedgerMemory
  toldMs: number
}

/** A limit that nobody has spent of for so long has left the configuration. */
const FORGOTTEN_MS = 24 * 3_600_000

export function sharedLimits(clock: Pick<Clock, 'monotonicMs'>): SharedLimits {
  const kept = new Map<string, Kept>()

  const made = (name: string, entries: number, nowMs: number): Kept => {
    for (const [other, { toldMs }] of kept) if (nowMs - toldMs > FORGOTTEN_MS) kept.delete(other)
    const one = { ledger: ledgerMemory({ clock, most: entries }), toldMs: nowMs }
    kept.set(name, one)
    return one
  }

  return {
    spent({ limit, entries, debits }) {
      const nowMs = clock.monotonicMs()
      // After a reload, workers that have it and workers that do not yet must not resize each other's table.
      const name = `${entries} ${limit}`
      const found = kept.get(name) ?? made(name, entries, nowMs)
      found.toldMs = nowMs
      return found.ledger.debit(debits)
    },
    get size() {
      return kept.size
    },
  }
}
