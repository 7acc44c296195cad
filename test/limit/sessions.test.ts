/** People in browsers who are over a limit: what a page shows them, and what its scripts are told. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, type SessionFleet, signedIn, startSessionFleet } from '../e2e/sessions/support.ts'

const BURST = 2

let fleet: SessionFleet
let url: string
beforeAll(async () => {
  fleet = await startSessionFleet({
    routes: [
      { id: 'pages', path: '/**', providers: ['browser'], anonymous: 'login' },
      { id: 'daily', path: '/daily/**', providers: ['browser'], anonymous: 'login', rateLimits: ['daily'] },
      { id: 'brief', path: '/brief/**', providers: ['browser'], anonymous: 'login', rateLimits: ['brief'] },
    ],
    config: {
      rateLimits: {
        daily: { rate: '1/h', burst: BURST, key: ['claims.sub'] },
        brief: { rate: '1/m', key: ['claims.sub'] },
      },
    },
  })
  url = fleet.urls[0] ?? ''
})
afterAll(() => fleet.close())

const open = async (browser: Browser, path: string) => browser.open(url + path)

test('a page says that it was asked for too often, and when to try again', async () => {
  const browser = await signedIn(`${url}/page`)
  for (let times = 0; times < BURST; times++) expect((await open(browser, '/daily/a')).status).toBe(200)
  const refused = await open(browser, '/daily/a')
  expect(refused.status).toBe(429)
  expect(refused.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'retry-after': expect.stringMatching(/^3[56]\d\d$/),
    ratelimit: expect.stringMatching(/^"daily";r=0;t=7[12]\d\d$/),
  })
  expect(refused.text).toContain('This was asked for too often, and nothing was done this time.')
  expect(refused.text).toMatch(/Please try again in (?:60|59) minutes\./)
  // Nobody is sent to log in, which would not help.
  expect(refused.text).not.toContain('/login')
  expect((await open(browser, '/page')).status).toBe(200)
})

test('a script of the page is told the same as any client', async () => {
  const browser = await signedIn(`${url}/page`)
  await browser.ask(`${url}/brief/a`)
  const refused = await browser.ask(`${url}/brief/a`)
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited'])
  expect(JSON.parse(refused.text)).toMatchObject({ 'violated-policies': ['brief'] })
  expect((await open(browser, '/brief/a')).text).toMatch(/Please try again in (?:60|5\d) seconds\./)
})
