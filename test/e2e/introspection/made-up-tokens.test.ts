/**
 * Somebody who makes up tokens keeps nobody out whose token was active before, however the server answers about such
 * tokens: by `{"active":false}`, as RFC 7662 §2.2 asks for, or by an error, as some servers do.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { FAULTS } from '../../support/services/answer-faults.ts'
import { type EndpointAnswer, type Question, saysJson } from '../../support/services/introspection-endpoint.ts'
import { activeAnswer, type OpaqueStack, opaqueToken, startOpaqueStack } from './support.ts'

const UNAVAILABLE = '503 introspection_unavailable'

/** Answers about the tokens that the endpoint knows, and about all others in this way. */
function toStrangers(stack: OpaqueStack, answer: EndpointAnswer): EndpointAnswer {
  return async (response, question) => {
    const about = stack.endpoint.tokens.get(tokenOf(question))
    await (about === undefined ? answer : saysJson(about))(response, question)
  }
}

function tokenOf({ form }: Question): string {
  return form.get('token') ?? ''
}

async function startWithCallers(count: number, provider: Readonly<Record<string, unknown>>) {
  const stack = await startOpaqueStack({ provider })
  const callers = Array.from({ length: count }, opaqueToken)
  for (const token of callers) {
    stack.endpoint.tokens.set(token, activeAnswer())
    expect(await stack.outcome('/all', token)).toBe('200')
  }
  const outcomes = async (tokens: readonly string[]) =>
    new Set(await Promise.all(tokens.map(token => stack.outcome('/all', token))))
  return { stack, callers, outcomes, strangers: (many: number) => Array.from({ length: many }, opaqueToken) }
}

describe.for(['badRequest', 'broken', 'badJson'] as const)('made-up tokens that are answered by a fault: %s', fault => {
  test('keep nobody out while the server answers about good ones', async () => {
    const { stack, callers, outcomes, strangers } = await startWithCallers(2, { cache: { ttl: '0s' } })
    stack.endpoint.answerWith(toStrangers(stack, FAULTS[fault]))
    for (let round = 0; round < 10; round += 1) {
      expect(await outcomes(strangers(10))).toEqual(new Set([UNAVAILABLE]))
      expect(await outcomes(callers)).toEqual(new Set(['200']))
    }
    expect((await stack.metrics()).get('sallyport_introspection_breaker{provider="opaque"}')).toBe(0)
  })

  test('keep nobody out who comes back after a while in which nobody else was there', async () => {
    const { stack, callers, outcomes, strangers } = await startWithCallers(20, { concurrency: 8 })
    stack.endpoint.answerWith(toStrangers(stack, FAULTS[fault]))
    stack.clock.pass(31_000)
    // They come on, so that it is always one of them who finds out whether the server is back.
    for (let seconds = 0; seconds < 10; seconds += 1) {
      expect(await outcomes(strangers(10))).toEqual(new Set([UNAVAILABLE]))
      stack.clock.pass(1_000)
    }
    expect(await outcomes(strangers(10))).toEqual(new Set([UNAVAILABLE]))
    expect(await outcomes(callers)).toEqual(new Set(['200']))
  })
})

test('made-up tokens that make the server hang keep nobody out for whom it works', async () => {
  const { stack, callers, outcomes, strangers } = await startWithCallers(20, { timeout: '2s', concurrency: 16 })
  stack.endpoint.answerWith(toStrangers(stack, FAULTS.hang))
  for (let round = 0; round < 2; round += 1) {
    stack.clock.pass(31_000)
    expect(await outcomes(strangers(10))).toEqual(new Set([UNAVAILABLE]))
    expect(await outcomes(callers)).toEqual(new Set(['200']))
  }
})

test('bursts of made-up tokens cause few questions at a time, and refuse no honest caller', async () => {
  const [concurrency, bursts, burst] = [8, 160, 64]
  const { stack, callers, outcomes, strangers } = await startWithCallers(12, {
    concurrency,
    queue: 32,
    timeout: '30s',
    cache: { ttl: '50ms', inactiveTtl: '1s' },
  })
  const underWay = { all: 0, madeUp: 0 }
  const most = { all: 0, madeUp: 0 }
  const ways = [saysJson({ active: false }), FAULTS.badRequest, FAULTS.broken, saysJson({ active: false, sub: 'x' })]
  const isKnown = (question: Question) => stack.endpoint.tokens.has(tokenOf(question))
  let turn = 0
  const answer = toStrangers(stack, (response, question) => {
    turn += 1
    return ways[turn % ways.length]?.(response, question)
  })
  stack.endpoint.answerWith(async (response, question) => {
    const kind = isKnown(question) ? 0 : 1
    underWay.all += 1
    underWay.madeUp += kind
    most.all = Math.max(most.all, underWay.all)
    most.madeUp = Math.max(most.madeUp, underWay.madeUp)
    await nextTurn()
    underWay.all -= 1
    underWay.madeUp -= kind
    await answer(response, question)
  })
  const seen = new Set<string>()
  const madeUp = async () => {
    for (const outcome of await outcomes(strangers(burst))) seen.add(outcome)
  }
  for (let round = 0; round < bursts; round += 1) {
    const [, honest] = await Promise.all([madeUp(), outcomes(callers)])
    expect(honest).toEqual(new Set(['200']))
  }
  expect([...seen].sort()).toEqual(['401 token_inactive', UNAVAILABLE])
  expect(most.all).toBeLessThanOrEqual(concurrency)
  expect(most.madeUp).toBeLessThanOrEqual(concurrency / 2)
  expect(bursts * burst).toBeGreaterThanOrEqual(10_000)
}, 60_000)
