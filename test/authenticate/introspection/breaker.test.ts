/** When a server is left alone that does not answer, and how it is tried again. */
import { describe, expect, test } from 'vitest'
import { QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { asking, TTL_MS } from './support.ts'

const busy = (seconds: number | undefined) =>
  new QuestionFailure('error', 'the server answered 429', { retryAfterSeconds: seconds })

async function opened(settings: Parameters<typeof asking>[0] = {}) {
  const all = asking(settings)
  await all.failTimes(5)
  return all
}

describe('the breaker opens', () => {
  test('after five failures in a row, and refuses at once from then on', async () => {
    const { failTimes, request, server, results, changes, introspector } = asking()
    await failTimes(4)
    expect(introspector.status()).toMatchObject({ breaker: 'closed', nextTrySeconds: undefined })
    await failTimes(1)
    expect(introspector.status().breaker).toBe('open')
    results.length = 0
    const refused = request('a')
    expect(refused.atOnce).toBe(true)
    expect(refused.outcome).toMatchObject({
      code: 'introspection_unavailable',
      retryAfterSeconds: 1,
      evidence: { reason: 'the server is not asked for now: the server answered 500' },
    })
    expect(results).toEqual(['rejected'])
    expect(server.asked).toHaveLength(5)
    expect(changes).toEqual(['closed → open: the server answered 500'])
  })

  test.each(['timeout', 'unauthorized', 'error', 'invalid'] as const)('after failures of the kind %s', async kind => {
    const { failTimes, introspector } = asking()
    await failTimes(5, new QuestionFailure(kind, 'in our words'))
    expect(introspector.status().breaker).toBe('open')
  })

  test('not when an answer came in between, be it that a token is inactive', async () => {
    const { failTimes, request, server, introspector } = asking()
    await failTimes(4)
    request('a')
    await server.last().inactive()
    await failTimes(4)
    expect(introspector.status().breaker).toBe('closed')
  })

  test('when more than half of twenty questions within ten seconds failed', async () => {
    const { failTimes, activate, introspector } = asking()
    for (let round = 0; round < 9; round += 1) {
      await activate(`good-${round}`)
      await failTimes(1)
    }
    await failTimes(1)
    expect(introspector.status().breaker).toBe('closed')
    await failTimes(1)
    expect(introspector.status().breaker).toBe('open')
  })

  test('not for failures that were longer ago', async () => {
    const { failTimes, activate, introspector, pass } = asking()
    for (let round = 0; round < 40; round += 1) {
      await activate(`good-${round}`)
      await failTimes(2)
      await pass(2_000)
    }
    expect(introspector.status().breaker).toBe('closed')
  })

  test('at once when the server says for how long, and for that long', async () => {
    const { request, server, pass, introspector, time } = asking()
    const asked = request('a')
    await server.last().fail(busy(7))
    expect((await asked.denial()).retryAfterSeconds).toBe(7)
    expect(introspector.status()).toMatchObject({ breaker: 'open', nextTrySeconds: time.nowMs() / 1_000 + 7 })
    await pass(6_999)
    expect(request('b').outcome).toMatchObject({ retryAfterSeconds: 1 })
    await pass(1)
    expect(request('b').atOnce).toBe(false)
  })

  test.each([
    [3_600, 60],
    [Number.POSITIVE_INFINITY, 60],
    [0, 1],
    [-5, 1],
  ])('for a Retry-After of %d as if it were %d', async (asked, seconds) => {
    const { request, server } = asking()
    const first = request('a')
    await server.last().fail(busy(asked))
    expect((await first.denial()).retryAfterSeconds).toBe(seconds)
    expect(request('b').outcome).toMatchObject({ retryAfterSeconds: seconds })
  })

  test('and sends away all who wait', async () => {
    const { request, server, introspector, results } = asking({ concurrency: 2 })
    const first = request('a')
    const waiting = ['b', 'c'].map(request)
    await server.last().fail(busy(9))
    await first.denial()
    for (const each of waiting) expect((await each.denial()).retryAfterSeconds).toBe(9)
    expect(introspector.status()).toMatchObject({ inFlight: 0, queued: 0 })
    expect(results.toSorted()).toEqual(['error', 'rejected', 'rejected'])
    expect(server.asked).toHaveLength(1)
  })
})

describe('the probe', () => {
  test('is the next question when the time is over, and the only one', async () => {
    const { request, pass, introspector, changes } = await opened()
    await pass(999)
    expect(request('a').atOnce).toBe(true)
    await pass(1)
    const probe = request('a')
    expect(probe.atOnce).toBe(false)
    expect(introspector.status().breaker).toBe('probing')
    expect(request('b').outcome).toMatchObject({ code: 'introspection_unavailable', retryAfterSeconds: 1 })
    expect(request('a').outcome).toBe('waits')
    expect(changes.at(-1)).toBe('open → probing: it is time to ask again')
  })

  test.each(['active', 'inactive'] as const)('closes it with the answer %s', async answer => {
    const { request, pass, server, introspector, changes, failTimes } = await opened()
    await pass(1_000)
    request('a')
    await server.last()[answer]()
    expect(introspector.status()).toMatchObject({ breaker: 'closed', nextTrySeconds: undefined })
    expect(changes.at(-1)).toBe('probing → closed: the server answers again')
    await failTimes(4)
    expect(introspector.status().breaker).toBe('closed')
    await failTimes(1)
    expect(request('b').outcome).toMatchObject({ retryAfterSeconds: 1 })
  })

  test('opens it for longer each time it fails', async () => {
    const { request, pass, server } = await opened()
    const seconds: number[] = []
    let waitMs = 1_000
    for (let round = 0; round < 7; round += 1) {
      await pass(waitMs)
      const probe = request('a')
      await server.last().fail()
      const denial = await probe.denial()
      seconds.push(denial.retryAfterSeconds ?? 0)
      waitMs = (denial.retryAfterSeconds ?? 0) * 1_000
    }
    expect(seconds).toEqual([2, 4, 8, 16, 30, 30, 30])
  })

  test('may be a question that is asked ahead', async () => {
    const { activate, introspector, pass, server } = asking({ refreshAhead: true })
    const answer = await activate('a')
    const other = await activate('b')
    await pass(TTL_MS - 2_000)
    introspector.stillHolds(other)
    await server.last().fail(busy(1))
    expect(introspector.status().breaker).toBe('open')
    await pass(1_000)
    expect(introspector.stillHolds(answer)).toBe(true)
    expect(server.underWay().map(({ token }) => token)).toEqual(['a'])
    await server.last().active()
    expect(introspector.status().breaker).toBe('closed')
  })

  test('does not wait in a line behind questions from before', async () => {
    const { request, pass, failTimes, introspector, server } = asking({ concurrency: 2, timeoutMs: 20_000 })
    await failTimes(4)
    request('slow')
    const slow = server.last()
    await pass(10_000)
    await slow.fail(busy(1))
    request('other')
    await pass(1_000)
    request('hanging')
    expect(introspector.status()).toMatchObject({ breaker: 'probing', inFlight: 1, queued: 0 })
    expect(request('next').atOnce).toBe(true)
  })
})

describe('what comes of a question that was sent before the breaker opened', () => {
  const late = async () => {
    const all = asking({ concurrency: 20, queue: 100 })
    const slow = all.request('slow')
    const question = all.server.last()
    await all.failTimes(5)
    return { ...all, slow, question }
  }

  test('is good for whoever waits for it when it is an answer, but does not close the breaker', async () => {
    const { slow, question, introspector, request } = await late()
    await question.active()
    expect(await slow.answer()).toMatchObject({ token: 'slow' })
    expect(introspector.status().breaker).toBe('open')
    expect(request('slow').atOnce).toBe(true)
    expect(request('other').outcome).toMatchObject({ code: 'introspection_unavailable' })
  })

  test('does not close it while a probe is under way, and does not open it either', async () => {
    for (const end of ['active', 'fail'] as const) {
      const { question, introspector, request, pass, server } = await late()
      await pass(1_000)
      const probe = request('probe')
      await question[end]()
      expect(introspector.status().breaker).toBe('probing')
      await server.last().active()
      await probe.answer()
      expect(introspector.status().breaker).toBe('closed')
    }
  })

  test('does not open it again once a probe has closed it', async () => {
    const { question, introspector, activate, pass } = await late()
    await pass(1_000)
    await activate('probe')
    await question.fail(busy(50))
    expect(introspector.status().breaker).toBe('closed')
  })

  test('does not make its time longer, unless the server says so', async () => {
    const { question, request, slow } = await late()
    await question.fail()
    expect((await slow.denial()).retryAfterSeconds).toBe(1)
    expect(request('a').outcome).toMatchObject({ retryAfterSeconds: 1 })
    const other = await late()
    await other.question.fail(busy(20))
    expect((await other.slow.denial()).retryAfterSeconds).toBe(20)
    expect(other.request('a').outcome).toMatchObject({ retryAfterSeconds: 20 })
  })
})
