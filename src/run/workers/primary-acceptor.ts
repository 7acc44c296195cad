/**
 * Sees that no connection is accepted any more before this worker lets its clients go.
 *
 * A client that is let go comes back at once. If that happened as soon as this worker has stopped, the client would
 * connect while the primary or another worker is still closing its listener, and would be cut off. So every worker
 * waits until all of them have stopped.
 */
import type { Worker } from 'node:cluster'
import { type Acceptor, THIS_PROCESS } from '../../downstream/drain.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { News, ToPrimary, ToWorker } from './messages.ts'

/** Clients wait for their answers during this time. */
const LONGEST_WAIT_MS = 1_000

/** @param accepts who takes connections from the kernel */
export function primaryAcceptor(worker: Worker, scheduler: Scheduler, accepts: 'worker' | 'primary'): Acceptor {
  /** Resolves when the primary has given the expected news, or can give none any more. */
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
  // The primary may have looked just before it was asked, so only the second look counts.
  const lookedTwice = async (): Promise<void> => {
    await told('look', 'looked')
    await told('look', 'looked')
  }
  return {
    looked: accepts === 'worker' ? THIS_PROCESS.looked : lookedTwice,
    stopped: () => told('closed', 'stopped'),
  }
}
