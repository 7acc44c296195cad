import { expect, test } from 'vitest'
import { fetchDocument } from '../../../src/keys/fetch/fetch-document.ts'
import { providerTraces } from '../../../src/telemetry/traces/provider-requests.ts'
import type { FinishedSpan } from '../../../src/telemetry/traces/span.ts'
import { manualTime } from '../../support/manual-time.ts'
import { json, startKeyServer, status } from '../../support/services/key-server.ts'

async function started() {
  const server = await startKeyServer()
  const traces = providerTraces(manualTime())
  const spans: FinishedSpan[] = []
  const follow = (sample: number) => traces.follow({ sample, sink: { add: source => source.addTo(spans) } })
  const fetch = (query = '') =>
    fetchDocument({
      url: `${server.url}${query}`,
      etag: undefined,
      maxBytes: 1_000,
      caFile: undefined,
      bearerFile: undefined,
      egress: undefined,
      trace: traces.of('main'),
      signal: AbortSignal.timeout(5_000),
    })
  const sent = () => server.requests.at(-1)?.headers.traceparent
  return { server, traces, spans, follow, fetch, sent }
}

test('a request to a provider says which trace it belongs to, and is a span of it, without its query', async () => {
  const { server, spans, follow, fetch, sent } = await started()
  server.answer(json({}))
  follow(1)
  await fetch('?secret=1')
  expect(spans).toHaveLength(1)
  expect(spans[0]).toMatchObject({ name: 'GET', kind: 'client', isError: false, parentSpanId: undefined })
  expect(spans[0]?.attributes).toEqual({
    'http.request.method': 'GET',
    'url.full': server.url,
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(server.url).port),
    'http.response.status_code': 200,
    'sallyport.provider': 'main',
  })
  expect(sent()).toBe(`00-${spans[0]?.traceId}-${spans[0]?.spanId}-01`)
})

test('what is not recorded says so, and without traces nothing is said', async () => {
  const { server, traces, spans, follow, fetch, sent } = await started()
  server.answer(json({}))
  await fetch()
  expect(sent()).toBeUndefined()
  follow(0)
  await fetch()
  expect(sent()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  traces.follow(undefined)
  await fetch()
  expect(sent()).toBeUndefined()
  expect(spans).toEqual([])
})

test('a failure is a span with its kind', async () => {
  const { server, spans, follow, fetch } = await started()
  follow(1)
  server.answer(status(500))
  await expect(fetch()).rejects.toThrow('answered 500')
  await server.down()
  await expect(fetch()).rejects.toThrow('ECONNREFUSED')
  expect(spans.map(({ isError, attributes }) => [isError, attributes['error.type']])).toEqual([
    [true, '500'],
    [true, 'connect_error'],
  ])
})
