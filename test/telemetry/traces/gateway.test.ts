/**
 * Traces of a running gateway, as a collector receives them. One gateway answers all requests of this file, and sends
 * all spans when it is closed; each test then looks at those of its own requests.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { type CollectedSpan, startTraceCollector, type TraceCollector } from '../../support/services/trace-collector.ts'
import { PROTOBUF_PATH, WITHOUT_PROTOBUF } from '../../support/services/trace-protobuf.ts'
import type { SeenRequest } from '../../support/services/upstream.ts'

const [SERVER, CLIENT, INTERNAL] = [2, 3, 1]
const parent = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' }
const traceparent = `00-${parent.trace}-${parent.span}-01`
const MARKED = 'do-not-show-me'

let collector: TraceCollector
let stack: TestStack
let metrics: ReadonlyMap<string, number>
/** What the service saw of each request, and the spans of its trace, by the id that the request had. */
const seen = new Map<string, SeenRequest>()
const spansOf = (id: string): readonly CollectedSpan[] => {
  const [, traceId] = (seen.get(id)?.headers.traceparent as string | undefined)?.split('-') ?? []
  return collector.spans.filter(span => span.traceId === traceId)
}
const only = (spans: readonly CollectedSpan[], kind: number): CollectedSpan => {
  const found = spans.filter(span => span.kind === kind)
  expect(found).toHaveLength(1)
  return found[0] as CollectedSpan
}

beforeAll(async () => {
  collector = await startTraceCollector()
  stack = await startTestStack({ traces: { endpoint: collector.url, sample: '100%' } })
  const token = await stack.issuer.mint({ sub: MARKED, scope: 'orders:read', tenant: MARKED })
  const ask = async (id: string, path: string, headers: Record<string, string> = {}): Promise<void> => {
    const before = stack.upstream.seen.length
    await stack.request(`${path}?token=${MARKED}`, { headers: { 'user-agent': 'test/1', ...headers } })
    const request = stack.upstream.seen[before]
    if (request !== undefined) seen.set(id, request)
  }
  await ask('cold', '/orders/17', bearer(token))
  await ask('warm', '/orders/18', bearer(token))
  await ask('stranger', '/public/a', { traceparent, tracestate: 'a=1' })
  await stack.request(`/orders/${MARKED}`, { headers: bearer(`x.${MARKED}.y`) })
  await stack.request(`/nowhere/${MARKED}`)
  const [header, payload] = token.split('.')
  const misplaced = `${header}.${payload?.slice(0, 40)}.${MARKED}`
  await stack.request('/public/b', { headers: { host: misplaced, 'user-agent': `a ${misplaced} b` } })
  await stack.request(`/orders/19`, { headers: bearer(await stack.issuer.mint({ sub: 'bob' })) })
  metrics = await stack.metrics()
  await stack.close()
}, 60_000)
afterAll(() => collector.kill())

