/** Tests what becomes of a 401 of the service on routes with `mcp`, whose clients would take it for one of ours. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { type Http2Service, startHttp2Service } from '../support/services/http2-service.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

/** The service's own words, none of which clients are to see. */
const FIELDS = { 'www-authenticate': 'Bearer realm="service", error="invalid_token"', 'x-service': 'yes' }
const BODY = 'who are you?'

/** Each answers 401, but `/open` with a stream that goes on until a request for `/end` comes. */
const SERVICES: ReadonlyArray<{ readonly name: string; start(): Promise<TestUpstream | Http2Service> }> = [
  {
    name: 'HTTP/1.1',
    start() {
      let end = () => {}
      return startTestUpstream(({ url }, response) => {
        if (url === '/open') {
          response.writeHead(200).write('begun')
          end = () => response.end(' and ended')
        } else if (url === '/end') {
          end()
          response.end()
        } else response.writeHead(401, FIELDS).end(BODY)
      })
    },
  },
  {
    name: 'HTTP/2',
    start() {
      let end = () => {}
      return startHttp2Service(({ stream, headers }) => {
        const path = headers[':path']
        stream.respond(path === '/open' || path === '/end' ? { ':status': 200 } : { ':status': 401, ...FIELDS })
        if (path === '/open') {
          stream.write('begun')
          end = () => stream.end(' and ended')
          return
        }
        if (path === '/end') end()
        stream.end(path === '/end' ? '' : BODY)
      })
    },
  },
]

describe.each(SERVICES)('over $name', ({ start }) => {
  let service: TestUpstream | Http2Service
  let stack: TestStack
  let headers: Readonly<Record<string, string>>
  beforeAll(async () => {
    service = await start()
    stack = await startTestStack({
      upstreams: { app: service.url },
      routes: [
        { id: 'mcp', path: '/mcp', mcp: {} },
        { id: 'judged', path: '/judged', mcp: { tools: { a: {} } } },
        { id: 'other', path: '/**' },
      ],
    })
    headers = { ...bearer(await stack.issuer.mint()), 'content-type': 'application/json' }
  })
  afterAll(async () => {
    await stack.close()
    await service.close()
  })

  test.each(['/mcp', '/judged'])(
    'it is a 502 of ours on %s, without a challenge or a word of the service',
    async path => {
      const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
      const reply = await stack.request(path, { method: 'POST', headers, body })
      expect([reply.status, reply.json().code]).toEqual([502, 'upstream_unauthorized'])
      expect(reply.headers).not.toHaveProperty('www-authenticate')
      expect(reply.headers).not.toHaveProperty('x-service')
      expect(reply.text).not.toContain(BODY)
      await stack.logged({ code: 'upstream_unauthorized', route: path.slice(1) })
    },
  )

  test('it passes as it is on a route without `mcp`', async () => {
    const reply = await stack.request('/other', { headers })
    expect([reply.status, reply.text]).toEqual([401, BODY])
    expect(reply.headers).toMatchObject(FIELDS)
  })

  test('and a stream that goes on beside it comes to its own end', async () => {
    const open = await fetch(`${stack.url}/open`, { headers })
    expect((await stack.request('/mcp', { headers })).status).toBe(502)
    expect((await stack.request('/end', { headers })).status).toBe(200)
    expect(await open.text()).toBe('begun and ended')
    if ('sessions' in service) expect(service.sessions).toHaveLength(1)
  })
})
