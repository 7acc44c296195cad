/** The text of a scrape is what Prometheus reads, and it is made in slices, however many routes there are. */
import { Gauge, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { DENIAL_CODES } from '../../../src/errors.ts'
import { exposition, familiesOf, packed, SERIES_PER_SLICE } from '../../../src/telemetry/metrics/exposition.ts'
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics/metrics.ts'

const ROUTES = 200
const LARGEST_KIND = { access: 'required', mode: 'report' } as const

function metricsOf(routes: number): Metrics {
  const metrics = createMetrics({ version: '1', node: '26', cacheResults: ['hit'], fetchResults: ['ok'] })
  for (let route = 0; route < routes; route++) metrics.forRoute(`route-${route}`, LARGEST_KIND)
  return metrics
}

/** Counts the gateway's own: those of Node come and go. */
const seriesIn = (text: string) => text.split('\n').filter(line => line.startsWith('sallyport_')).length

async function seriesOf({ registry }: Metrics): Promise<number> {
  return seriesIn((await Array.fromAsync(exposition(familiesOf(registry)))).join(''))
}

/** Runs while others wait for their turn. @returns how many turns they had */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  isOver = true
  return turns
}

test('no route has more than 160 series at the start', async () => {
  expect((await seriesOf(metricsOf(1))) - (await seriesOf(metricsOf(0)))).toBeLessThanOrEqual(160)
})

test('a refusal adds one series to its route, and none for the codes that have not come', async () => {
  const metrics = metricsOf(1)
  const before = await seriesOf(metrics)
  const bound = metrics.forRoute('route-0', LARGEST_KIND)
  const outcome = {
    method: 'GET',
    status: undefined,
    durationSeconds: 1,
    overheadSeconds: 1,
    upstreamSeconds: undefined,
  }
  for (const code of DENIAL_CODES.slice(0, 3)) bound.observe({ ...outcome, code })
  expect(await seriesOf(metrics)).toBe(before + 3)
})

test('a scrape takes a turn of the event loop for each slice, whose size does not depend on the routes', async () => {
  const { registry } = metricsOf(ROUTES)
  const slices: string[] = []
  const turns = await turnsDuring(async () => {
    for await (const slice of exposition(familiesOf(registry))) slices.push(slice)
  })
  expect(turns).toBeGreaterThanOrEqual(slices.length - 1)
  expect(slices.length).toBeGreaterThan(10)
  // An owner's series are never torn apart, and no owner has a hundred of one metric.
  for (const slice of slices) expect(seriesIn(slice)).toBeLessThan(SERIES_PER_SLICE + 100)
})

test('what is sent to another process comes in slices, too, and is the whole', async () => {
  const metrics = metricsOf(ROUTES)
  const pieces: number[] = []
  const turns = await turnsDuring(async () => {
    for await (const piece of packed(familiesOf(metrics.registry)))
      pieces.push(
        piece
          .filter(({ name }) => name.startsWith('sallyport_'))
          .flatMap(({ owned }) => owned)
          .reduce((sum, { places }) => sum + places.length, 0),
      )
  })
  expect(turns).toBeGreaterThanOrEqual(pieces.length - 1)
  expect(Math.max(...pieces)).toBeLessThan(SERIES_PER_SLICE + 100)
  expect(pieces.reduce((sum, count) => sum + count)).toBe(await seriesOf(metrics))
})

test('values are spelled as Prometheus spells them', async () => {
  const registry = new Registry()
  const gauge = new Gauge({ name: 'odd', help: 'Odd\nvalues.', labelNames: ['is'], registers: [registry] })
  gauge.set({ is: 'nothing "yet"' }, Number.NaN)
  gauge.set({ is: 'endless' }, Number.POSITIVE_INFINITY)
  gauge.set({ is: 'endless, too' }, Number.NEGATIVE_INFINITY)
  gauge.set({ is: 'small' }, 1e-7)
  expect((await Array.fromAsync(exposition(familiesOf(registry)))).join('')).toBe(
    [
      '# HELP odd Odd\\nvalues.',
      '# TYPE odd gauge',
      'odd{is="nothing \\"yet\\""} NaN',
      'odd{is="endless"} +Inf',
      'odd{is="endless, too"} -Inf',
      'odd{is="small"} 1e-7',
      '',
    ].join('\n'),
  )
})
