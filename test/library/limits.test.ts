/** An application with the guard is limited as a service behind a gateway is, and its own answers say what is left. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decide, loadPolicy } from '../../src/library/index.ts'
import { toldLimits } from '../limit/told-limits.ts'
import { testProvider } from '../support/gateway/gateway.ts'
import { type GuardedApp, startGuardedApp } from '../support/gateway/guarded-app.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { eventually, startStoreServer } from '../support/services/store-server.ts'
import type { RawReply } from '../support/wire.ts'

/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
const BURST = 2

let issuer: TestIssuer
beforeAll(async () => {
  issuer = await startTestIssuer()
})
afterAll(() => issuer.close())

function policy(limit: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  return {
    providers: { main: testProvider(issuer) },
    rateLimits: { strict: { rate: '1/h', burst: BURST, key: ['claims.sub'], ...limit } },
    routes: [{ id: 'all', path: '/**', rateLimits: ['strict'] }],
    ...more,
  }
}

/** Answers in each of the ways that an application has, and says something of limits itself. */
function routes(app: FastifyInstance): void {
  app.get('/reply', (_, reply) =>
    reply.header('RateLimit', '"own";r=1').header('RateLimit-Policy', '"own";q=1').send('a'),
  )
  app.get('/raw', (_, reply) => {
    reply.hijack()
    reply.raw.end('b')
  })
  app.get('/broken', () => {
    throw new Error('of the application')
  })
}

async function newToken(): Promise<string> {
  return issuer.mint({ sub: randomUUID() })
}

async function ask({ exchange }: GuardedApp, path: string, token: string): Promise<RawReply> {
  const reply = await exchange(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  if (reply === undefined) throw new Error('there was no answer')
  return reply
}

describe.each([
  { name: 'HTTP/1.1', fastify: {} },
  { name: 'HTTP/2', fastify: { http2: true } },
])('over $name', ({ fastify }) => {
  let guarded: GuardedApp
  beforeAll(async () => {
    guarded = await startGuardedApp({ config: policy(), fastify, routes })
  })
  afterAll(() => guarded.close())

  test.each([
    ['/reply', 200],
    ['/raw', 200],
    ['/broken', 500],
    ['/missing', 404],
  ])('%s says what is left, once and in place of the application', async (path, status) => {
    const token = await newToken()
    for (const rest of [1, 0]) {
      const answer = await ask(guarded, path, token)
      expect(answer.status).toBe(status)
      expect(toldLimits(answer)).toMatchObject({ policies: { strict: { q: BURST } }, rests: { strict: { r: rest } } })
    }
    const refused = await ask(guarded, path, token)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500)
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'rate_limited', 'violated-policies': ['strict'] })
    expect(toldLimits(refused).rests).toMatchObject({ strict: { r: 0 } })
  })
})

test.skipIf(WITHOUT_STORES).each(['shared', 'exact'])(
  'two applications have one quota by their store: %s',
  async way => {
    const store = await startStoreServer()
    const limit = { store: true, ...(way === 'exact' ? { exact: true } : { sync: '10ms' }) }
    const more = {
      store: { url: store.url, timeout: '30s' },
    }
    const apps = [
      await startGuardedApp({ config: policy(limit, more), routes }),
      await startGuardedApp({ config: policy(limit, more), routes }),
    ]
    const isConnected = (app: GuardedApp) =>
      app.app.sallyport.metrics().then(text => /^sallyport_store_up\S* 1$/m.test(text))
    for (const app of apps) await eventually(() => isConnected(app))
    const token = await newToken()
    const [first, second] = apps as [GuardedApp, GuardedApp]
    for (let times = 0; times < BURST; times++) expect((await ask(first, '/reply', token)).status).toBe(200)
    // What the other one has heard of the first only later is refused later.
    await eventually(async () => (await ask(second, '/reply', token)).status === 429)
    for (const app of apps) await app.close()
    await store.stop()
  },
)

test('asking a policy counts as requests do, in that policy alone, and needs no store', async () => {
  const more = {
    store: { url: 'redis://127.0.0.1:1' },
  }
  const config = policy({ store: true, onFailure: 'refuse' }, more)
  const [asked, other] = [await loadPolicy(config), await loadPolicy(config)]
  const facts = { target: '/reply', headers: { authorization: `Bearer ${await newToken()}` } }
  const outcomes = []
  for (let times = 0; times <= BURST; times++) outcomes.push(await decide(facts, asked))
  expect(outcomes.map(({ kind }) => kind)).toEqual(['allowed', 'allowed', 'refused'])
  expect(outcomes.at(-1)).toMatchObject({
    code: 'rate_limited',
    headers: { ratelimit: expect.stringMatching(/^"strict";r=0;t=7\d{3}$/) },
  })
  expect((await decide(facts, other)).kind).toBe('allowed')
  await Promise.all([asked.close(), other.close()])
})
