/** What is remembered of a token and for how long, and what a request gets when the server does not answer. */
import { describe, expect, test } from 'vitest'
import { QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { asking, scriptedServer, settled, TIMEOUT_MS, TTL_MS } from './support.ts'

describe('an active token', () => {
  test('is asked about once, and then known at once until its time is over', async () => {
    const { activate, request, pass, server } = asking()
    const answer = await activate('a', { sub: 'alice', scope: 'read' })
    expect(answer).toMatchObject({ token: 'a', claims: { sub: 'alice', scope: 'read' } })
    await pass(TTL_MS - 1)
    const again = request('a')
    expect(again.atOnce).toBe(true)
    expect(again.outcome).toBe(answer)
    await pass(1)
    expect(request('a').atOnce).toBe(false)
    expect(server.asked).toHaveLength(2)
  })

  test('is in force from when the question was sent, not from when the answer came', async () => {
    const { request, pass, server, introspector } = asking()
    const first = request('a')
    await pass(1_500)
    await server.last().active()
    const answer = await first.answer()
    await pass(TTL_MS - 1_501)
    expect(introspector.stillHolds(answer)).toBe(true)
    await pass(1)
    expect(introspector.stillHolds(answer)).toBe(false)
  })

  test('is asked about once by a thousand requests that come together', async () => {
    const { request, server, results } = asking()
    const requests = Array.from({ length: 1_000 }, () => request('a'))
    expect(server.asked).toHaveLength(1)
    await server.last().active()
    const answers = new Set(await Promise.all(requests.map(each => each.answer())))
    expect(answers.size).toBe(1)
    expect(results).toEqual(['active'])
  })

  test('with a ttl of 0 is asked about by every request, but together with those that wait', async () => {
    const { activate, request, server, introspector } = asking({ ttlMs: 0 })
    const answer = await activate('a')
    expect(introspector.stillHolds(answer)).toBe(false)
    const both = [request('a'), request('a')]
    expect(server.asked).toHaveLength(2)
    await server.last().active()
    expect(await both[0]?.answer()).toBe(await both[1]?.answer())
    request('a')
    expect(server.asked).toHaveLength(3)
  })

  test('that is asked about again loses its old answer', async () => {
    const { activate, introspector, pass } = asking({ refreshAhead: true })
    const old = await activate('a')
    await pass(TTL_MS)
    const newer = await activate('a')
    expect(newer).not.toBe(old)
    expect([introspector.stillHolds(old), introspector.stillHolds(newer)]).toEqual([false, true])
  })

  test('that the memory had no room for is not relied on any more', async () => {
    const { activate, introspector } = asking({ entries: 2 })
    const first = await activate('a')
    await activate('b')
    await activate('c')
    expect(introspector.stillHolds(first)).toBe(false)
    expect(introspector.status().activeTokens).toBe(2)
  })

  test('is remembered however large or deep its claims are', async () => {
    const { activate, introspector } = asking({ entries: 1 })
    const deep = JSON.parse(`${'['.repeat(30_000)}${']'.repeat(30_000)}`)
    for (const claims of [{ deep }, { long: 'x'.repeat(60_000) }]) {
      const answer = await activate(`token-${Object.keys(claims)}`, claims)
      expect(introspector.stillHolds(answer)).toBe(true)
      expect(introspector.status().activeTokens).toBe(1)
    }
  })
})

describe('an inactive token', () => {
  test('is refused, and at once until its time is over', async () => {
    const { request, server, pass, results } = asking()
    const first = request('x')
    await server.last().inactive()
    expect((await first.denial()).code).toBe('token_inactive')
    await pass(4_999)
    const again = request('x')
    expect(again.atOnce).toBe(true)
    expect(again.outcome).toMatchObject({ code: 'token_inactive' })
    await pass(1)
    expect(request('x').atOnce).toBe(false)
    expect(results).toEqual(['inactive'])
  })

  test('pushes none out that is active, however many there are', async () => {
    const { activate, request, server, introspector } = asking({ entries: 10 })
    const answers = []
    for (let index = 0; index < 10; index += 1) answers.push(await activate(`good-${index}`))
    for (let index = 0; index < 1_000; index += 1) {
      const garbage = request(`garbage-${index}`)
      await server.last().inactive()
      await garbage.denial()
    }
    expect(answers.every(answer => introspector.stillHolds(answer))).toBe(true)
    expect(introspector.status()).toMatchObject({ activeTokens: 10, inactiveTokens: 10 })
  })

  test('that was active loses its answer at once, and is a stranger from then on', async () => {
    const { activate, request, server, introspector, pass } = asking({ ttlMs: 10_000, refreshAhead: true })
    const answer = await activate('a')
    await pass(8_000)
    expect(introspector.stillHolds(answer)).toBe(true)
    await server.last().inactive()
    expect(introspector.stillHolds(answer)).toBe(false)
    expect(request('a').outcome).toMatchObject({ code: 'token_inactive' })
    expect(introspector.status()).toMatchObject({ activeTokens: 0, inactiveTokens: 1 })
  })
})

describe('asking ahead', () => {
  test('begins when four fifths of the time are over, once, for tokens in use', async () => {
    const { activate, introspector, pass, server, request } = asking({ refreshAhead: true })
    const answer = await activate('a')
    await activate('unused')
    await pass(TTL_MS * 0.8 - 1)
    introspector.stillHolds(answer)
    expect(server.asked).toHaveLength(2)
    await pass(1)
    for (let use = 0; use < 100; use += 1) expect(introspector.stillHolds(answer)).toBe(true)
    expect(server.asked.map(({ token }) => token)).toEqual(['a', 'unused', 'a'])
    await server.last().active({ sub: 'newer' })
    expect(introspector.stillHolds(answer)).toBe(false)
    const next = request('a')
    expect(next.atOnce).toBe(true)
    expect(next.outcome).toMatchObject({ claims: { sub: 'newer' } })
  })

  test('does not happen where it is not wanted', async () => {
    const { activate, introspector, pass, server } = asking({ refreshAhead: false })
    const answer = await activate('a')
    await pass(TTL_MS - 1)
    expect(introspector.stillHolds(answer)).toBe(true)
    expect(server.asked).toHaveLength(1)
  })

  test('is not tried again for a moment after it failed', async () => {
    const { activate, introspector, pass, server } = asking({ refreshAhead: true })
    const answer = await activate('a')
    await pass(TTL_MS * 0.8)
    introspector.stillHolds(answer)
    await server.last().fail()
    await pass(499)
    expect(introspector.stillHolds(answer)).toBe(true)
    expect(server.asked).toHaveLength(2)
    await pass(1)
    introspector.stillHolds(answer)
    expect(server.asked).toHaveLength(3)
  })

  test('neither throws nor counts anything when nobody may be asked', async () => {
    const { activate, introspector, pass, failTimes, results } = asking({ refreshAhead: true })
    const answer = await activate('a')
    await pass(TTL_MS * 0.8)
    await failTimes(5)
    const before = results.length
    expect(introspector.stillHolds(answer)).toBe(true)
    expect(results).toHaveLength(before)
  })

  test('is shared by a request that comes when the time is over meanwhile', async () => {
    const { activate, introspector, pass, server, request } = asking({ refreshAhead: true })
    const answer = await activate('a')
    await pass(TTL_MS - 1)
    introspector.stillHolds(answer)
    await pass(1)
    const waiting = request('a')
    expect(server.asked).toHaveLength(2)
    await server.last().active()
    expect(await waiting.answer()).not.toBe(answer)
  })
})

describe('a question without an answer', () => {
  test.each(['timeout', 'unauthorized', 'error', 'invalid'] as const)('of the kind %s is 503', async kind => {
    const { request, server, results, durations, pass } = asking()
    const asked = request('secret-token')
    await pass(250)
    await server.last().fail(new QuestionFailure(kind, 'in our words'))
    const denial = await asked.denial()
    expect(denial).toMatchObject({
      code: 'introspection_unavailable',
      retryAfterSeconds: 1,
      evidence: { reason: 'in our words' },
    })
    expect(results).toEqual([kind])
    expect(durations).toEqual([0.25])
    expect(JSON.stringify(denial.evidence)).not.toContain('secret-token')
  })

  test('that nobody foresaw is an error, with its cause', async () => {
    const { request, server, results } = asking()
    const asked = request('a')
    const cause = new TypeError('a bug')
    await server.last().fail(cause)
    const denial = await asked.denial()
    expect(denial.cause).toBe(cause)
    expect(JSON.stringify(denial.evidence)).not.toContain('bug')
    expect(results).toEqual(['error'])
  })

  test('is broken off when its time is over, for all who share it', async () => {
    const { request, server, results, pass, introspector } = asking()
    const first = request('a')
    await pass(TIMEOUT_MS - 1)
    const late = request('a')
    expect(server.last().signal.aborted).toBe(false)
    await pass(1)
    expect(server.last().signal.aborted).toBe(true)
    for (const each of [first, late]) expect((await each.denial()).code).toBe('introspection_unavailable')
    expect(results).toEqual(['timeout'])
    expect(introspector.status()).toMatchObject({
      inFlight: 0,
      lastError: 'no complete answer from https://auth.example.com/introspect within 2000 ms',
    })
  })

  test('gives its place free although the server does not heed that it is broken off', async () => {
    const server = scriptedServer()
    const deaf = { ...server, ask: () => new Promise<never>(() => {}) }
    const { request, pass, introspector, results } = asking({ server: deaf })
    const asked = request('a')
    await pass(TIMEOUT_MS)
    expect((await asked.denial()).code).toBe('introspection_unavailable')
    expect(introspector.status().inFlight).toBe(0)
    expect(results).toEqual(['timeout'])
  })
})

describe('what is seen from outside', () => {
  test('is where questions go, without a query, which may hold a key', () => {
    const { introspector } = asking({ concurrency: 1 })
    expect(introspector.status().endpoint).toBe('https://auth.example.com/introspect')
  })

  test('is how it goes with the server', async () => {
    const { introspector, activate, request, server, time, pass } = asking({ concurrency: 1 })
    expect(introspector.status()).toEqual({
      endpoint: 'https://auth.example.com/introspect',
      breaker: 'closed',
      nextTrySeconds: undefined,
      lastSuccessSeconds: undefined,
      lastFailureSeconds: undefined,
      lastError: undefined,
      inFlight: 0,
      queued: 0,
      activeTokens: 0,
      inactiveTokens: 0,
    })
    await activate('a')
    const successSeconds = time.nowMs() / 1_000
    await pass(1_000)
    request('b')
    await server.last().fail()
    request('c')
    request('d')
    expect(introspector.status()).toMatchObject({
      lastSuccessSeconds: successSeconds,
      lastFailureSeconds: successSeconds + 1,
      lastError: 'the server answered 500',
      inFlight: 1,
      queued: 1,
      activeTokens: 1,
    })
    await server.last().active()
    expect(introspector.status().lastError).toBeUndefined()
  })

  test('is ready when it was tried to find out where questions go', async () => {
    let tries = 0
    const server = scriptedServer(async () => {
      tries += 1
      throw new QuestionFailure('error', 'the metadata cannot be fetched')
    })
    const { introspector } = asking({}, server)
    expect(tries).toBe(0)
    await Promise.all([introspector.ready(), introspector.ready()])
    expect(tries).toBe(1)
    expect(introspector.status()).toMatchObject({ lastError: 'the metadata cannot be fetched', breaker: 'closed' })
  })

  test('tries again to find out where questions go, since a gateway that is not ready gets no requests', async () => {
    let tries = 0
    const server = scriptedServer(async () => {
      tries += 1
      if (tries < 7) throw new QuestionFailure('error', 'the metadata cannot be fetched')
    })
    const { introspector, pass } = asking({}, server)
    await introspector.ready()
    for (const [index, seconds] of [1, 2, 4, 8, 16, 30].entries()) {
      await pass(seconds * 1_000 - 1)
      expect(tries).toBe(index + 1)
      await pass(1)
      expect(tries).toBe(index + 2)
    }
    await pass(60_000)
    expect(tries).toBe(7)
  })

  test('is ready at last when discovery does not end', async () => {
    const { introspector, pass } = asking(
      {},
      scriptedServer(() => new Promise(() => {})),
    )
    let isReady = false
    const ready = introspector.ready().then(() => {
      isReady = true
    })
    await pass(TIMEOUT_MS - 1)
    expect(isReady).toBe(false)
    await pass(1)
    await ready
    expect(introspector.status().lastError).toBe('no complete answer within 2000 ms')
  })
})

describe('when nobody leases it any more', () => {
  test('it is closed at once where no stream needs it', async () => {
    const { introspector, activate, server } = asking()
    introspector.tenureOf(await activate('a'), () => true)
    await introspector.retire()
    expect(server.isClosed).toBe(true)
  })

  test('it goes on to be asked for streams that are open, and is closed after the last of them', async () => {
    const { introspector, activate, server, pass } = asking()
    const tenure = introspector.tenureOf(await activate('a'), () => true)
    expect(tenure.endedBy()).toBeUndefined()
    const retired = introspector.retire()
    for (let second = 0; second < 200; second += 1) {
      await pass(1_000)
      expect(tenure.endedBy()).toBeUndefined()
      if (server.underWay().length > 0) await server.last().active()
    }
    expect(server.isClosed).toBe(false)
    await pass(10_000)
    await retired
    expect(server.isClosed).toBe(true)
  })

  test('it is closed at once all the same when the process ends', async () => {
    const { introspector, activate, server, pass } = asking()
    introspector.tenureOf(await activate('a'), () => true).endedBy()
    const retired = introspector.retire()
    await pass(1_000)
    await introspector.close()
    await retired
    expect(server.isClosed).toBe(true)
  })
})

describe('when it is closed', () => {
  test('it looks no more for where questions go', async () => {
    let tries = 0
    const server = scriptedServer(async () => {
      tries += 1
      throw new QuestionFailure('error', 'the metadata cannot be fetched')
    })
    const { introspector, pass } = asking({}, server)
    await introspector.ready()
    await introspector.close()
    await pass(60_000)
    expect(tries).toBe(1)
  })

  test('questions under way and those that wait are refused, and the server is closed after them', async () => {
    const { introspector, request, server, results } = asking({ concurrency: 2 })
    const requests = ['a', 'b'].map(request)
    expect(introspector.status()).toMatchObject({ inFlight: 1, queued: 1 })
    await introspector.close()
    for (const each of requests) expect((await each.denial()).code).toBe('introspection_unavailable')
    expect(server.asked.map(({ signal }) => signal.aborted)).toEqual([true])
    expect(server.isClosed).toBe(true)
    expect(results).toEqual(['rejected', 'rejected'])
  })

  test('nothing new is asked, and what is known still serves', async () => {
    const { introspector, request, server, activate } = asking()
    const answer = await activate('a')
    await introspector.close()
    expect(request('a').outcome).toBe(answer)
    expect(request('b').outcome).toMatchObject({ code: 'introspection_unavailable' })
    expect(server.asked).toHaveLength(1)
  })

  test('discovery that does not end is broken off', async () => {
    const { introspector } = asking(
      {},
      scriptedServer(() => new Promise(() => {})),
    )
    const ready = introspector.ready()
    await introspector.close()
    await ready
    await settled()
  })
})
