import { describe, expect, test } from 'vitest'
import { quantile, type Snapshot, slidingWindow } from '../../../src/admin/console/window.ts'

const BOUNDS = [0.001, 0.01, 0.1]

interface Counted {
  readonly refused?: Readonly<Record<string, number>>
  readonly routes?: Readonly<Record<string, { readonly passed: number; readonly refused: number }>>
  readonly added?: readonly number[]
}

function snapshot(atSeconds: number, { refused = {}, routes = {}, added = [0, 0, 0, 0] }: Counted = {}): Snapshot {
  return {
    atMs: atSeconds * 1000,
    refused: new Map(Object.entries(refused)),
    reported: new Map(),
    routes: new Map(Object.entries(routes)),
    streamsEnded: new Map(),
    lookups: new Map(),
    traceSpans: new Map(),
    auditRecords: new Map(),
    added: { bounds: BOUNDS, counts: added },
    service: { bounds: [], counts: [] },
  }
}

describe('what happened in the last minutes', () => {
  test('is how totals have grown since the snapshot that is as old as the window', () => {
    const window = slidingWindow(300_000)
    for (const [at, scope] of [0, 15, 30, 315].entries())
      window.keep(snapshot(scope, { refused: { scope_missing: at } }))
    const { seconds, totals, steps } = window.until(snapshot(330, { refused: { scope_missing: 10, token_missing: 2 } }))
    expect(seconds).toBe(300)
    expect(Object.fromEntries(totals.refused)).toEqual({ scope_missing: 8, token_missing: 2 })
    expect(steps).toEqual([1, 9])
  })

  test('reaches back to the first snapshot, until the window is full', () => {
    const window = slidingWindow(300_000)
    window.keep(snapshot(10))
    expect(window.until(snapshot(25, { refused: { internal: 1 } }))).toMatchObject({ seconds: 15, steps: [1] })
  })

  test('is nothing before the first snapshot', () => {
    const { seconds, totals, steps } = slidingWindow(300_000).until(snapshot(5, { refused: { internal: 7 } }))
    expect({ seconds, steps, refused: totals.refused.get('internal') }).toEqual({ seconds: 0, steps: [], refused: 0 })
  })

  test('is all of a total that has become smaller, because another process counts', () => {
    const window = slidingWindow(300_000)
    const before = { refused: { internal: 9 }, routes: { orders: { passed: 50, refused: 5 } }, added: [4, 8, 9, 9] }
    window.keep(snapshot(0, before))
    const after = { refused: { internal: 2 }, routes: { orders: { passed: 3, refused: 6 } }, added: [5, 5, 5, 5] }
    const { totals } = window.until(snapshot(15, after))
    expect(totals.refused.get('internal')).toBe(2)
    expect(totals.routes.get('orders')).toEqual({ passed: 3, refused: 1 })
    expect(totals.added.counts).toEqual([5, 5, 5, 5])
  })

  test('counts a route that is new, and forgets one that is gone', () => {
    const window = slidingWindow(300_000)
    window.keep(snapshot(0, { routes: { old: { passed: 9, refused: 0 } } }))
    const { totals } = window.until(snapshot(15, { routes: { new: { passed: 4, refused: 1 } } }))
    expect(Object.fromEntries(totals.routes)).toEqual({ new: { passed: 4, refused: 1 } })
  })

  test('is told from a bounded number of snapshots', () => {
    const window = slidingWindow(60_000)
    for (let at = 0; at <= 600; at += 15) window.keep(snapshot(at, { refused: { internal: at } }))
    const { seconds, steps } = window.until(snapshot(601, { refused: { internal: 601 } }))
    expect({ seconds, steps: steps.length }).toEqual({ seconds: 61, steps: 5 })
  })
})

describe('a quantile', () => {
  test('is spread evenly inside of its bucket', () => {
    expect(quantile(0.5, { bounds: BOUNDS, counts: [0, 10, 10, 10] })?.seconds).toBeCloseTo(0.0055)
    expect(quantile(0.5, { bounds: BOUNDS, counts: [4, 4, 4, 4] })?.seconds).toBeCloseTo(0.0005)
  })

  test('is at least the last bound, where it lies beyond that', () => {
    expect(quantile(0.99, { bounds: BOUNDS, counts: [1, 1, 1, 100] })).toEqual({ seconds: 0.1, isAtLeast: true })
  })

  test('is unknown when nothing was counted', () => {
    expect(quantile(0.5, { bounds: BOUNDS, counts: [0, 0, 0, 0] })).toBeUndefined()
    expect(quantile(0.5, { bounds: [], counts: [] })).toBeUndefined()
  })
})
