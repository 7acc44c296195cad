/** What a page of another origin can do with event streams, gRPC-Web and WebSockets, shown in Chromium. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { ask, UNREADABLE } from '../../support/clients/page-requests.ts'
import { bearer } from '../../support/gateway/gateway.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { type CorsStack, certificate, LISTED, startCorsStack, VERSIONS } from './support.ts'

const browser = browserOfFile(() => ({ trusted: [certificate] }))
const FOREIGN = 'evil.test'

describe.skipIf(WITHOUT_BROWSER).for(VERSIONS)('over %s', version => {
  let stack: CorsStack
  let token: string
  beforeAll(async () => {
    stack = await startCorsStack(version)
    token = await stack.issuer.mint()
  })
  afterAll(() => stack.close())

  const openPage = (name = LISTED): Promise<Page> => browser.shared(`${stack.origin(name)}/`)

  test('an event stream is read as it comes', async () => {
    const page = await openPage()
    const first = page.evaluate(
      async ({ url, headers }) => {
        const { value } = (await (await fetch(url, { headers })).body?.getReader().read()) ?? {}
        return new TextDecoder().decode(value)
      },
      { url: `${stack.api}/orders/events`, headers: bearer(token) },
    )
    expect(await first).toBe('data: first\n\n')
  })

  describe('gRPC-Web', () => {
    const call = (page: Page, headers: Readonly<Record<string, string>>) =>
      page.evaluate(ask, {
        url: `${stack.api}/shop.Orders/Get`,
        method: 'POST',
        headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', ...headers },
        body: '\0\0\0\0\0',
      })

    test('is answered by the service', async () => {
      expect(await call(await openPage(), bearer(token))).toMatchObject({
        status: 200,
        headers: { 'content-type': 'application/grpc-web+proto' },
        text: '\0\0\0\0\x02hi\ufffd\0\0\0\x10grpc-status: 0\r\n',
      })
    })

    test('shows the status of a refusal to the page', async () => {
      expect(await call(await openPage(), {})).toMatchObject({
        status: 200,
        headers: {
          'grpc-status': '16',
          'grpc-message': 'token_missing: Authentication required',
          'www-authenticate': 'Bearer realm="sallyport"',
        },
        text: '',
      })
    })

    test('shows nothing to a page of another origin', async () => {
      expect(await call(await openPage(FOREIGN), bearer(token))).toBe(UNREADABLE)
    })
  })

  describe('a WebSocket', () => {
    /** Says what a page gets: the chosen subprotocol and the echo of what it sends, or that it was closed. */
    const talk = (page: Page, protocols: readonly string[]): Promise<string> =>
      page.evaluate(
        ([url = '', ...offered]) =>
          new Promise<string>(resolve => {
            const socket = new WebSocket(url, offered)
            socket.onopen = () => socket.send('hello')
            socket.onmessage = ({ data }) => resolve(`${socket.protocol}: ${data}`)
            socket.onclose = ({ code }) => resolve(`closed: ${code}`)
          }),
        [`${stack.api.replace('http', 'ws')}/feed/1`, ...protocols],
      )

    test('of a listed origin connects, with its token as a subprotocol', async () => {
      expect(await talk(await openPage(), ['chat', 'bearer', token])).toBe('chat: hello')
      expect(await talk(await openPage(), ['bearer', token])).toBe('bearer: hello')
    })

    test('of another origin is refused, even with a good token, and the service hears nothing of it', async () => {
      const handshakes = stack.feed.seen.length
      expect(await talk(await openPage(FOREIGN), ['bearer', token])).toBe('closed: 1006')
      const sandboxed = await browser.shared(`${stack.origin(LISTED)}/sandboxed`)
      expect(await talk(sandboxed, ['bearer', token])).toBe('closed: 1006')
      expect(stack.feed.seen.length).toBe(handshakes)
    })
  })
})
