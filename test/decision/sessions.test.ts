/** Tests that a proxy asks for browsers with sessions, too: their cookies count, and nobody is sent to log in. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SESSION_ENDPOINTS } from '../../src/config/schema/session-paths.ts'
import { type SessionFleet, signedIn, startSessionFleet } from '../e2e/sessions/support.ts'
import { answerOf, codeOf, type Original, question } from './support.ts'

let fleet: SessionFleet
beforeAll(async () => {
  fleet = await startSessionFleet({
    routes: [
      { id: 'pages', path: '/pages/**', providers: ['browser'], anonymous: 'login' },
      { id: 'api', path: '/api/**', providers: ['browser'] },
    ],
    config: {
      decide: { listen: '127.0.0.1:0', caller: 'nginx' },
      identity: { forwardToken: true },
    },
  })
})
afterAll(() => fleet.close())

const NAVIGATION = ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Sec-Fetch-Site: none', 'Accept: text/html']

/** @param version nginx asks by 1.0, unless it is told otherwise */
const ask = (original: Original, version = '1.1') => {
  const url = fleet.gateways[0]?.running.decideUrl ?? ''
  return answerOf(Number(new URL(url).port), question('nginx', original).replace('HTTP/1.1', `HTTP/${version}`))
}

test('a browser that has logged in is let in by its cookie, until its session ends', async () => {
  const browser = await signedIn(`${fleet.urls[0]}/pages/a`)
  const lines = [`Cookie: ${browser.cookie()}`, 'Sec-Fetch-Site: same-origin']
  const yes = await ask({ target: '/api/a', lines })
  expect([yes.status, yes.headers.get('x-auth-subject')]).toEqual([200, expect.stringMatching(/./)])
  expect(yes.headers.get('authorization')).toMatch(/^Bearer ./)
  const foreign = await ask({ method: 'POST', target: '/api/a', lines: [lines[0] ?? '', 'Sec-Fetch-Site: cross-site'] })
  expect([foreign.status, codeOf(foreign)]).toEqual([403, 'csrf_rejected'])
  // A handshake of a WebSocket, of which proxies leave the key alone in their question.
  const socket = [lines[0] ?? '', 'Sec-Fetch-Site: cross-site', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  for (const left of [[], ['Connection: close'], ['Upgrade: websocket'], ['Upgrade: websocket, x'], ['Upgrade: h2c']])
    for (const version of ['1.0', '1.1']) {
      const opened = await ask({ target: '/api/a', lines: [...socket, ...left] }, version)
      expect([left, version, opened.status, codeOf(opened)]).toEqual([left, version, 403, 'csrf_rejected'])
    }
  await browser.ask(`${fleet.urls[0]}/auth/logout`, { method: 'POST' })
  const no = await ask({ target: '/api/a', lines })
  expect(no.status).toBe(401)
})

test('nobody is sent to log in, though the route does that for its own traffic', async () => {
  const browser = await signedIn(`${fleet.urls[0]}/pages/a`)
  for (const cookie of [[], [`Cookie: ${browser.cookie()}`]]) {
    const reply = await ask({ target: '/pages/a', lines: [...NAVIGATION, ...cookie] })
    expect([reply.status, codeOf(reply), reply.headers.has('location')]).toEqual([403, 'route_undecidable', false])
  }
})

test('an endpoint of the login does nothing, and ends no session', async () => {
  const browser = await signedIn(`${fleet.urls[0]}/pages/a`)
  const lines = [`Cookie: ${browser.cookie()}`, 'Sec-Fetch-Site: same-origin']
  const begun = await fleet.metric('logins_total{provider="browser",result="begun"}')
  for (const path of SESSION_ENDPOINTS)
    for (const method of ['GET', 'POST']) {
      const reply = await ask({ method, target: `/auth/${path}`, lines })
      expect([reply.status, reply.headers.has('set-cookie')]).toEqual([403, false])
    }
  expect(await fleet.metric('logins_total{provider="browser",result="begun"}')).toBe(begun)
  expect((await ask({ target: '/api/a', lines })).status).toBe(200)
})
