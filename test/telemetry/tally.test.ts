/** A tally counts and shows what prom-client's own metric would for the same events. */
import { Counter, Histogram, Registry } from 'prom-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { tallyCounter, tallyHistogram } from '../../src/telemetry/tally.ts'

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

/** @returns each sample as text, with its labels in order */
const samples = async (registry: Registry) =>
  (await registry.getMetricsAsJSON()).flatMap(({ name, help, type, aggregator, values }) =>
    values
      .map(({ labels, value, ...sample }) => {
        const metricName = 'metricName' in sample ? sample.metricName : name
        return JSON.stringify([metricName, help, type, aggregator, Object.entries(labels).toSorted(), value])
      })
      .toSorted(),
  )

async function expectTheSame(): Promise<void> {
  expect(series(await ours.metrics())).toEqual(series(await theirs.metrics()))
  expect(await samples(ours)).toEqual(await samples(theirs))
}

describe('a counter', () => {
  const definition = { name: 'looked_up_total', help: 'A "help" text.', labelNames: ['owner', 'result'] } as const
  const counters = () => ({
    own: tallyCounter({ ...definition, cells: RESULTS.map(result => ({ result })), registry: ours }),
    other: new Counter({ ...definition, labelNames: [...definition.labelNames], registers: [theirs] }),
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

describe('a histogram', () => {
  const definition = { name: 'took_seconds', help: 'Help.', labelNames: ['owner'] } as const
  const histograms = () => ({
    own: tallyHistogram({ ...definition, bounds: BOUNDS, registry: ours }),
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
