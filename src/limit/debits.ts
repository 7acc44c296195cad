/**
 * Tells the ledger in the background what a process has spent, and learns from it what the others have.
 *
 * No request waits for this. What several processes let pass before they have heard of each other is owed, and paid
 * back by all of them: until it is, the ledger says that the key is ahead. What each let pass while the ledger was away
 * is not added up afterwards: a key is then as far ahead as the process says that has let most of it pass.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { Bucket } from './buckets.ts'
import { type Debit, type Ledger, MOST_DEBITS } from './ledger.ts'

interface DebitsOptions {
  readonly ledger: Ledger
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
  readonly definition: { readonly id: string; readonly syncMs: number; readonly entries: number }
  readonly onSynced: (result: 'ok' | 'error', durationMs: number) => void
}

export interface Debits {
  /** Notes that something was spent, or given back when it is below 0. */
  add(bucket: Bucket, spentMs: number, nowMs: number): void
  /** Notes that nobody knows what of a request the ledger has entered. What is owed then is not added up. */
  wasAway(nowMs: number): void
  /** Tells what is left to tell, once. */
  close(): Promise<void>
}

export function debits({ ledger, clock, scheduler, definition, onSynced }: DebitsOptions): Debits {
  const { id, syncMs, entries } = definition
  let queue: Bucket[] = []
  let cancel: Cancel | undefined
  let underWay: Promise<void> | undefined
  /** When the ledger was away last. */
  let awayMs = Number.NEGATIVE_INFINITY
  let isClosed = false

  const schedule = (): void => {
    if (cancel !== undefined || underWay !== undefined || isClosed || queue.length === 0) return
    cancel = scheduler.after(syncMs, () => {
      cancel = undefined
      underWay = tellAll().then(() => {
        underWay = undefined
        schedule()
      })
    })
  }

  async function tellAll(): Promise<void> {
    const owing = queue
    queue = []
    for (let at = 0; at < owing.length; at += MOST_DEBITS) {
      if (ledger.isUp()) await tell(owing.slice(at, at + MOST_DEBITS))
      else return wait(owing.slice(at))
    }
  }

  /** They stay in line; one that has made room is not kept alive until the ledger comes back. */
  function wait(owing: readonly Bucket[]): void {
    awayMs = clock.monotonicMs()
    for (const bucket of owing) if (stillHeld(bucket)) queue.push(bucket)
    onSynced('error', 0)
  }

  async function tell(owing: readonly Bucket[]): Promise<void> {
    const askedMs = clock.monotonicMs()
    const told = owing.map(bucket => entryOf(bucket, askedMs))
    const debts = owing.map(({ owedMs, owedSinceMs }) => ({ owedMs, owedSinceMs }))
    for (const bucket of owing) {
      bucket.isQueued = false
      bucket.owedMs = 0
    }
    try {
      const aheadMs = await ledger.debit(told)
      const nowMs = clock.monotonicMs()
      for (const [index, bucket] of owing.entries()) learn(bucket, (askedMs + nowMs) / 2 + (aheadMs[index] ?? 0))
      onSynced('ok', nowMs - askedMs)
    } catch {
      awayMs = clock.monotonicMs()
      for (const [index, bucket] of owing.entries()) {
        const { owedMs = 0, owedSinceMs = 0 } = debts[index] ?? {}
        bucket.owedMs += owedMs
        bucket.owedSinceMs = owedSinceMs
        if (bucket.isHeld) enqueue(bucket)
      }
      onSynced('error', awayMs - askedMs)
    }
  }

  function enqueue(bucket: Bucket): void {
    if (bucket.isQueued) return
    bucket.isQueued = true
    queue.push(bucket)
    if (queue.length >= 2 * entries + MOST_DEBITS) queue = queue.filter(stillHeld)
  }

  /** Whoever tells more slowly than keys make room would keep all of them, so those that are gone are not told. */
  function stillHeld(bucket: Bucket): boolean {
    bucket.isQueued = bucket.isHeld
    return bucket.isHeld
  }

  function entryOf(bucket: Bucket, nowMs: number): Debit {
    const name = ledgerName(id, bucket)
    const { owedMs, owedSinceMs, paidUntilMs } = bucket
    if (owedSinceMs <= awayMs) return { name, spentMs: 0, sinceMs: paidUntilMs - nowMs }
    return { name, spentMs: owedMs, sinceMs: owedSinceMs - nowMs }
  }

  return {
    add(bucket, spentMs, nowMs) {
      if (bucket.owedMs === 0) bucket.owedSinceMs = nowMs
      bucket.owedMs += spentMs
      if (bucket.isQueued || isClosed) return
      enqueue(bucket)
      schedule()
    },
    wasAway(nowMs) {
      awayMs = nowMs
    },
    async close() {
      isClosed = true
      cancel?.()
      await underWay
      await tellAll()
    },
  }
}

/** What was spent since the ledger was asked is not in its answer. */
function learn(bucket: Bucket, paidUntilMs: number): void {
  const { owedMs, owedSinceMs } = bucket
  bucket.paidUntilMs = owedMs === 0 ? paidUntilMs : Math.max(paidUntilMs, owedSinceMs) + owedMs
}

/** What the ledger calls a key. Whoever reads it learns nothing of the caller that he cannot guess. */
export function ledgerName(limit: string, bucket: Bucket): string {
  bucket.ledgerName ??= `limit:${limit}:${hash('sha256', bucket.key, 'base64url')}`
  return bucket.ledgerName
}
