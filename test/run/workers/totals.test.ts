/** Figures of several processes, as they come over a channel, become one scrape in which no counter goes down. */
import { expect, test } from 'vitest'
import { totals } from '../../../src/run/workers/totals.ts'
import { exposition, familiesOf, type PackedFamily, packed } from '../../../src/telemetry/metrics/exposition.ts'
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics/metrics.ts'
import type { ProviderHealth } from '../../../src/types.ts'

const OUTCOME = { method: 'GET', code: 'ok', status: 200, overheadSeconds: 0.0002, upstreamSeconds: 0.004 } as const

function gatewayMetrics(hash = 'abc'): Metrics {
  const metrics = createMetrics({ version: '1', node: '26', cacheResults: ['hit', 'miss'], fetchResults: ['ok'] })
  metrics.policyInForce(hash)
  metrics.initProvider('main', { asksServer: false, fetchesKeys: true })
  return metrics
}

function serve(metrics: Metrics, durationsSeconds: readonly number[], route = 'orders'): void {
  const bound = metrics.forRoute(route, { methods: ['GET'], access: 'public', mode: 'enforce' })
  for (const durationSeconds of durationsSeconds) bound.observe({ ...OUTCOME, durationSeconds })
}

/** As the channel between processes brings them. */
async function sent({ registry }: Metrics): Promise<readonly PackedFamily[]> {
  return JSON.parse(JSON.stringify(await told(registry)))
}

async function told(registry: Metrics['registry']): Promise<readonly PackedFamily[]> {
  return (await Array.fromAsync(packed(familiesOf(registry)))).flat()
}

async function textOf(sums: ReturnType<typeof totals<string>>, own: readonly PackedFamily[] = []): Promise<string> {
  return (await Array.fromAsync(exposition(sums.families(own)))).join('')
}

