/**
 * Holds spans until they are sent, many at a time and one batch after the other, and counts what becomes of each.
 *
 * It is bounded: while batches leave more slowly than spans come, new spans are dropped, and no request waits.
 */
import type { Cancel, Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { FinishedSpan, SpanSink, SpanSource } from './span.ts'

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
  let waiting: SpanSource[] = []
  let waitingSpans = 0
  let sending: Promise<void> | undefined
  let cancelTimer: Cancel | undefined
  let isClosed = false

  /** Sends a batch, unless one is under way: that one looks for the next when it is over. */
  function sendNext(): void {
    cancelTimer?.()
    cancelTimer = undefined
    if (sending !== undefined || waitingSpans === 0) return
    const batch = nextBatch()
    sending = sender.send(batch).then(taken => {
      sending = undefined
      if (taken > 0) onResult('exported', taken)
      if (taken < batch.length) onResult('failed', batch.length - taken)
      if (isClosed || waitingSpans >= BATCH_SPANS) sendNext()
      else if (waitingSpans > 0) sendLater()
    })
  }

  /** Spans of one source stay together. */
  function nextBatch(): readonly FinishedSpan[] {
    const spans: FinishedSpan[] = []
    let sources = 0
    for (const source of waiting) {
      if (sources > 0 && spans.length + source.spanCount > BATCH_SPANS) break
      source.addTo(spans)
      sources += 1
    }
    waiting = waiting.slice(sources)
    waitingSpans -= spans.length
    return spans
  }

  function sendLater(): void {
    cancelTimer ??= scheduler.after(LONGEST_WAIT_MS, sendNext)
  }

  async function sendAll(): Promise<void> {
    for (sendNext(); sending !== undefined; sendNext()) await sending
  }

  return {
    add(source) {
      const { spanCount } = source
      if (isClosed || waitingSpans + spanCount > MOST_SPANS) {
        onResult('dropped', spanCount)
        return
      }
      waiting.push(source)
      waitingSpans += spanCount
      if (waitingSpans >= BATCH_SPANS) sendNext()
      else sendLater()
    },
    async close(withinMs) {
      isClosed = true
      await settledWithin(scheduler, withinMs, sendAll())
      if (waitingSpans > 0) onResult('dropped', waitingSpans)
      waiting = []
      waitingSpans = 0
      // What is under way fails by this, and is counted then.
      sender.close()
      await sending
    },
  }
}
