/**
 * The primary, as a worker sees it that stops listening: it takes the connections, so it must be heard before clients are
 * let go who would come back at once.
 *
 * Were they answered as soon as this worker has stopped, they would connect while the primary is still closing the
 * listener behind it, and be cut off. So all workers let theirs go when all of them have stopped.
 */
import type { Worker } from 'node:cluster'
import type { Acceptor } from '../../downstream/drain.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { News, ToPrimary, ToWorker } from './messages.ts'

/** Clients wait for their answers meanwhile. */
const LONGEST_WAIT_MS = 1_000

export function primaryAcceptor(worker: Worker, scheduler: Scheduler): Acceptor {
  /** Resolves when the primary has said so, or cannot any more. */
  const told = async (message: ToPrimary['tell'] & ('look' | 'closed'), expected: News['news']): Promise<void> => {
    const heard = Promise.withResolvers<void>()
    const listen = (received: ToWorker): void => {
      if ('news' in received && received.news === expected) heard.resolve()
    }
    worker.on('message', listen).once('disconnect', heard.resolve)
    worker.send({ tell: message } satisfies ToPrimary, () => {})
    if (worker.isConnected()) await settledWithin(scheduler, LONGEST_WAIT_MS, heard.promise)
    worker.off('message', listen).off('disconnect', heard.resolve)
  }
  return {
    async looked() {
      // It may have looked just before it was asked: the second time it has looked since.
      await told('look', 'looked')
      await told('look', 'looked')
    },
    stopped: () => told('closed', 'stopped'),
  }
}
