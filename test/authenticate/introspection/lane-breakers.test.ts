/** Strangers who make up tokens stop the questions of nobody else, whatever the server makes of them. */
import { describe, expect, test } from 'vitest'
import { QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { asking, TTL_MS } from './support.ts'

const failures = {
  'an error': new QuestionFailure('error', 'the server answered 500', { blames: 'either' }),
  'a refusal of our credentials': new QuestionFailure('unauthorized', 'answered 403', { blames: 'either' }),
  'no answer in time': new QuestionFailure('timeout', 'no complete answer'),
  'no connection': new QuestionFailure('error', 'nobody listens'),
  'a request to come again tomorrow': new QuestionFailure('error', 'answered 429', { retryAfterSeconds: 86_400 }),
}

describe.each(Object.entries(failures))('made-up tokens that get %s', (_, failure) => {
  test('keep nobody out whose token was active before', async () => {
    const { activate, failTimes, pass, request, server } = asking()
    await activate('a')
    await pass(TTL_MS)
    await failTimes(5, failure).catch(() => {})
    expect(request('one more').atOnce).toBe(true)
    const known = request('a')
    await server.last().active()
    await known.answer()
  })

  test('stop questions about other new tokens, until the server answers anybody', async () => {
    const { activate, failTimes, pass, request, server, introspector } = asking()
    await activate('a')
    await pass(TTL_MS)
    await failTimes(5, failure).catch(() => {})
    expect(introspector.status().breaker).toBe('open')
    expect(request('new').outcome).toMatchObject({ code: 'introspection_unavailable' })
    const known = request('a')
    await server.last().active()
    await known.answer()
    expect(introspector.status().breaker).toBe('closed')
  })
})

test('an error counts for nobody while the server calls other tokens active', async () => {
  const { activate, failTimes, pass, introspector } = asking()
  await activate('a')
  await pass(9_999)
  await failTimes(30, failures['an error'])
  expect(introspector.status().breaker).toBe('closed')
  await pass(1)
  await failTimes(5, failures['an error'])
  expect(introspector.status().breaker).toBe('open')
})

test('an answer that blames the question never stops anybody', async () => {
  const { failTimes, introspector } = asking()
  await failTimes(30, new QuestionFailure('error', 'the server answered 400', { blames: 'question' }))
  expect(introspector.status().breaker).toBe('closed')
})

test('what fails about tokens that were active counts for all', async () => {
  for (const failure of Object.values(failures)) {
    const { activate, pass, request, server, introspector } = asking()
    for (const token of ['a', 'b', 'c', 'd', 'e', 'f']) await activate(token)
    await pass(TTL_MS)
    for (const token of ['a', 'b', 'c', 'd', 'e']) {
      const failing = request(token)
      if (!failing.atOnce) await server.last().fail(failure)
      await failing.denial()
    }
    expect(introspector.status().breaker).toBe('open')
    expect(request('f').atOnce).toBe(true)
    expect(request('stranger').atOnce).toBe(true)
  }
})

/** Five tokens that were active fail, and so nobody is asked about any other. */
async function stopped() {
  const all = asking()
  for (const token of ['a', 'b', 'c', 'd', 'e', 'f']) await all.activate(token)
  await all.pass(TTL_MS)
  for (const token of ['a', 'b', 'c', 'd', 'e']) {
    const failing = all.request(token)
    await all.server.last().fail()
    await failing.denial()
  }
  expect(all.request('f').atOnce).toBe(true)
  await all.pass(1_000)
  return all
}

test('a stranger who is called active shows those whose token was active that the server is back', async () => {
  const { request, server, introspector } = await stopped()
  const stranger = request('stranger')
  await server.last().active()
  await stranger.answer()
  expect(introspector.status().breaker).toBe('closed')
})

test('a stranger who is called inactive shows only strangers that somebody answers', async () => {
  const { request, server, introspector } = await stopped()
  for (const token of ['one', 'two', 'three']) {
    const stranger = request(token)
    await server.last().inactive()
    expect((await stranger.denial()).code).toBe('token_inactive')
  }
  expect(introspector.status().breaker).toBe('open')
  const probe = request('a')
  await server.last().fail()
  await probe.denial()
  expect(request('b').atOnce).toBe(true)
})

test.each(['question', 'either'] as const)(
  'a probe whose failure blames the %s is followed by another soon',
  async blames => {
    const { failTimes, pass, request, server, introspector } = asking()
    await failTimes(5)
    for (let probes = 0; probes < 5; probes += 1) {
      await pass(1_000)
      const probe = request(`made up ${probes}`)
      expect(introspector.status().breaker).toBe('probing')
      await server.last().fail(new QuestionFailure('error', 'an answer, but none that is good', { blames }))
      expect((await probe.denial()).code).toBe('introspection_unavailable')
    }
    await pass(1_000)
    const honest = request('honest')
    await server.last().active()
    await honest.answer()
    expect(introspector.status().breaker).toBe('closed')
  },
)

test('a token that the server has no answer for any more, used again and again, keeps nobody else out', async () => {
  const { activate, pass, request, server, introspector } = asking()
  for (const token of ['expired', 'a', 'b']) await activate(token)
  await pass(TTL_MS)
  for (let uses = 0; uses < 50; uses += 1) {
    const expired = request('expired')
    if (!expired.atOnce) await server.last().fail(failures['an error'])
    await expired.denial()
  }
  for (const token of ['a', 'b']) {
    const known = request(token)
    await server.last().active()
    await known.answer()
  }
  expect(introspector.status().breaker).toBe('closed')
})
