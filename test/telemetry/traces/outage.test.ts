/** A collector that is away, slow or overwhelmed: no request waits for it or fails, and every span is counted once. */
import { expect, onTestFinished, test } from 'vitest'
import { startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { startTraceCollector, type TraceCollector } from '../../support/services/trace-collector.ts'

const AWAY = 'traces cannot be sent'
const BACK = 'traces are sent again'

/** @param timeoutMs for one batch, with all attempts */
async function started(timeoutMs: number): Promise<{ collector: TraceCollector; stack: TestStack }> {
  const collector = await startTraceCollector()
  const stack = await startTestStack(
    { traces: { endpoint: collector.url, sample: '100%' } },
    { env: { OTEL_EXPORTER_OTLP_TIMEOUT: String(timeoutMs) } },
  )
  onTestFinished(async () => {
    await stack.close()
    await collector.kill()
  })
  return { collector, stack }
}

/** The keys were fetched once. */
const SPANS_BEFORE = 1

/** Spans of one request stay together, so one less than the most. */
const FIRST_BATCH = 511

/** Each of the requests makes two spans. */
async function load({ request }: TestStack, requests: number): Promise<void> {
  const reply = async () => (await request('/public/x')).status
  for (let left = requests; left > 0; left -= 50)
    expect(new Set(await Promise.all(Array.from({ length: Math.min(50, left) }, reply)))).toEqual(new Set([200]))
}

async function counts({ metrics }: TestStack): Promise<Record<'exported' | 'dropped' | 'failed', number>> {
  const all = await metrics()
  const of = (result: string): number => all.get(`sallyport_trace_spans_total{result="${result}"}`) ?? Number.NaN
  return { exported: of('exported'), dropped: of('dropped'), failed: of('failed') }
}

const times = ({ logs }: TestStack, msg: string): number => logs.filter(line => line.msg === msg).length

test('a collector is killed under load and comes back: the log says each once, and all spans are accounted for', async () => {
  const { collector, stack } = await started(300)
  await load(stack, 300)
  await collector.collected(FIRST_BATCH)
  const killed = collector.kill()
  await load(stack, 1_500)
  await killed
  expect(await stack.logged({ msg: AWAY })).toMatchObject({ level: 'warn', endpoint: collector.url })
  await collector.revive()
  // With a batch that arrives all is well again.
  let requests = 1_800
  for (; times(stack, BACK) === 0; requests += 50) await load(stack, 50)
  expect([times(stack, AWAY), times(stack, BACK)]).toEqual([1, 1])
  const { exported, dropped, failed } = await counts(stack)
  expect(failed).toBeGreaterThan(0)
  expect(exported).toBe(collector.spans.length)
  const waiting = SPANS_BEFORE + 2 * requests - exported - dropped - failed
  expect(waiting).toBeGreaterThanOrEqual(0)
  expect(waiting).toBeLessThanOrEqual(512 + 2_048)
}, 30_000)

test('503 with Retry-After is tried again, and nothing is lost', async () => {
  const { collector, stack } = await started(10_000)
  const twice = [503, 429]
  collector.answer(response => {
    const status = twice.shift()
    if (twice.length === 0) collector.answer(undefined)
    response.writeHead(status ?? 500, { 'retry-after': '0' }).end()
  })
  await load(stack, 256)
  await collector.collected(FIRST_BATCH)
  expect(collector.posts.length).toBeGreaterThanOrEqual(3)
  expect(times(stack, AWAY)).toBe(0)
})

test('a collector that never answers costs spans and no request; closing waits for it two seconds at most', async () => {
  const { collector, stack } = await started(10_000)
  collector.answer(() => {})
  await load(stack, 1_600)
  // One batch is under way, and 2,048 spans wait.
  const dropped = SPANS_BEFORE + 3_200 - FIRST_BATCH - 2_048
  expect(await counts(stack)).toEqual({ exported: 0, dropped, failed: 0 })
  const begunMs = performance.now()
  await stack.running.close()
  expect(performance.now() - begunMs).toBeLessThan(8_000)
}, 30_000)

test('spans that the collector rejects are no exported ones', async () => {
  const { collector, stack } = await started(10_000)
  collector.answer(response => {
    collector.answer(undefined)
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ partialSuccess: { rejectedSpans: '12', errorMessage: 'do-not-show-me' } }))
  })
  await load(stack, 256)
  await collector.posted()
  while ((await counts(stack)).exported === 0) await load(stack, 1)
  expect(await counts(stack)).toMatchObject({ exported: FIRST_BATCH - 12, failed: 12 })
  expect(stack.logText()).not.toContain('do-not-show-me')
})

test('what is in the file with headers reaches the collector alone', async () => {
  const collector = await startTraceCollector()
  const stack = await startTestStack(
    { traces: { endpoint: collector.url, sample: '100%', headersFile: 'headers' } },
    {
      files: { headers: 'Authorization: Bearer from-file\nX-Tenant: a\n' },
      env: {
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20from-env,x-env=1',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_SERVICE_NAME: 'orders-gateway',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
        OTEL_EXPORTER_OTLP_TIMEOUT: 'soon',
      },
    },
  )
  onTestFinished(collector.kill)
  await load(stack, 1)
  await stack.close()
  expect(collector.posts[0]?.headers).toMatchObject({
    authorization: 'Bearer from-file',
    'x-tenant': 'a',
    'x-env': '1',
    'content-encoding': 'gzip',
  })
  expect(collector.spans[0]?.resource).toMatchObject({
    'service.name': 'orders-gateway',
    'deployment.environment.name': 'test',
  })
  expect(stack.logs.filter(({ variable }) => variable !== undefined)).toMatchObject([
    { variable: 'OTEL_EXPORTER_OTLP_TIMEOUT', level: 'warn' },
  ])
  expect(stack.logText()).not.toContain('from-file')
})
