/**
 * Tells the ledger in the background what a process has spent, and learns from it what the others have.
 *
 * No request waits for this. What several processes let pass before they have heard of each other is owed, and paid
 * back by all of them: until it is, the ledger says that the key is ahead. While the ledger is away nothing is told,
 * and afterwards no more of it than what one burst is: what was allowed meanwhile is not held against anybody.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { Bucket } from './buckets.ts'
import { type Ledger, MOST_DEBITS } from './ledger.ts'
import type { Pace } from './pace.ts'

interface DebitsOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly definition: { readonly id: string; readonly syncMs: number }
  readonly onSynced: (result: 'ok' | 'error', durationMs: number) => void
}

export interface Debits {
  /** Notes that a bucket has something to tell. */
  add(bucket: Bucket, pace: Pace): void
  close(): void
}

interface Owing {
  readonly bucket: Bucket
  readonly mostOwedMs: number
}

export function debits({ ledger, clock, scheduler, definition, onSynced }: DebitsOptions): Debits {
  const { id, syncMs } = definition
  let queue: Owing[] = []
  let cancel: Cancel | undefined
  let isUnderWay = false
  /** Since the ledger has answered last, it failed to. */
  let hasFailed = false
  let isClosed = false

  const schedule = (): void => {
    if (cancel !== undefined || isUnderWay || isClosed) return
    cancel = scheduler.after(syncMs, () => {
      cancel = undefined
      void tellAll()
    })
  }

  async function tellAll(): Promise<void> {
    isUnderWay = true
    const owing = queue
    queue = []
    for (let at = 0; at < owing.length && !isClosed; at += MOST_DEBITS) await tell(owing.slice(at, at + MOST_DEBITS))
    isUnderWay = false
    if (queue.length > 0) schedule()
  }

  async function tell(owing: readonly Owing[]): Promise<void> {
    const told = owing.map(({ bucket, mostOwedMs }) => {
      bucket.isQueued = false
      const spentMs = hasFailed ? Math.min(bucket.owedMs, mostOwedMs) : bucket.owedMs
      bucket.owedMs = 0
      return { name: nameOf(id, bucket), spentMs }
    })
    const startedMs = clock.monotonicMs()
    try {
      const aheadMs = await ledger.debit(told)
      const nowMs = clock.monotonicMs()
      hasFailed = false
      // What was spent meanwhile is not in the answer.
      for (const [index, { bucket }] of owing.entries())
        bucket.paidUntilMs = nowMs + (aheadMs[index] ?? 0) + bucket.owedMs
      onSynced('ok', nowMs - startedMs)
    } catch {
      hasFailed = true
      for (const [index, each] of owing.entries()) {
        each.bucket.owedMs += told[index]?.spentMs ?? 0
        enqueue(each)
      }
      onSynced('error', clock.monotonicMs() - startedMs)
    }
  }

  function enqueue(owing: Owing): void {
    if (owing.bucket.isQueued) return
    owing.bucket.isQueued = true
    queue.push(owing)
  }

  return {
    add(bucket, { toleranceMs }) {
      if (bucket.isQueued) return
      enqueue({ bucket, mostOwedMs: toleranceMs + syncMs })
      schedule()
    },
    close() {
      isClosed = true
      cancel?.()
    },
  }
}

/** What the ledger calls a key. Whoever reads it learns nothing of the caller that he cannot guess. */
export function nameOf(limit: string, { key }: Pick<Bucket, 'key'>): string {
  return `limit:${limit}:${hash('sha256', key, 'base64url')}`
}
