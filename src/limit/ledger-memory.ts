/**
 * A ledger in the memory of one process: the primary keeps it for its workers.
 *
 * A key that is not ahead is the same as one that was never seen. Such keys make room first; where there are none, the
 * oldest goes.
 */
import type { Clock } from '../lib/clock.ts'
import type { Ledger } from './ledger.ts'

interface LedgerMemoryOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** How many keys are kept. */
  readonly most: number
}

type LedgerMemory = Pick<Ledger, 'isUp'> & {
  debit(debits: Parameters<Ledger['debit']>[0]): readonly number[]
  readonly size: number
}

export function ledgerMemory({ clock, most }: LedgerMemoryOptions): LedgerMemory {
  const paidUntil = new Map<string, number>()

  /** Looks at the oldest few. */
  const makeRoom = (nowMs: number): void => {
    for (const [name, untilMs] of paidUntil) {
      if (untilMs > nowMs && paidUntil.size < most) return
      paidUntil.delete(name)
    }
  }

  return {
    isUp: () => true,
    debit(debits) {
      const nowMs = clock.monotonicMs()
      return debits.map(({ name, spentMs }) => {
        const untilMs = Math.max(paidUntil.get(name) ?? 0, nowMs) + spentMs
        paidUntil.delete(name)
        if (untilMs <= nowMs) return 0
        makeRoom(nowMs)
        paidUntil.set(name, untilMs)
        return untilMs - nowMs
      })
    },
    get size() {
      return paidUntil.size
    },
  }
}
