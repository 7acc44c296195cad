/** Clients that run in a page find out what they need, prove that they hold a key, and open event streams. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { type Asking, ask, type Seen, UNREADABLE } from '../../support/clients/page-requests.ts'
import { dpopProof, proofSigner } from '../../support/dpop-proof.ts'
import { startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { type PageServer, startPageServer } from '../../support/services/page-server.ts'
import { echo, startTestUpstream } from '../../support/services/upstream.ts'
import { certificate, LISTED } from './support.ts'

const FOREIGN = 'evil.test'
/** What clients call the gateway, wherever it listens. */
const BASE_URL = 'https://api.shop.test'
const browser = browserOfFile()

describe.skipIf(WITHOUT_BROWSER)('a client in a page', () => {
  let pages: PageServer
  let stack: TestStack
  beforeAll(async () => {
    pages = await startPageServer(certificate)
    const upstream = await startTestUpstream((request, response) => {
      if (request.url?.startsWith('/events') !== true) return echo(request, response)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
    })
    const config = {
      cors: { origins: [pages.plain(LISTED)] },
      dpop: { baseUrls: [BASE_URL], nonce: { secretFile: 'nonce-secret' } },
      resources: { orders: { url: `${BASE_URL}/orders` } },
      routes: [
        { id: 'orders', path: '/orders/**', resource: 'orders' },
        {
          id: 'events',
          path: '/events',
          credentials: ['authorization', { query: 'access_token', only: ['eventStream'] }],
        },
        { id: 'keyed', path: '/keyed/**', credentials: [{ header: 'X-Api-Token' }] },
      ],
    }
    stack = await startTestStack(config, { upstream, files: { 'nonce-secret': randomBytes(32).toString('base64') } })
  })
  afterAll(async () => {
    await stack.close()
    await pages.close()
  })

  const openPage = (name = LISTED): Promise<Page> => browser.shared(`${pages.plain(name)}/`)
  const asks = (page: Page, path: string, asking: Omit<Asking, 'url'> = {}): Promise<Seen | string> =>
    page.evaluate(ask, { url: stack.url + path, ...asking })

  test('is asked for a nonce, and comes again with it', async () => {
    const signer = await proofSigner()
    const token = await stack.issuer.mint({ aud: `${BASE_URL}/orders`, cnf: { jkt: signer.jkt } })
    const proven = async (page: Page, nonce?: string) => {
      const proof = dpopProof(signer, { url: `${BASE_URL}/orders/1`, token, ...(nonce === undefined ? {} : { nonce }) })
      return asks(page, '/orders/1', { headers: { authorization: `DPoP ${token}`, dpop: proof } })
    }
    const page = await openPage()
    const asked = await proven(page)
    expect(asked).toMatchObject({
      status: 401,
      headers: {
        'dpop-nonce': expect.any(String),
        'www-authenticate': expect.stringMatching(/DPoP .*error="use_dpop_nonce"/),
      },
    })
    expect(await proven(page, (asked as Seen).headers['dpop-nonce'])).toMatchObject({ status: 200 })
    expect(await proven(await openPage(FOREIGN))).toBe(UNREADABLE)
  })

  test('follows the challenge to the metadata of the resource, from wherever it comes', async () => {
    const challenged = await asks(await openPage(), '/orders/1')
    const named = /resource_metadata="([^"]+)"/.exec((challenged as Seen).headers['www-authenticate'] ?? '')?.[1] ?? ''
    expect(named).toBe(`${BASE_URL}/.well-known/oauth-protected-resource/orders`)
    // Clients of the Model Context Protocol send a header that a browser asks about first.
    const headers = { 'mcp-protocol-version': '2025-11-25' }
    for (const page of [await openPage(), await openPage(FOREIGN)]) {
      const seen = await asks(page, new URL(named).pathname, { headers })
      expect(JSON.parse((seen as Seen).text)).toMatchObject({ resource: `${BASE_URL}/orders` })
    }
  })

  test('sends its token in a header that the route takes', async () => {
    const headers = { 'x-api-token': await stack.issuer.mint() }
    expect(await asks(await openPage(), '/keyed/1', { headers })).toMatchObject({ status: 200 })
    expect(await asks(await openPage(), '/orders/1', { headers })).toBe(UNREADABLE)
  })

  test('reads an EventSource whose token is in the query', async () => {
    const token = await stack.issuer.mint()
    /** `EventSource` is no global of Node's types. */
    const listen = (page: Page): Promise<unknown> =>
      page.evaluate(`new Promise(resolve => {
        const source = new EventSource(${JSON.stringify(`${stack.url}/events?access_token=${token}`)})
        source.onmessage = ({ data }) => resolve(data)
        source.onerror = () => resolve('failed')
      })`)
    expect(await listen(await openPage())).toBe('first')
    expect(await listen(await openPage(FOREIGN))).toBe('failed')
  })
})
