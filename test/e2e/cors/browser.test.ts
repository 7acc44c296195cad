/** What a page of another origin can send through the gateway and read of its answers, shown in Chromium. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { type Asking, ask, type Seen, UNREADABLE } from '../../support/clients/page-requests.ts'
import { bearer } from '../../support/gateway/gateway.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { startPageServer } from '../../support/services/page-server.ts'
import { type CorsStack, certificate, LISTED, SILENT_ISSUER, startCorsStack, VERSIONS } from './support.ts'

const browser = browserOfFile(() => ({ trusted: [certificate] }))
const JSON_BODY = { 'content-type': 'application/json' }

describe.skipIf(WITHOUT_BROWSER).for(VERSIONS)('over %s', version => {
  let stack: CorsStack
  let token: Record<string, string>
  beforeAll(async () => {
    stack = await startCorsStack(version)
    token = bearer(await stack.issuer.mint())
  })
  afterAll(() => stack.close())

  const openPage = (name = LISTED): Promise<Page> => browser.shared(`${stack.origin(name)}/`)
  const asks = (page: Page, path: string, asking: Omit<Asking, 'url'> = {}): Promise<Seen | string> =>
    page.evaluate(ask, { url: stack.api + path, ...asking })
  const problem = (seen: Seen | string): unknown => (typeof seen === 'string' ? seen : JSON.parse(seen.text).code)
  /** What the service was asked during `action`, as `METHOD /path`. */
  async function served(action: () => Promise<unknown>): Promise<readonly string[]> {
    const before = stack.upstream.seen.length
    await action()
    return stack.upstream.seen.slice(before).map(({ method, url }) => `${method} ${url}`)
  }

  describe('a page of a listed origin', () => {
    test('reads status, body and challenge of a 401', async () => {
      const page = await openPage()
      for (const [headers, code] of [
        [{}, 'token_missing'],
        [bearer('wrong'), 'token_malformed'],
      ] as const) {
        const seen = await asks(page, '/orders/1', { headers })
        expect(seen).toMatchObject({
          status: 401,
          type: 'cors',
          headers: {
            'content-type': 'application/problem+json',
            'www-authenticate': expect.stringMatching(/^Bearer realm="sallyport"/),
            'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
          },
        })
        expect(problem(seen)).toBe(code)
      }
    })

    test('reads which scope a 403 asks for', async () => {
      const seen = await asks(await openPage(), '/admin/1', { headers: token })
      expect(seen).toMatchObject({
        status: 403,
        headers: { 'www-authenticate': expect.stringMatching(/scope="admin", error="insufficient_scope"/) },
      })
      expect(problem(seen)).toBe('scope_missing')
    })

    test('reads that its body is too large', async () => {
      const body = 'x'.repeat(2000)
      const seen = await asks(await openPage(), '/orders/1', { method: 'PUT', headers: token, body })
      expect(seen).toMatchObject({ status: 413 })
      expect(problem(seen)).toBe('body_too_large')
    })

    test('reads that the service is down', async () => {
      const seen = await asks(await openPage(), '/gone/1', { headers: token })
      expect(seen).toMatchObject({ status: 502 })
      expect(problem(seen)).toBe('upstream_unreachable')
    })

    test('reads when to come again, while keys cannot be had', async () => {
      const headers = bearer(await stack.issuer.mint({ iss: SILENT_ISSUER }))
      const seen = await asks(await openPage(), '/orders/1', { headers })
      expect(seen).toMatchObject({ status: 503, headers: { 'retry-after': expect.stringMatching(/^\d+$/) } })
      expect(problem(seen)).toBe('keys_unavailable')
    })

    test('reads what the service answers, errors included, and the headers that are exposed', async () => {
      const page = await openPage()
      expect(await asks(page, '/orders/missing', { headers: token })).toMatchObject({
        status: 404,
        text: 'no such order',
      })
      const seen = await asks(page, '/orders/own', { headers: token })
      expect(seen).toMatchObject({ status: 200, headers: { etag: '"7"', 'x-request-id': expect.any(String) } })
      expect(seen).not.toHaveProperty(['headers', 'x-secret'])
    })

    test.for(['PUT', 'PATCH', 'DELETE'])(
      'sends %s with token and JSON, which reaches the service once',
      async method => {
        const page = await openPage()
        const preflights = await stack.preflights('brief')
        let seen: Seen | string = ''
        const requests = await served(async () => {
          seen = await asks(page, '/brief/7', { method, headers: { ...token, ...JSON_BODY }, body: '{"a":1}' })
        })
        expect(seen).toMatchObject({ status: 200 })
        expect(JSON.parse((seen as unknown as Seen).text)).toMatchObject({ method, bodyBytes: 7 })
        expect(requests).toEqual([`${method} /brief/7`])
        expect(await stack.preflights('brief')).toBe(preflights + 1)
      },
    )

    test('is stopped before it sends a header that is not listed', async () => {
      const page = await openPage()
      const headers = { ...token, 'x-unlisted': '1' }
      expect(await served(async () => expect(await asks(page, '/orders/1', { headers })).toBe(UNREADABLE))).toEqual([])
      expect(await asks(page, '/orders/1', { headers: token })).toMatchObject({ status: 200 })
    })

    test('asks once for as long as maxAge says', async () => {
      const page = await openPage()
      for (const [route, count] of [
        ['orders', 1],
        ['brief', 3],
      ] as const) {
        const before = await stack.preflights(route)
        for (let i = 0; i < 3; i += 1)
          expect(await asks(page, `/${route}/remembered`, { headers: token })).toMatchObject({ status: 200 })
        expect(await stack.preflights(route)).toBe(before + count)
      }
    })

    test('sends its cookies, and reads the answer, only where the route says so', async () => {
      const page = await openPage()
      expect(await asks(page, '/session/cookie', { credentials: 'include' })).toMatchObject({ status: 200 })
      const seen = await asks(page, '/session/1', { method: 'PUT', credentials: 'include' })
      expect(JSON.parse((seen as Seen).text).headers).toMatchObject({ cookie: 'id=7' })
      expect(await asks(page, '/strict/1', { credentials: 'include' })).toBe(UNREADABLE)
    })

    test('sends no cookies with a method that another route of the path has, whatever it was told before', async () => {
      const page = await openPage()
      const asking = { credentials: 'include', headers: JSON_BODY } as const
      expect(await asks(page, '/session/2', { ...asking, method: 'PUT' })).toMatchObject({ status: 200 })
      const requests = await served(async () =>
        expect(await asks(page, '/session/2', { ...asking, method: 'DELETE' })).toBe(UNREADABLE),
      )
      expect(requests).toEqual([])
      expect(await asks(page, '/session/2', { method: 'DELETE' })).toMatchObject({ status: 200 })
    })

    test('learns nothing where the route has no cors, nor where there is no route', async () => {
      const page = await openPage()
      expect(await asks(page, '/closed/own')).toMatchObject({ headers: { 'x-secret': 'secret' } })
      expect(await asks(page, '/closed/1')).toBe(UNREADABLE)
      expect(await asks(page, '/nowhere')).toBe(UNREADABLE)
    })
  })

  describe('a page of another origin', () => {
    // Names are compared in the same way in every version, and opening pages takes its time.
    const others = ['appXshop.test', 'app.shop.test.evil.test', 'evil.app.shop.test', 'shop.test']

    test.for(['evil.test', ...(version === 'HTTP/1.1' ? others : [])])('learns nothing: %s', async name => {
      const page = await openPage(name)
      for (const path of ['/orders/1', '/orders/own', '/gone/1', '/session/1', '/strict/1'])
        expect(await asks(page, path, { headers: token })).toBe(UNREADABLE)
      expect(await asks(page, '/session/own')).toBe(UNREADABLE)
      expect(await asks(page, '/session/own', { mode: 'no-cors' })).toEqual({
        status: 0,
        type: 'opaque',
        headers: {},
        text: '',
      })
    })

    test('gets none of its preflighted requests to the service', async () => {
      const page = await openPage('evil.test')
      const refused = await stack.preflights('orders', 'refused')
      const requests = await served(async () => {
        expect(await asks(page, '/orders/1', { method: 'DELETE', headers: token })).toBe(UNREADABLE)
      })
      expect(requests).toEqual([])
      expect(await stack.preflights('orders', 'refused')).toBe(refused + 1)
    })

    test('on the same host with another port or scheme learns nothing', async () => {
      const elsewhere = await startPageServer(certificate)
      atEnd(elsewhere.close)
      const ofPort = version === 'HTTP/2' ? elsewhere.secure(LISTED) : elsewhere.plain(LISTED)
      // A page over https may not ask a server without TLS in the first place, so it shows nothing there.
      const ofScheme = version === 'HTTP/2' ? [stack.pages.plain(LISTED)] : []
      for (const origin of [ofPort, ...ofScheme])
        expect(await asks(await browser.shared(`${origin}/`), '/orders/1', { headers: token })).toBe(UNREADABLE)
    })

    test('whose origin is null learns nothing', async () => {
      const page = await browser.shared(`${stack.origin(LISTED)}/sandboxed`)
      expect(await asks(page, '/orders/1', { headers: token })).toBe(UNREADABLE)
      expect(await asks(page, '/session/1')).toBe(UNREADABLE)
      const requests = await served(async () => expect(await asks(page, '/strict/1')).toBe(UNREADABLE))
      expect(requests).toEqual([])
    })

    test('gets not even a plain request to the service where its origin is enforced', async () => {
      const page = await openPage('evil.test')
      const plain: Omit<Asking, 'url'> = { method: 'POST', body: 'transfer=all', mode: 'no-cors' }
      expect(await served(() => asks(page, '/strict/1', plain))).toEqual([])
      expect(await served(() => asks(page, '/session/1', plain))).toEqual(['POST /session/1'])
    })

    test('reads everything where any may, and sends no cookies', async () => {
      const page = await openPage('evil.test')
      expect(await asks(page, '/any/own')).toMatchObject({ status: 200, headers: {} })
      expect(await asks(page, '/any/1', { credentials: 'include' })).toBe(UNREADABLE)
    })
  })

  if (version === 'HTTP/1.1')
    test('a wildcard lets pages of one further label read, and no others', async () => {
      for (const name of [LISTED, 'x-1.shop.test'])
        expect(await asks(await openPage(name), '/tenants/1', { headers: token })).toMatchObject({ status: 200 })
      for (const name of ['shop.test', 'a.b.shop.test', 'evilshop.test', 'a.shop.test.evil.test'])
        expect(await asks(await openPage(name), '/tenants/1', { headers: token })).toBe(UNREADABLE)
    })
})