describe('a request that passes', () => {
  test('is a SERVER span by its route, whose child is a CLIENT span, which is the parent of the service', () => {
    const spans = spansOf('warm')
    expect(spans).toHaveLength(2)
    const [server, client] = [only(spans, SERVER), only(spans, CLIENT)]
    expect(server).toMatchObject({ name: 'GET /orders/**', status: 0, links: [] })
    expect(server.parentSpanId).toBeUndefined()
    expect(server.attributes).toEqual({
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'http.route': '/orders/**',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(stack.url).port),
      'network.protocol.version': '1.1',
      'client.address': '127.0.0.1',
      'user_agent.original': 'test/1',
      'sallyport.request_id': expect.stringMatching(/^[0-9a-f]{32}$/),
      'sallyport.route': 'orders-read',
      'sallyport.provider': 'main',
      'sallyport.token_cache': 'hit',
    })
    expect(client).toMatchObject({ name: 'GET', parentSpanId: server.spanId, status: 0 })
    expect(client.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(stack.upstream.url).port),
      'sallyport.route': 'orders-read',
    })
    expect(seen.get('warm')?.headers.traceparent).toBe(`00-${server.traceId}-${client.spanId}-01`)
    expect(server.startMs).toBeLessThanOrEqual(client.startMs)
    expect(client.endMs).toBeLessThanOrEqual(server.endMs)
    expect(Math.abs(server.startMs - Date.now())).toBeLessThan(60_000)
  })

  test('has an INTERNAL span as long as its token was verified, and only then', () => {
    const spans = spansOf('cold')
    const [server, verify] = [only(spans, SERVER), only(spans, INTERNAL)]
    expect(verify).toMatchObject({ name: 'verify', parentSpanId: server.spanId })
    expect(verify.attributes).toEqual({ 'sallyport.provider': 'main', 'sallyport.token_cache': 'miss' })
    expect(server.attributes['sallyport.token_cache']).toBe('miss')
    expect(server.startMs).toBeLessThanOrEqual(verify.startMs)
    expect(verify.endMs).toBeLessThanOrEqual(only(spans, CLIENT).startMs)
    expect(verify.endMs - verify.startMs).toBeGreaterThan(0)
  })

  test('begins a new trace with a link where its parent is a stranger, whose tracestate ends here', () => {
    const server = only(spansOf('stranger'), SERVER)
    expect(server.traceId).not.toBe(parent.trace)
    expect(server.links).toMatchObject([{ traceId: parent.trace, spanId: parent.span }])
    expect(server.traceState).toBeUndefined()
    expect(seen.get('stranger')?.headers).not.toHaveProperty('tracestate')
  })
})

test('a refusal is a SERVER span alone, with its code; without a route its name is the method', () => {
  const codes = ['token_malformed', 'route_unknown', 'scope_missing']
  const refused = collector.spans.filter(({ attributes }) => codes.includes(attributes['error.type'] as string))
  expect(
    refused.map(({ name, kind, status, attributes }) => ({
      name,
      kind,
      status,
      answered: attributes['http.response.status_code'],
      code: attributes['error.type'],
    })),
  ).toEqual([
    { name: 'verify', kind: INTERNAL, status: 0, answered: undefined, code: 'token_malformed' },
    { name: 'GET /orders/**', kind: SERVER, status: 0, answered: 401, code: 'token_malformed' },
    { name: 'GET', kind: SERVER, status: 0, answered: 404, code: 'route_unknown' },
    { name: 'GET /orders/**', kind: SERVER, status: 0, answered: 403, code: 'scope_missing' },
  ])
})

test('a fetch of keys is a trace of its own, of a provider', () => {
  const fetched = collector.spans.filter(({ attributes }) => attributes['url.full'] === stack.issuer.jwksUri)
  expect(fetched).toMatchObject([{ name: 'GET', kind: CLIENT, attributes: { 'sallyport.provider': 'main' } }])
  expect(collector.spans.filter(({ traceId }) => traceId === fetched[0]?.traceId)).toHaveLength(1)
})

test('no token, claim, query or path is in what is sent', () => {
  expect(collector.spans.length).toBeGreaterThan(8)
  for (const { body } of collector.posts) expect(body).not.toMatch(new RegExp(`${MARKED}|eyJ`))
})

test('the resource says which service and process it is', () => {
  expect(collector.spans[0]?.resource).toEqual({
    'service.name': 'sallyport',
    'service.version': '0.0.0-test',
    'service.instance.id': expect.stringMatching(/^[0-9a-f]{32}$/),
  })
  expect(collector.posts[0]).toMatchObject({ path: '/v1/traces', headers: { 'content-type': 'application/json' } })
  expect(metrics.get('sallyport_trace_spans_total{result="dropped"}')).toBe(0)
})

test.skipIf(WITHOUT_PROTOBUF)('OpenTelemetry’s own schema knows every member of what is sent', async () => {
  const program = `import sys, json
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = json_format.Parse(sys.argv[1], ExportTraceServiceRequest())
print(sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans))`
  for (const { body } of collector.posts) {
    const { stdout } = await promisify(execFile)('python3', ['-c', program, body], {
      env: { ...process.env, PYTHONPATH: PROTOBUF_PATH },
    })
    expect(Number(stdout)).toBe(collector.spans.length)
  }
})
