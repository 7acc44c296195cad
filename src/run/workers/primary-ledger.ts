/**
 * Lets a worker tell the primary what it has spent of its limits, and hear what all workers have.
 *
 * No request waits for this. A primary that is busy answers later, and one that is gone ends its workers.
 */
import type { Worker } from 'node:cluster'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { LimitSiblings } from '../limit-siblings.ts'
import type { ToPrimary, ToWorker } from './messages.ts'

/** What was asked longer ago counts as never entered. */
const LONGEST_ANSWER_MS = 2_000

export function primaryLedger(worker: Worker, scheduler: Scheduler): LimitSiblings {
  const waiting = new Map<number, (aheadMs: readonly number[]) => void>()
  let lastId = 0
  worker.on('message', (message: ToWorker) => {
    if ('news' in message && message.news === 'ahead') waiting.get(message.id)?.(message.aheadMs)
  })
  return {
    ledgerOf: ({ id: limit, entries }) => ({
      open() {},
      isUp: () => worker.isConnected(),
      async debit(debits) {
        const id = ++lastId
        const answered = Promise.withResolvers<readonly number[]>()
        waiting.set(id, answered.resolve)
        worker.send({ tell: 'spent', id, limit, entries, debits } satisfies ToPrimary, () => {})
        const isAnswered = await settledWithin(scheduler, LONGEST_ANSWER_MS, answered.promise)
        waiting.delete(id)
        if (!isAnswered) throw new Error('the primary does not answer')
        return answered.promise
      },
      take: () => Promise.reject(new Error('limits that are exact need a store')),
      status: () => ({ isUp: worker.isConnected(), lastError: undefined }),
      close() {},
    }),
  }
}
