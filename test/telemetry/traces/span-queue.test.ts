import { expect, test } from 'vitest'
import type { FinishedSpan, SpanSource } from '../../../src/telemetry/traces/span.ts'
import { spanQueue } from '../../../src/telemetry/traces/span-queue.ts'
import { manualTime } from '../../support/manual-time.ts'

/** The queue does not look into spans. */
const SPAN: SpanSource = { spanCount: 1, addTo: spans => void spans.push({} as FinishedSpan) }

function started() {
  const time = manualTime()
  const counts = { exported: 0, dropped: 0, failed: 0 }
  const sent: Array<{ readonly spans: number; readonly over: (taken: number) => void }> = []
  let isClosed = false
  const queue = spanQueue({
    scheduler: time,
    onResult: (result, spans) => {
      counts[result] += spans
    },
    sender: {
      send: spans => new Promise(over => sent.push({ spans: spans.length, over })),
      close() {
        isClosed = true
        for (const { over } of sent) over(0)
      },
    },
  })
  const add = (spans: number): void => {
    for (let i = 0; i < spans; i++) queue.add(SPAN)
  }
  return { time, counts, sent, queue, add, isClosed: () => isClosed }
}

/** Lets what was resolved be heard of. */
const settled = () => new Promise(resolve => setImmediate(resolve))

test('spans leave together: every five seconds, or when 512 of them are there', async () => {
  const { time, sent, counts, add } = started()
  add(3)
  await time.advance(4_999)
  expect(sent).toHaveLength(0)
  await time.advance(1)
  expect(sent.map(({ spans }) => spans)).toEqual([3])
  sent[0]?.over(3)
  await settled()
  add(512)
  expect(sent.map(({ spans }) => spans)).toEqual([3, 512])
  expect(counts).toEqual({ exported: 3, dropped: 0, failed: 0 })
  expect(time.pendingMs()).toEqual([])
})

test('while one batch is under way, 2,048 spans wait for it, and all beyond are dropped and counted', async () => {
  const { sent, counts, add } = started()
  add(512 + 2_048 + 100)
  expect(sent.map(({ spans }) => spans)).toEqual([512])
  expect(counts).toEqual({ exported: 0, dropped: 100, failed: 0 })
  for (let i = 0; i < 5; i++) {
    sent[i]?.over(i === 1 ? 500 : 512)
    await settled()
  }
  expect(sent.map(({ spans }) => spans)).toEqual([512, 512, 512, 512, 512])
  expect(counts).toEqual({ exported: 5 * 512 - 12, dropped: 100, failed: 12 })
})

test('closing sends what is there, and then takes nothing more', async () => {
  const { sent, counts, add, queue, isClosed } = started()
  add(600)
  const closed = queue.close(2_000)
  sent[0]?.over(512)
  await settled()
  expect(sent.map(({ spans }) => spans)).toEqual([512, 88])
  sent[1]?.over(88)
  await closed
  expect(isClosed()).toBe(true)
  add(1)
  expect(counts).toEqual({ exported: 600, dropped: 1, failed: 0 })
})

test('closing gives up after the time that it has, and counts what was lost', async () => {
  const { time, counts, add, queue } = started()
  add(600)
  const closed = queue.close(2_000)
  await settled()
  await time.advance(2_000, settled as () => Promise<void>)
  await closed
  expect(counts).toEqual({ exported: 0, dropped: 88, failed: 512 })
})
