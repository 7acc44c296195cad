/** Says how processes that share a listener count together where there is no store. */
import type { Ledger } from '../limit/ledger.ts'
import type { LimitDefinition } from '../limit/rate-limit.ts'

export interface LimitSiblings {
  /** Returns the ledger of one limit. */
  ledgerOf(limit: Pick<LimitDefinition, 'id' | 'entries'>): Ledger
}
