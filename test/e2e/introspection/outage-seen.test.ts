/**
 * What everybody sees of a server that cannot be asked: callers a 503 with the time of the next try, operators the
 * reason in our words, the service nothing at all. Nobody sees the server's text, the token or our secret.
 */
import { expect, test } from 'vitest'
import { bearer, type Reply } from '../../support/gateway/gateway.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import { CLIENT_ID, MARK, saysJson } from '../../support/services/introspection-endpoint.ts'
import { activeAnswer, type OpaqueStack, opaqueProvider, opaqueToken, SECRET, startOpaqueStack } from './support.ts'

const UNAVAILABLE = '503 introspection_unavailable'

/** After this time a breaker that is open lets a probe through, whatever the server asked for. */
const LONGEST_PAUSE_MS = 61_000

/** How questions say who we are (RFC 6749 §2.3.1). */
const BASIC = btoa(`${CLIENT_ID}:${SECRET}`)

interface Shown {
  readonly last_error?: string
  readonly introspection?: Readonly<Record<string, unknown>>
}

async function shown(stack: OpaqueStack): Promise<Shown> {
  const reply = await stack.admin('/-/status')
  return (reply.json().providers as readonly Shown[])[0] ?? {}
}

function expectOutage(reply: Reply): void {
  expect([reply.status, reply.json().code]).toEqual([503, 'introspection_unavailable'])
  expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect(reply.headers).not.toHaveProperty('www-authenticate')
}

/** Looks at all that is written anywhere, for what must not be there. */
async function expectDiscreet(stack: OpaqueStack, token: string, replies: readonly Reply[]): Promise<void> {
  const status = await stack.admin('/-/status')
  const metrics = await stack.admin('/metrics')
  const written = [...replies.map(({ text, headers }) => text + JSON.stringify(headers)), stack.logText()]
  for (const text of [...written, status.text, metrics.text])
    for (const secret of [MARK, token, SECRET, BASIC]) expect(text).not.toContain(secret)
}

test('every fault is the same outage on every kind of route, and lets nobody in', async () => {
  const stack = await startOpaqueStack({
    provider: { timeout: '500ms', cache: { inactiveTtl: '0s' } },
    config: {
      routes: [
        { id: 'optional', path: '/optional/**', access: 'optional' },
        { id: 'public', path: '/public/**', access: 'public' },
        { id: 'private', path: '/**' },
      ],
    },
  })
  const token = opaqueToken()
  for (const [fault, answer] of Object.entries(FAULTS)) {
    stack.endpoint.answerWith(answer)
    const replies: Reply[] = []
    for (const path of ['/private/7', '/optional/7']) {
      stack.clock.pass(LONGEST_PAUSE_MS)
      const before = stack.endpoint.questions.length
      const reply = await stack.request(path, { headers: bearer(token) })
      expect([fault, path, reply.status, stack.endpoint.questions.length - before]).toEqual([fault, path, 503, 1])
      expectOutage(reply)
      replies.push(reply)
    }
    expect((await shown(stack)).last_error).toEqual(expect.any(String))
    await expectDiscreet(stack, token, replies)
  }
  expect(stack.upstream.seen).toEqual([])
  expect(await stack.outcome('/public/7', token)).toBe('200')
  expect((await stack.counted('active')) + (await stack.counted('inactive'))).toBe(0)

  stack.clock.pass(LONGEST_PAUSE_MS)
  stack.endpoint.answerWith(undefined)
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/private/7', token)).toBe('200')
  expect((await shown(stack)).last_error).toBeUndefined()
})

test('a server that is killed in the middle of questions fails all of them, and is asked again when it is back', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '30s' } })
  stack.endpoint.answerWith(FAULTS.hang)
  const tokens = Array.from({ length: 4 }, opaqueToken)
  const asked = tokens.map(token => stack.request('/all', { headers: bearer(token) }))
  await stack.endpoint.asked(4)
  await stack.endpoint.down()
  for (const reply of await Promise.all(asked)) expectOutage(reply)
  stack.endpoint.answerWith(undefined)
  await stack.endpoint.up()
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/all', token)).toBe('200')
  expect(stack.endpoint.questions).toHaveLength(5)
  expect(stack.upstream.seen).toHaveLength(1)
})

