/** What a request gets from the last good answer while the server does not answer, and for how long. */
import { describe, expect, test } from 'vitest'
import { QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { asking, TIMEOUT_MS, TTL_MS } from './support.ts'

describe('maxStale', () => {
  const stale = { maxStaleMs: 60_000 }

  test('lets the last active answer serve when asking fails, and counts each request', async () => {
    const { activate, request, server, pass, results, introspector } = asking(stale)
    const answer = await activate('a')
    await pass(TTL_MS)
    const both = [request('a'), request('a')]
    await server.last().fail()
    for (const each of both) expect(await each.answer()).toBe(answer)
    expect(results).toEqual(['active', 'error', 'open', 'open'])
    expect(introspector.stillHolds(answer)).toBe(false)
  })

  test('is answered at once while nobody is asked', async () => {
    const { activate, request, pass, server, results } = asking(stale)
    const answer = await activate('a')
    await activate('b')
    await pass(TTL_MS)
    const other = request('b')
    await server.last().fail(new QuestionFailure('error', 'the server answered 429', { retryAfterSeconds: 9 }))
    await other.answer()
    results.length = 0
    const asked = request('a')
    expect(asked.atOnce).toBe(true)
    expect(asked.outcome).toBe(answer)
    expect(results).toEqual(['open'])
  })

  test('ends when its time is over', async () => {
    const { activate, request, server, pass } = asking(stale)
    await activate('a')
    await pass(TTL_MS + 59_999)
    const last = request('a')
    await server.last().fail()
    expect(await last.answer()).toMatchObject({ token: 'a' })
    await pass(1)
    const late = request('a')
    await server.last().fail()
    expect((await late.denial()).code).toBe('introspection_unavailable')
  })

  test('is judged when the wait is over, not when it began', async () => {
    const { activate, request, pass } = asking(stale)
    await activate('a')
    await pass(TTL_MS + 59_000)
    const late = request('a')
    await pass(TIMEOUT_MS)
    expect((await late.denial()).code).toBe('introspection_unavailable')
  })

  test('never overrides that a token is inactive', async () => {
    const { activate, request, server, pass, failTimes } = asking(stale)
    await activate('a')
    await pass(TTL_MS)
    const asked = request('a')
    await server.last().inactive()
    expect((await asked.denial()).code).toBe('token_inactive')
    await pass(5_000)
    await failTimes(5)
    expect(request('a').outcome).toMatchObject({ code: 'introspection_unavailable' })
  })

  test('of 0 is closed', async () => {
    const { activate, request, server, pass, results } = asking()
    await activate('a')
    await pass(TTL_MS)
    const asked = request('a')
    await server.last().fail()
    expect((await asked.denial()).code).toBe('introspection_unavailable')
    expect(results).toEqual(['active', 'error'])
  })

  test('also serves where every request asks', async () => {
    const { activate, request, server } = asking({ ...stale, ttlMs: 0 })
    const answer = await activate('a')
    const asked = request('a')
    await server.last().fail()
    expect(await asked.answer()).toBe(answer)
  })
})
