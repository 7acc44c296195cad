/** What answers to a session say of caches, to clients of HTTP/1 and HTTP/2, and whose credential wins. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { http2Client } from '../../support/clients/http2-client.ts'
import { type SessionFleet, signedIn, startSessionFleet } from './support.ts'

const GRACE_MS = 5_000

let fleet: SessionFleet
let url: string
beforeAll(async () => {
  fleet = await startSessionFleet({
    session: { lifetime: { grace: `${GRACE_MS / 1_000}s`, refreshBefore: '0s' } },
    // The path says what the service sends, and a service that wants our cookie sets it in vain.
    respond(request, response) {
      const cacheControl = new URL(request.url ?? '', 'http://service').searchParams.get('cache')
      if (cacheControl !== null) response.setHeader('cache-control', cacheControl)
      response.setHeader('set-cookie', ['__Host-sallyport=mine; Secure; Path=/', 'theirs=1'])
      response.end(JSON.stringify({ cookie: request.headers.cookie, authorization: request.headers.authorization }))
    },
  })
  url = fleet.urls[0] ?? ''
})
afterAll(() => fleet.close())

test.each([
  ['/api/x', 'private'],
  ['/api/x?cache=max-age%3D60', 'private, max-age=60'],
  ['/api/x?cache=no-store', 'private, no-store'],
])('an answer of %s to a session is for one browser: %s', async (path, cacheControl) => {
  const browser = await signedIn(`${url}/page`)
  const { headers, text } = await browser.ask(url + path)
  expect(headers['cache-control']).toBe(cacheControl)
  expect([headers['set-cookie']].flat()).toEqual(['theirs=1'])
  expect(JSON.parse(text)).toEqual({})
})

test('an answer with a new cookie is stored nowhere, and a public one is left alone', async () => {
  fleet.provider.set({ accessTokenSeconds: 20 })
  const browser = await signedIn(`${url}/page`)
  fleet.provider.set({ accessTokenSeconds: 3_000 })
  fleet.later(25_000)
  const { headers } = await browser.ask(`${url}/api/x?cache=max-age%3D60`)
  expect(headers['cache-control']).toBe('no-store')
  expect([headers['set-cookie']].flat().join('\n')).toMatch(/__Host-sallyport=[\w-]{48};/)
  const open = await browser.ask(`${url}/open/x?cache=max-age%3D60`)
  expect(open.headers['cache-control']).toBe('max-age=60')
})

test('a session is one for HTTP/2, too', async () => {
  const browser = await signedIn(`${url}/page`)
  const client = http2Client(fleet.gateways[0]?.url ?? '', undefined)
  atEnd(client.destroy)
  // Browsers may send a line for each cookie (RFC 9113 §8.2.3).
  const lines = ['cookie', 'other=1', 'cookie', browser.cookie() ?? '', 'sec-fetch-site', 'same-origin']
  const reply = await client.request('/api/x', { lines })
  expect(reply).toMatchObject({ status: 200 })
  expect(reply.headers.get('cache-control')).toBe('private')
  expect(JSON.parse(reply.body)).toEqual({ cookie: 'other=1' })
})

test('an `Authorization` wins over the cookie, good or bad', async () => {
  const browser = await signedIn(`${url}/page`)
  const { accessToken = '' } = fleet.provider.given.at(-1) ?? {}
  const ask = (authorization: string) => browser.ask(`${url}/api/x`, { headers: { authorization } })
  expect(await ask('Bearer wrong')).toMatchObject({ status: 401, code: 'token_malformed' })
  expect(browser.cookie()).toBeDefined()
  const asToken = await ask(`Bearer ${accessToken}`)
  expect(asToken).toMatchObject({ status: 200 })
  expect(asToken.headers['cache-control']).toBeUndefined()
  // A page takes sessions alone, so another credential is none.
  const page = await browser.ask(`${url}/page`, { headers: { authorization: `Bearer ${accessToken}` } })
  expect(page).toMatchObject({ status: 401 })
})
