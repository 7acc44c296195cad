/**
 * Holds spans until they are sent, many at a time and one batch after the other, and counts what becomes of each.
 *
 * It is bounded: while batches leave more slowly than spans come, new spans are dropped, and no request waits.
 */
import type { Cancel, Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { FinishedSpan, SpanSink } from './span.ts'

export const TRACE_SPAN_RESULTS = ['exported', 'dropped', 'failed'] as const
export type TraceSpanResult = (typeof TRACE_SPAN_RESULTS)[number]

/** Sends spans to where they are kept. */
export interface SpanSender {
  /**
   * It never rejects, and takes as long as it may try.
   *
   * @returns how many of the spans were taken
   */
  send(spans: readonly FinishedSpan[]): Promise<number>
  /** Gives up what is under way. */
  close(): void
}

interface SpanQueueOptions {
  readonly sender: SpanSender
  readonly scheduler: Scheduler
  readonly onResult: (result: TraceSpanResult, spans: number) => void
}

export interface SpanQueue extends SpanSink {
  /** Sends what is there for as long as it may take, and gives the rest up. */
  close(withinMs: number): Promise<void>
}

const MOST_SPANS = 2_048
const BATCH_SPANS = 512
const LONGEST_WAIT_MS = 5_000

export function spanQueue({ sender, scheduler, onResult }: SpanQueueOptions): SpanQueue {
  let waiting: FinishedSpan[] = []
  let sending: Promise<void> | undefined
  let cancelTimer: Cancel | undefined
  let isClosed = false

  /** Sends a batch, unless one is under way: that one looks for the next when it is over. */
  function sendNext(): void {
    cancelTimer?.()
    cancelTimer = undefined
    if (sending !== undefined || waiting.length === 0) return
    const batch = waiting.slice(0, BATCH_SPANS)
    waiting = waiting.slice(BATCH_SPANS)
    sending = sender.send(batch).then(taken => {
      sending = undefined
      if (taken > 0) onResult('exported', taken)
      if (taken < batch.length) onResult('failed', batch.length - taken)
      if (isClosed || waiting.length >= BATCH_SPANS) sendNext()
      else if (waiting.length > 0) sendLater()
    })
  }

  function sendLater(): void {
    cancelTimer ??= scheduler.after(LONGEST_WAIT_MS, sendNext)
  }

  async function sendAll(): Promise<void> {
    for (sendNext(); sending !== undefined; sendNext()) await sending
  }

  return {
    add(span) {
      if (isClosed || waiting.length >= MOST_SPANS) {
        onResult('dropped', 1)
        return
      }
      waiting.push(span)
      if (waiting.length >= BATCH_SPANS) sendNext()
      else sendLater()
    },
    async close(withinMs) {
      isClosed = true
      await settledWithin(scheduler, withinMs, sendAll())
      if (waiting.length > 0) onResult('dropped', waiting.length)
      waiting = []
      // What is under way fails by this, and is counted then.
      sender.close()
      await sending
    },
  }
}