function series(text: string): ReadonlyMap<string, number> {
  const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(samples.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

const REQUESTS = 'sallyport_requests_total{route="orders",method="GET",code="ok"}'

test('counters and every part of a histogram are sums', async () => {
  const sums = totals<string>()
  const [one, two] = [gatewayMetrics(), gatewayMetrics()]
  serve(one, [0.002, 0.003, 40])
  serve(two, [0.002, 7])
  sums.heard('one', await sent(one))
  sums.heard('two', await sent(two))
  const scrape = series(await textOf(sums))
  expect(scrape.get(REQUESTS)).toBe(5)
  const of = (rest: string) => scrape.get(`sallyport_request_duration_seconds${rest}`)
  expect(of('_bucket{le="0.001",route="orders"}')).toBe(0)
  expect(of('_bucket{le="0.0025",route="orders"}')).toBe(2)
  expect(of('_bucket{le="10",route="orders"}')).toBe(4)
  expect(of('_bucket{le="30",route="orders"}')).toBe(4)
  expect(of('_bucket{le="+Inf",route="orders"}')).toBe(5)
  expect(of('_count{route="orders"}')).toBe(5)
  expect(of('_sum{route="orders"}')).toBeCloseTo(47.007)
})

test('the text of one process is what it would write itself', async () => {
  const sums = totals<string>()
  const metrics = gatewayMetrics()
  serve(metrics, [0.002, 3], 'a "quoted" one')
  sums.heard('one', await sent(metrics))
  // What differs from one look to the next is left out.
  const lines = (text: string) => text.split('\n').filter(line => !/(^| )(process|nodejs)_/.test(line))
  const own = (await Array.fromAsync(exposition(familiesOf(metrics.registry)))).join('')
  expect(lines(await textOf(sums))).toEqual(lines(own))
})

test('each gauge says what is true of all', async () => {
  const sums = totals<string>()
  const [one, two] = [gatewayMetrics('abc'), gatewayMetrics('def')]
  const keys = (count: number) => Array.from({ length: count }, () => ({ kid: undefined, algorithms: ['RS256'] }))
  const health = (count: number, lastSuccessSeconds: number): ProviderHealth => ({
    usable: true,
    lastError: undefined,
    kind: 'keys',
    keySet: { usable: true, keys: keys(count), skipped: {}, lastSuccessSeconds, lastError: undefined },
  })
  one.showProvider('main', health(3, 2000))
  two.showProvider('main', health(0, 1000))
  one.inFlight.begun()
  two.inFlight.begun()
  one.tokenCacheEntries.set(4)
  two.tokenCacheEntries.set(5)
  two.reloadFailed()
  sums.heard('one', await sent(one))
  sums.heard('two', await sent(two))
  const scrape = series(await textOf(sums))
  expect(scrape.get('sallyport_requests_in_flight')).toBe(2)
  expect(scrape.get('sallyport_token_cache_entries')).toBe(9)
  expect(scrape.get('sallyport_jwks_keys{provider="main"}')).toBe(0)
  expect(scrape.get('sallyport_jwks_last_success_timestamp_seconds{provider="main"}')).toBe(1000)
  expect(scrape.get('sallyport_config_last_reload_successful')).toBe(0)
  expect(scrape.get('sallyport_config_info{hash="abc"}')).toBe(1)
  expect(scrape.get('sallyport_config_info{hash="def"}')).toBe(1)
  expect(scrape.get('sallyport_build_info{version="1",node="26"}')).toBe(1)
  const start = (await one.registry.getSingleMetric('process_start_time_seconds')?.get())?.values[0]?.value
  expect(scrape.get('process_start_time_seconds')).toBe(start)
  // An event loop that has not been measured yet has no delay to show.
  const unmeasured = [...scrape].flatMap(([name, value]) => (Number.isFinite(value) ? [] : [name]))
  expect(unmeasured.filter(name => !name.startsWith('nodejs_eventloop_lag_'))).toEqual([])
})

test('what a process counted stays when it is gone, and its gauges do not', async () => {
  const sums = totals<string>()
  const [one, two] = [gatewayMetrics(), gatewayMetrics()]
  serve(one, [0.002, 40])
  one.inFlight.begun()
  serve(two, [0.002])
  sums.heard('one', await sent(one))
  sums.heard('two', await sent(two))
  const before = series(await textOf(sums))
  const isGone = sums.gone('one')
  const during = series(await textOf(sums))
  await isGone
  const after = series(await textOf(sums))
  const counted = [...before].filter(([name]) => /^sallyport_.*_(total|bucket|count|sum)(\{|$)/.test(name))
  expect(counted.length).toBeGreaterThan(30)
  for (const [name, value] of counted) expect([during.get(name), after.get(name)], name).toEqual([value, value])
  expect(before.get('sallyport_requests_in_flight')).toBe(1)
  expect(after.get('sallyport_requests_in_flight')).toBe(0)

  await Promise.all([sums.gone('two'), sums.gone('one')])
  expect(series(await textOf(sums)).get(REQUESTS)).toBe(3)
  const three = gatewayMetrics()
  serve(three, [0.1])
  sums.heard('three', await sent(three))
  expect(series(await textOf(sums)).get(REQUESTS)).toBe(4)
})

test('a route that no living process knows takes its past along', async () => {
  const sums = totals<string>()
  const [one, two] = [gatewayMetrics(), gatewayMetrics()]
  serve(one, [0.002], 'retired')
  serve(one, [0.002])
  serve(two, [0.002])
  sums.heard('one', await sent(one))
  await sums.gone('one')
  sums.heard('two', await sent(two))
  const scrape = series(await textOf(sums))
  expect([...scrape.keys()].filter(name => name.includes('"retired"'))).toEqual([])
  expect(scrape.get(REQUESTS)).toBe(2)
})

test('figures of the process that asks are part of the sum', async () => {
  const sums = totals<string>()
  const [one, own] = [gatewayMetrics(), gatewayMetrics()]
  serve(one, [0.002])
  serve(own, [0.002, 0.002])
  sums.heard('one', await sent(one))
  expect(series(await textOf(sums, await told(own.registry))).get(REQUESTS)).toBe(3)
})

test('what a process has not measured yet does not count, and comes over the channel as what it is', async () => {
  const sums = totals<string>()
  const family = (value: number | string): PackedFamily => ({
    name: 'lag_seconds',
    help: 'Lag.',
    type: 'gauge',
    aggregator: 'max',
    cells: [{ head: 'lag_seconds', tail: '' }],
    owned: [{ owner: '', places: [0], values: [value] }],
  })
  sums.heard('one', [family('NaN')])
  expect(series(await textOf(sums)).get('lag_seconds')).toBeNaN()
  sums.heard('two', [family(0.25)])
  sums.heard('three', [family('NaN')])
  expect(series(await textOf(sums)).get('lag_seconds')).toBe(0.25)
})
