/** Tests methods beyond the usual ones over a socket: which route takes them, and what the service sees. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FORWARDED } from '../../src/route/methods.ts'
import { get, PROTOCOLS, request, type Stack } from '../support/raw.ts'

const ROUTES = [
  { id: 'private', path: '/private/**' },
  { id: 'read', path: '/dav/**', methods: ['GET', 'PROPFIND', 'QUERY'], access: 'public' },
  { id: 'purge', path: '/dav/:id', methods: ['PURGE'] },
  { id: 'every', path: '/every', methods: FORWARDED, access: 'public' },
]

describe.each(PROTOCOLS)('methods of any name over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({ routes: ROUTES }))
  })
  afterAll(() => stack.close())

  test.each(['PROPFIND', 'QUERY'])('%s reaches the route that lists it, with its body', async method => {
    const reply = await stack.exchange(request(`${method} /dav/a HTTP/1.1`, ['Content-Length: 3'], 'abc'))
    expect(reply?.status).toBe(200)
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ method, url: '/dav/a', bodyBytes: 3 })
  })

  test('each is judged by the route that lists it', async () => {
    await stack.refuses(request('PURGE /dav/a HTTP/1.1'), 'token_missing')
    await stack.refuses(request('MKCOL /dav/a HTTP/1.1'), 'route_unknown')
    await stack.refuses(request('PURGE /dav/a/b HTTP/1.1'), 'route_unknown')
  })

  test.each(FORWARDED.filter(method => method !== 'HEAD'))('%s arrives as it was sent', async method => {
    const reply = await stack.exchange(request(`${method} /every HTTP/1.1`))
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ method })
  })

  test.each(['propfind', 'TRACE'])('%s reaches nobody', async method => {
    const reached = await stack.forwarded(() => stack.exchange(request(`${method} /every HTTP/1.1`)))
    expect(reached).toBe('')
  })

  test('their label in the metrics is one', async () => {
    await stack.exchange(get('/every'))
    const metrics = await stack.metrics()
    expect(metrics).toMatch(/^sallyport_requests_total\{route="every",method="OTHER",code="ok"\} [1-9]/m)
    expect(metrics).not.toMatch(/PROPFIND|PURGE|QUERY/)
  })
})
