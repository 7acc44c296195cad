/** Streams of a session are judged anew after each refresh, by what their route asks for. */
import { once } from 'node:events'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
import { type Browser, type SessionFleet, SOON, signedIn, startSessionFleet } from './support.ts'

const LIFE_SECONDS = 20

let fleet: SessionFleet
beforeAll(async () => {
  const api = { providers: ['browser'] }
  fleet = await startSessionFleet({
    session: { lifetime: { refreshBefore: '10s' } },
    routes: [
      { id: 'pages', path: '/**', ...api, anonymous: 'login' },
      { id: 'gold', path: '/gold/**', ...api, require: { claims: { plan: 'gold' } } },
      { id: 'own', path: '/own/:tenant/**', ...api, require: { when: 'params.tenant in claims.tenants' } },
      {
        id: 'named',
        path: '/named/**',
        ...api,
        require: { when: 'request.headers["x-tenant"] in claims.tenants && request.method == "GET"' },
      },
      { id: 'plain', path: '/plain/**', ...api, require: { claims: { sub: { exists: true } } } },
    ],
    // What is no handshake is an event stream that never ends by itself.
    respond(_request, response) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: begun\n\n')
    },
  })
})
afterAll(() => fleet.close())

const closed = (route: string) => fleet.metric(`streams_closed_total{route="${route}",reason="forbidden"}`)

async function socketOf(browser: Browser, route: string, headers: Readonly<Record<string, string>> = {}) {
  const [url = ''] = fleet.urls
  return openWebSocket(`${url}/${route}/x`, { headers: { cookie: browser.cookie() ?? '', origin: url, ...headers } })
}

/** Its events end, or are cut off: what a browser calls an error of the stream. */
async function eventsOf(browser: Browser, route: string) {
  const headers = { cookie: browser.cookie() ?? '', accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }
  const { statusCode, body } = await request(`${fleet.urls[0]}/${route}/x`, { headers })
  expect(statusCode).toBe(200)
  body.on('error', () => {})
  expect(String((await once(body, 'data'))[0])).toBe('data: begun\n\n')
  return { body, ended: new Promise<void>(resolve => body.once('close', resolve)) }
}

async function answers(socket: Awaited<ReturnType<typeof socketOf>>): Promise<void> {
  socket.send('still?')
  expect(String((await once(socket, 'message'))[0])).toBe('still?')
}

async function begun(claims: Readonly<Record<string, unknown>> = { plan: 'gold' }): Promise<Browser> {
  fleet.provider.set({ claims: () => claims })
  fleet.lives(LIFE_SECONDS)
  // The page is a stream, too, so nobody reads to its end.
  return signedIn(`${fleet.urls[0]}/page`, { until: url => url.pathname === '/page' })
}

/** Nobody asks for anything but by the streams that are open. */
async function refreshed(): Promise<void> {
  const before = fleet.refreshes()
  fleet.later((LIFE_SECONDS - 5) * 1_000)
  fleet.lives(LIFE_SECONDS)
  await expect.poll(fleet.refreshes, SOON).toBe(before + 1)
}

test('streams end when the new token lacks what their route asks for, and others of the session go on', async () => {
  const browser = await begun()
  const [gold, plain] = [await socketOf(browser, 'gold'), await socketOf(browser, 'plain')]
  const [goldEvents, plainEvents] = [await eventsOf(browser, 'gold'), await eventsOf(browser, 'plain')]
  const before = await closed('gold')
  const end = closing(gold)
  fleet.provider.set({ claims: () => ({ plan: 'silver' }) })
  await refreshed()
  expect(await end).toEqual({ code: 1008, reason: 'the caller is not allowed to do this any more' })
  await goldEvents.ended
  expect((await closed('gold')) - before).toBe(2)
  expect(await closed('plain')).toBe(0)
  await answers(plain)
  expect(plainEvents.body.closed).toBe(false)
  expect(await fleet.ask(browser, { path: '/gold/x' })).toMatchObject({ status: 403, code: 'claim_forbidden' })
  plain.terminate()
  plainEvents.body.destroy()
})

test('streams go on through refreshes whose tokens have what their route asks for', async () => {
  const browser = await begun()
  const gold = await socketOf(browser, 'gold')
  const events = await eventsOf(browser, 'gold')
  const before = await closed('gold')
  // Whoever begins the second refresh has judged what the first has brought.
  await refreshed()
  await refreshed()
  await answers(gold)
  expect(events.body.closed).toBe(false)
  expect(await closed('gold')).toBe(before)
  gold.terminate()
  events.body.destroy()
})

test('a stream ends when the new token does not meet a condition any more with the request that opened it', async () => {
  const browser = await begun({ tenants: ['acme', 'globex'] })
  const [lost, kept] = [await socketOf(browser, 'own/acme'), await socketOf(browser, 'own/globex')]
  const [lostByHeader, keptByHeader] = [
    await socketOf(browser, 'named', { 'x-tenant': 'acme' }),
    await socketOf(browser, 'named', { 'x-tenant': 'globex' }),
  ]
  const ends = [closing(lost), closing(lostByHeader)]
  fleet.provider.set({ claims: () => ({ tenants: ['globex'] }) })
  await refreshed()
  for (const end of ends) expect(await end).toMatchObject({ code: 1008 })
  // Whoever begins the next refresh has judged what this one has brought.
  await refreshed()
  for (const socket of [kept, keptByHeader]) {
    await answers(socket)
    socket.terminate()
  }
  expect([await closed('own'), await closed('named')]).toEqual([1, 1])
  expect(await fleet.metric('conditions_total{route="own",outcome="false"}')).toBe(0)
  expect(await fleet.metric('conditions_total{route="own",outcome="true"}')).toBe(2)
})
