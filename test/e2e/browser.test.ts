/** The browser that other tests judge by keeps the rules of origins, and sees nothing but loopback. */
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { authorityOfFile } from '../support/certificates.ts'
import { browserOfFile } from '../support/clients/browser.ts'
import { WITHOUT_BROWSER } from '../support/services/browser-programs.ts'
import { type PageServer, startPageServer } from '../support/services/page-server.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const authority = authorityOfFile()
const server = authority.issue('server', ['DNS:localhost'])
const browser = browserOfFile(() => ({ trusted: [server] }))

describe.skipIf(WITHOUT_BROWSER)('a page', () => {
  let pages: PageServer
  beforeAll(async () => {
    pages = await startPageServer(server)
  })
  afterAll(() => pages.close())

  const textOf = (url: string) =>
    fetch(url).then(
      response => response.text(),
      (error: Error) => error.message,
    )

  test('reads the answer of another origin only if that lets it', async () => {
    const page = await browser.shared(pages.plain('app.test'))
    const service = await startTestUpstream((request, response) => {
      if (request.url === '/open') response.setHeader('access-control-allow-origin', pages.plain('app.test'))
      response.end('secret')
    })
    atEnd(service.close)
    expect(await page.evaluate(textOf, `${service.url}/closed`)).toBe('Failed to fetch')
    expect(await page.evaluate(textOf, `${service.url}/open`)).toBe('secret')
    expect(service.seen.map(({ url, headers }) => [url, headers.origin])).toEqual([
      ['/closed', pages.plain('app.test')],
      ['/open', pages.plain('app.test')],
    ])
  })

  test('over https talks HTTP/2 with a server whose certificate the test trusts, and with no other', async () => {
    const page = await browser.shared(pages.secure('app.test'))
    const open = { 'access-control-allow-origin': '*' }
    for (const [certificate, text] of [
      [server, '2.0'],
      [authority.issue('other', ['DNS:localhost']), 'Failed to fetch'],
    ] as const) {
      const service = createSecureServer({ cert: certificate.cert, key: certificate.key }, (request, response) =>
        response.writeHead(200, open).end(request.httpVersion),
      )
      await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
      atEnd(() => service.close())
      const { port } = service.address() as AddressInfo
      expect(await page.evaluate(textOf, `https://localhost:${port}/`)).toBe(text)
    }
  })

  test('shares cookies with those of its profile alone', async () => {
    const url = pages.plain('app.test')
    const [page, other] = await Promise.all([browser.open(url), browser.open(url)])
    await page.evaluate('document.cookie = "id=7"')
    const sibling = await page.context().newPage()
    await sibling.goto(url)
    expect(await sibling.evaluate('document.cookie')).toBe('id=7')
    expect(await other.evaluate('document.cookie')).toBe('')
  })

  test('has the origin null when it is sandboxed', async () => {
    const page = await browser.open(`${pages.plain('app.test')}/sandboxed`)
    expect(await page.evaluate('origin')).toBe('null')
  })

  test('finds no name of the world outside', async () => {
    const page = await browser.shared(pages.plain('app.test'))
    const refused = page.waitForEvent('requestfailed')
    expect(await page.evaluate(textOf, 'http://example.com/')).toBe('Failed to fetch')
    expect((await refused).failure()?.errorText).toBe('net::ERR_NAME_NOT_RESOLVED')
    await expect(browser.open('http://example.com/')).rejects.toThrow('not on loopback')
  })
})
