/**
 * A server that cannot be asked lets nobody in and locks nobody out for good: it is 503 with the time of the next try,
 * and never 401, which would log callers out (oathkeeper#496).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { bearer } from '../../support/gateway/gateway.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import { MARK, saysJson } from '../../support/services/introspection-endpoint.ts'
import { activeAnswer, heldUntilRelease, type OpaqueStack, opaqueToken, startOpaqueStack } from './support.ts'

const UNAVAILABLE = '503 introspection_unavailable'

const FIVE_FAULTS = 5

async function breakerOf(stack: OpaqueStack): Promise<number | undefined> {
  return (await stack.metrics()).get('sallyport_introspection_breaker{provider="opaque"}')
}

test.for(Object.entries(FAULTS))(
  'a fault of the server is 503 with the time of the next try, and no word of it: %s',
  async ([name, fault]) => {
    const isSlow = name === 'hang' || name === 'slowHead' || name === 'drip'
    const stack = await startOpaqueStack({ provider: { timeout: isSlow ? '500ms' : '10s' } })
    stack.endpoint.answerWith(fault)
    const reply = await stack.request('/all', { headers: bearer(opaqueToken()) })
    expect([reply.status, reply.json().code]).toEqual([503, 'introspection_unavailable'])
    expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(reply.headers['www-authenticate']).toBeUndefined()
    expect(stack.upstream.seen).toEqual([])
    await stack.logged({ code: 'introspection_unavailable' })
    expect(reply.text + stack.logText()).not.toContain(MARK)
    // On a busy machine the time may be over before the server has read the question.
    if (isSlow) expect(await stack.counted('timeout')).toBe(1)
    else expect(stack.endpoint.questions).toHaveLength(1)
    expect((await stack.counted('active')) + (await stack.counted('inactive'))).toBe(0)
  },
)

test('a server that is not there is an outage, and is asked again when it is back', async () => {
  const stack = await startOpaqueStack()
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  await stack.endpoint.down()
  expect(await stack.outcome('/all', token)).toBe(UNAVAILABLE)
  await stack.endpoint.up()
  expect(await stack.outcome('/all', token)).toBe('200')
})

test('after five failures it is left alone for a second, then one question tries, then all are asked', async () => {
  const stack = await startOpaqueStack({ provider: { timeout: '30s' } })
  stack.endpoint.answerWith(FAULTS.broken)
  for (let times = 0; times < FIVE_FAULTS; times += 1)
    expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  expect(await breakerOf(stack)).toBe(2)
  stack.endpoint.answerWith(saysJson(activeAnswer()))
  const refused = await stack.request('/all', { headers: bearer(opaqueToken()) })
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
  expect(stack.endpoint.questions).toHaveLength(FIVE_FAULTS)
  expect(await stack.counted('rejected')).toBe(1)

  stack.clock.pass(1_001)
  const held = heldUntilRelease(saysJson(activeAnswer()))
  stack.endpoint.answerWith(held.answer)
  const probe = stack.outcome('/all', opaqueToken())
  await stack.endpoint.asked(FIVE_FAULTS + 1)
  expect(await breakerOf(stack)).toBe(1)
  expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  expect(stack.endpoint.questions).toHaveLength(FIVE_FAULTS + 1)
  held.release()
  expect(await probe).toBe('200')
  expect(await breakerOf(stack)).toBe(0)
  const all = await Promise.all(Array.from({ length: 10 }, () => stack.outcome('/all', opaqueToken())))
  expect(new Set(all)).toEqual(new Set(['200']))
})

test('a server that asks for a pause gets it, and callers hear of its length', async () => {
  const stack = await startOpaqueStack()
  stack.endpoint.answerWith(FAULTS.tooMany)
  const first = await stack.request('/all', { headers: bearer(opaqueToken()) })
  expect([first.status, first.headers['retry-after']]).toEqual([503, '7'])
  stack.endpoint.answerWith(saysJson(activeAnswer()))
  stack.clock.pass(5_000)
  expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  expect(stack.endpoint.questions).toHaveLength(1)
  stack.clock.pass(2_001)
  expect(await stack.outcome('/all', opaqueToken())).toBe('200')
})

test('refused credentials of ours are counted as such', async () => {
  const stack = await startOpaqueStack()
  for (const fault of [FAULTS.unauthorized, FAULTS.forbidden]) {
    stack.endpoint.answerWith(fault)
    expect(await stack.outcome('/all', opaqueToken())).toBe(UNAVAILABLE)
  }
  expect(await stack.counted('unauthorized')).toBe(2)
})

test('a token that is remembered passes while the server is away, until its time is over', async () => {
  const stack = await startOpaqueStack()
  const token = opaqueToken()
  stack.endpoint.tokens.set(token, activeAnswer())
  expect(await stack.outcome('/all', token)).toBe('200')
  await stack.endpoint.down()
  stack.clock.pass(29_000)
  expect(await stack.outcome('/all', token)).toBe('200')
  stack.clock.pass(1_500)
  expect(await stack.outcome('/all', token)).toBe(UNAVAILABLE)
})

describe('maxStale', () => {
  const provider = { cache: { ttl: '30s', maxStale: '60s', refreshAhead: false } }

  test('lets the last active answer serve for so long, and counts it', async () => {
    const stack = await startOpaqueStack({ provider })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer())
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    stack.endpoint.answerWith(FAULTS.broken)
    stack.clock.pass(31_000)
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect(await stack.outcome('/writes/7', token)).toBe('403 scope_missing')
    expect(await stack.outcome('/orders/7', opaqueToken())).toBe(UNAVAILABLE)
    stack.clock.pass(58_000)
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect(await stack.counted('open')).toBe(3)
    stack.clock.pass(2_000)
    expect(await stack.outcome('/orders/7', token)).toBe(UNAVAILABLE)
  })

  test('never helps past exp', async () => {
    const stack = await startOpaqueStack({ provider })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer({ exp: Math.floor(Date.now() / 1000) + 50 }))
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    stack.endpoint.answerWith(FAULTS.broken)
    stack.clock.pass(31_000)
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    stack.clock.pass(30_000)
    expect(await stack.outcome('/orders/7', token)).toBe('401 token_expired')
  })

  test('never helps a token that was called inactive since', async () => {
    const stack = await startOpaqueStack({ provider })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer())
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    stack.endpoint.tokens.delete(token)
    stack.clock.pass(31_000)
    expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
    stack.endpoint.answerWith(FAULTS.broken)
    expect(await stack.outcome('/orders/7', token)).toBe('401 token_inactive')
    stack.clock.pass(5_001)
    expect(await stack.outcome('/orders/7', token)).toBe(UNAVAILABLE)
    expect(await stack.counted('open')).toBe(0)
  })
})

test('on a report-only route an outage lets requests pass, without identity', async () => {
  const stack = await startOpaqueStack()
  stack.endpoint.answerWith(FAULTS.broken)
  const reply = await stack.request('/report/7', { headers: { ...bearer(opaqueToken()), 'x-auth-subject': 'alice' } })
  expect(reply.status).toBe(200)
  expect(Object.keys(reply.json().headers as object).filter(name => name.startsWith('x-auth-'))).toEqual([])
  const inactive = await startOpaqueStack()
  const passed = await inactive.request('/report/7', { headers: bearer(opaqueToken()) })
  expect(passed.status).toBe(200)
  expect(Object.keys(passed.json().headers as object).filter(name => name.startsWith('x-auth-'))).toEqual([])
})

test('ten thousand made-up tokens cause few questions at a time, and refuse no honest caller', async () => {
  const [concurrency, rounds, garbage, honest] = [8, 50, 200, 20]
  const stack = await startOpaqueStack({
    provider: { concurrency, queue: 64, timeout: '30s', cache: { refreshAhead: false } },
  })
  const known = Array.from({ length: honest }, opaqueToken)
  const isKnown = new Set(known)
  const underWay = { all: 0, madeUp: 0 }
  const most = { all: 0, madeUp: 0 }
  stack.endpoint.answerWith(async (response, question) => {
    const isGood = isKnown.has(question.form.get('token') ?? '')
    underWay.all += 1
    if (!isGood) underWay.madeUp += 1
    most.all = Math.max(most.all, underWay.all)
    most.madeUp = Math.max(most.madeUp, underWay.madeUp)
    await nextTurn()
    underWay.all -= 1
    if (!isGood) underWay.madeUp -= 1
    await saysJson(isGood ? activeAnswer() : { active: false })(response, question)
  })
  for (const token of known) expect(await stack.outcome('/all', token)).toBe('200')
  const seen = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    // Every fifth round all honest tokens have to be asked about again.
    if (round % 5 === 0) stack.clock.pass(30_001)
    const strangers = Array.from({ length: garbage }, () => stack.outcome('/all', opaqueToken()))
    const callers = await Promise.all(known.map(token => stack.outcome('/all', token)))
    expect(new Set(callers)).toEqual(new Set(['200']))
    for (const outcome of await Promise.all(strangers)) seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
  }
  expect(most.all).toBeLessThanOrEqual(concurrency)
  expect(most.madeUp).toBeLessThanOrEqual(concurrency / 2)
  expect([...seen.keys()].filter(outcome => outcome !== UNAVAILABLE)).toEqual(['401 token_inactive'])
  expect([...seen.values()].reduce((sum, count) => sum + count)).toBe(rounds * garbage)
}, 60_000)