test('a server that hangs holds few questions, and all who wait for them are refused with those', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '500ms', concurrency: 10, queue: 1_000 } })
  stack.endpoint.answerWith(FAULTS.hang)
  const tokens = Array.from({ length: 100 }, opaqueToken)
  const replies = await Promise.all(tokens.map(token => stack.request('/all', { headers: bearer(token) })))
  for (const reply of replies) expectOutage(reply)
  // Each of the first four that time out gives its place to one that waits; the fifth ends all that.
  expect(stack.endpoint.questions.length).toBeLessThanOrEqual(9)
  expect(stack.upstream.seen).toEqual([])
  expect(await shown(stack)).toMatchObject({
    last_error: `no complete answer from ${stack.endpoint.url} within 500 ms`,
    introspection: { breaker: 'open', in_flight: 0, queued: 0 },
  })
})

test('a gateway that stops does not wait for a server that hangs', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '1m' }, config: { drain: { timeout: '100ms' } } })
  stack.endpoint.answerWith(FAULTS.hang)
  const asked = stack.request('/all', { headers: bearer(opaqueToken()) }).catch(() => 'cut')
  await stack.endpoint.asked(1)
  await stack.running.close()
  await asked
  expect(stack.upstream.seen).toEqual([])
  await expect.poll(() => stack.endpoint.openConnections()).toBe(0)
})

test('the status says why nobody is asked and until when, and then one question closes the breaker', async () => {
  const stack = await startOpaqueStack({ provider: { cache: { ttl: '0s', inactiveTtl: '0s' } } })
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  stack.endpoint.answerWith(FAULTS.unauthorized)
  for (let times = 0; times < 5; times += 1) expect(await stack.outcome('/all', token)).toBe(UNAVAILABLE)
  const { last_error, introspection } = await shown(stack)
  expect(last_error).toBe(`${stack.endpoint.url} refuses our client credentials (401); see \`client\``)
  expect(introspection).toMatchObject({ breaker: 'open', next_try: expect.stringMatching(/^\d{4}-.*Z$/) })
  const opened = await stack.logged({ msg: 'the introspection endpoint is left alone for now' })
  expect(opened).toMatchObject({ level: 'error', provider: 'opaque', from: 'closed', to: 'open', reason: last_error })
  const nextTryMs = Date.parse(String(introspection?.next_try))

  stack.endpoint.answerWith(undefined)
  // The time of the system passes here, as it does for an operator.
  const outcomes: string[] = []
  await expect
    .poll(
      async () => {
        outcomes.push(await stack.outcome('/all', token))
        return outcomes.at(-1)
      },
      { timeout: 20_000 },
    )
    .toBe('200')
  expect(Date.now()).toBeGreaterThanOrEqual(nextTryMs)
  expect(new Set(outcomes.slice(0, -1))).toEqual(outcomes.length > 1 ? new Set([UNAVAILABLE]) : new Set())
  expect(stack.endpoint.questions).toHaveLength(6)
  const after = await shown(stack)
  expect(after.last_error).toBeUndefined()
  expect(after.introspection).toMatchObject({ breaker: 'closed' })
  expect(after.introspection).not.toHaveProperty('next_try')
  await stack.logged({ msg: 'the introspection endpoint answers again', provider: 'opaque', to: 'closed' })
})

test('the time for which a server wants to be left alone is the next try in the status, too', async () => {
  const stack = await startOpaqueStack()
  stack.endpoint.answerWith(FAULTS.tooMany)
  const beforeMs = Date.now()
  const reply = await stack.request('/all', { headers: bearer(opaqueToken()) })
  expect(reply.headers['retry-after']).toBe('7')
  const { introspection } = await shown(stack)
  const nextTryMs = Date.parse(String(introspection?.next_try))
  expect(nextTryMs).toBeGreaterThanOrEqual(beforeMs + 7_000)
  expect(nextTryMs).toBeLessThanOrEqual(Date.now() + 7_000)
})

