/** A tally counts and shows what prom-client's own metric would for the same events. */
import { Counter, Histogram, Registry } from 'prom-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { exposition, familiesOf } from '../../../src/telemetry/metrics/exposition.ts'
import { tallyCounter, tallyHistogram } from '../../../src/telemetry/metrics/tally.ts'

const OWNERS = ['orders', 'a "quoted" one', 'back\\slash', '{route="orders"}']
const RESULTS = ['hit', 'miss', 'stale'] as const
const BOUNDS = [0.001, 0.01, 0.1, 1]

let theirs: Registry
let ours: Registry
beforeEach(() => {
  theirs = new Registry()
  ours = new Registry()
})

/** @returns the lines with their labels in order */
const series = (text: string) =>
  text
    .split('\n')
    .map(line => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(/,(?=\w+=")/).toSorted()}}`))
    .toSorted()

async function expectTheSame(): Promise<void> {
  const text = (await Array.fromAsync(exposition(familiesOf(ours)))).join('')
  expect(series(text)).toEqual(series((await theirs.metrics()).replaceAll('\n\n', '\n')))
}

describe('a counter', () => {
  const definition = { name: 'looked_up_total', help: 'A "help" text.' } as const
  const cells = RESULTS.map(result => ({ result }))
  const counters = () => ({
    own: tallyCounter({ ...definition, owner: 'owner', labelNames: ['result'], cells, registry: ours }),
    other: new Counter({ ...definition, labelNames: ['owner', 'result'], registers: [theirs] }),
  })

  test('shows what is listed from 0, and the rest from its first event', async () => {
    const { own, other } = counters()
    for (const [at, owner] of OWNERS.entries()) {
      const tally = own.of(owner, [0, 1])
      other.inc({ owner, result: 'hit' }, 0)
      other.inc({ owner, result: 'miss' }, 0)
      for (let event = 0; event < at; event++) {
        tally.add(2)
        other.inc({ owner, result: 'stale' })
        tally.add(event % 2)
        other.inc({ owner, result: RESULTS[event % 2] ?? '' })
      }
    }
    await expectTheSame()
  })

  test('goes on when its owner comes again with another list, and starts anew when that was forgotten', async () => {
    const { own, other } = counters()
    const before = own.of('orders', [0])
    before.add(0)
    before.add(1)
    own.of('orders', [1, 2]).add(0)
    other.inc({ owner: 'orders', result: 'hit' }, 2)
    other.inc({ owner: 'orders', result: 'miss' }, 1)
    other.inc({ owner: 'orders', result: 'stale' }, 0)
    await expectTheSame()
    own.forget('orders')
    before.add(0)
    other.reset()
    await expectTheSame()
    own.of('orders', [0])
    other.inc({ owner: 'orders', result: 'hit' }, 0)
    await expectTheSame()
  })

  test('counts nothing for what is no series', async () => {
    const { own, other } = counters()
    const tally = own.of('orders', [0])
    for (const index of [-1, 3, Number.NaN]) tally.add(index)
    other.inc({ owner: 'orders', result: 'hit' }, 0)
    await expectTheSame()
  })
})

test('a counter whose owners have several lists drops all of them with their owner', async () => {
  const definition = { name: 'called_total', help: 'Help.' } as const
  const own = tallyCounter({
    ...definition,
    owner: 'route',
    part: 'tool',
    labelNames: ['code'],
    cells: RESULTS.map(code => ({ code })),
    registry: ours,
  })
  const other = new Counter({ ...definition, labelNames: ['route', 'tool', 'code'], registers: [theirs] })
  const add = (route: string, tool: string): void => {
    own.ofPart(route, tool, []).add(0)
    other.inc({ route, tool, code: 'hit' })
  }
  for (const [route, tool] of [
    ['a', 'b","c'],
    ['a","b', 'c'],
    ['a', 'b'],
    ['a', 'b'],
    ['b', 'a'],
  ] as const)
    add(route, tool)
  await expectTheSame()
  own.forget('a')
  other.remove('a', 'b","c', 'hit')
  other.remove('a', 'b', 'hit')
  await expectTheSame()
})

test('counters without an owner, or without further labels, are written as prom-client writes them', async () => {
  const definition = { help: 'Help.', registry: ours } as const
  tallyCounter({ ...definition, name: 'refused_total', labelNames: ['result'], cells: [{ result: 'hit' }] }).of('', [0])
  tallyCounter({ ...definition, name: 'asked_total', owner: 'owner', labelNames: [], cells: [{}] }).of('orders', [0])
  const [refused, asked] = [
    new Counter({ name: 'refused_total', help: 'Help.', labelNames: ['result'], registers: [theirs] }),
    new Counter({ name: 'asked_total', help: 'Help.', labelNames: ['owner'], registers: [theirs] }),
  ]
  refused.inc({ result: 'hit' }, 0)
  asked.inc({ owner: 'orders' }, 0)
  await expectTheSame()
})

describe('a histogram', () => {
  const definition = { name: 'took_seconds', help: 'Help.' } as const
  const histograms = () => ({
    own: tallyHistogram({ ...definition, owner: 'owner', bounds: BOUNDS, registry: ours }),
    other: new Histogram({ ...definition, labelNames: ['owner'], buckets: BOUNDS, registers: [theirs] }),
  })

  test.each([
    ['nothing', []],
    ['a duration of each bucket', [0, 0.005, 0.05, 0.5]],
    ['its very bounds', BOUNDS],
    ['what is just past them', BOUNDS.map(bound => bound * (1 + Number.EPSILON))],
    ['what is past all of them', [1.5, 3600]],
  ])('shows %s', async (_, observed) => {
    const { own, other } = histograms()
    for (const owner of OWNERS) {
      const durations = own.of(owner)
      other.zero({ owner })
      for (const seconds of observed) {
        durations.observe(seconds)
        other.observe({ owner }, seconds)
      }
    }
    await expectTheSame()
  })

  test('goes on when its owner comes again, and is gone when that was forgotten', async () => {
    const { own, other } = histograms()
    for (const seconds of [0.002, 0.2]) {
      own.of('orders').observe(seconds)
      other.observe({ owner: 'orders' }, seconds)
    }
    own.of('gone').observe(1)
    own.forget('gone')
    await expectTheSame()
  })
})