test.for(['hang', 'unauthorized', 'tooMany', 'activeText', 'hugeBody', 'down'] as const)(
  'maxStale bridges every kind of outage for known tokens alone, nobody being asked meanwhile: %s',
  async kind => {
    const stack = await startOpaqueStack({
      provider: { timeout: '200ms', cache: { ttl: '30s', maxStale: '10m', inactiveTtl: '0s' } },
    })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer())
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    if (kind === 'down') await stack.endpoint.down()
    else stack.endpoint.answerWith(FAULTS[kind])
    stack.clock.pass(31_000)
    for (let times = 0; times < 6; times += 1) expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect((await shown(stack)).introspection).toMatchObject({ breaker: 'open' })
    expect(await stack.counted('open')).toBe(6)
    expect(await stack.counted('rejected')).toBe(0)
    const { length } = stack.endpoint.questions
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect(await stack.outcome('/writes/7', token)).toBe('403 scope_missing')
    expect(await stack.outcome('/orders/7', opaqueToken())).toBe(UNAVAILABLE)
    expect(stack.endpoint.questions).toHaveLength(length)

    // What the server says once it is back is final.
    stack.endpoint.tokens.delete(token)
    stack.endpoint.answerWith(undefined)
    if (kind === 'down') await stack.endpoint.up()
    stack.clock.pass(LONGEST_PAUSE_MS)
    expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
    await stack.endpoint.down()
    for (let times = 0; times < 6; times += 1) expect(await stack.outcome('/orders/7', token)).toBe(UNAVAILABLE)
    expect(await stack.counted('open')).toBe(8)
  },
)

test('a report-only route passes what cannot be judged on, open breaker or not, and says so in the log', async () => {
  const stack = await startOpaqueStack()
  stack.endpoint.answerWith(FAULTS.unauthorized)
  for (let times = 0; times < 6; times += 1) {
    const headers = { ...bearer(opaqueToken()), 'x-auth-subject': 'alice', 'x-auth-issuer': stack.endpoint.issuer }
    const reply = await stack.request('/report/7', { headers })
    expect(reply.status).toBe(200)
    expect(Object.keys(reply.json().headers as object).filter(name => name.startsWith('x-auth-'))).toEqual([])
  }
  expect(stack.endpoint.questions).toHaveLength(5)
  await stack.logged({ route: 'report', reported: 'introspection_unavailable' })
})

test('a reload in an outage changes nothing about it: the breaker stays open, and nobody is asked', async () => {
  const routes = (id: string) => ({ routes: [{ id, path: '/**' }] })
  let settings: Readonly<Record<string, unknown>> = {}
  const stack = await startOpaqueStack({
    config: endpoint => {
      settings = {
        listen: '127.0.0.1:0',
        admin: { listen: '127.0.0.1:0' },
        providers: { opaque: opaqueProvider(endpoint) },
      }
      return routes('before')
    },
  })
  stack.endpoint.answerWith(FAULTS.tooMany)
  expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  const next = { ...settings, upstreams: { app: stack.upstream.url }, ...routes('after') }
  stack.write('sallyport.yaml', JSON.stringify(next))
  await stack.running.reload()
  expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  await stack.logged({ route: 'after', code: 'introspection_unavailable' })
  expect(stack.endpoint.questions).toHaveLength(1)
  expect((await shown(stack)).introspection).toMatchObject({ breaker: 'open' })
})

test('a wrong secret is an outage until the right one is in the file, without a reload', async () => {
  const stack = await startOpaqueStack({ files: { secret: 'wrong-secret-of-ours' } })
  const token = opaqueToken()
  stack.endpoint.answerWith((response, question) =>
    (question.headers.authorization === `Basic ${BASIC}` ? saysJson(activeAnswer()) : FAULTS.unauthorized)(
      response,
      question,
    ),
  )
  for (let times = 0; times < 6; times += 1) expectOutage(await stack.request('/all', { headers: bearer(token) }))
  expect(await stack.counted('unauthorized')).toBe(5)
  expect(stack.logText()).not.toContain('wrong-secret-of-ours')
  stack.write('secret', SECRET)
  stack.clock.pass(LONGEST_PAUSE_MS)
  expect(await stack.outcome('/all', token)).toBe('200')
})

test('an empty secret is an outage, too, and nothing is sent with it', async () => {
  const stack = await startOpaqueStack()
  stack.write('secret', '')
  stack.endpoint.answerWith(saysJson(activeAnswer()))
  const token = opaqueToken()
  const reply = await stack.request('/all', { headers: bearer(token) })
  expectOutage(reply)
  expect(stack.endpoint.questions).toHaveLength(0)
  await expectDiscreet(stack, token, [reply])
  stack.write('secret', SECRET)
  expect(await stack.outcome('/all', token)).toBe('200')
})
