/** How many questions are under way and wait, and who goes first. */
import { describe, expect, test } from 'vitest'
import { asking, TIMEOUT_MS, TTL_MS } from './support.ts'

const tokens = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_unused, index) => `${name}-${index}`)

/** With tokens that were seen active, and whose time is over. */
async function withKnown(known: readonly string[], settings: Parameters<typeof asking>[0] = {}) {
  const all = asking({ concurrency: 4, queue: 4, ...settings })
  for (const token of known) await all.activate(token)
  await all.pass(TTL_MS)
  return { ...all, waiting: () => all.server.underWay().map(({ token }) => token) }
}

describe('questions about tokens that were never seen active', () => {
  test('are half of those under way at most, and wait in a line', async () => {
    const { request, waiting, server, introspector } = await withKnown([])
    tokens('s', 6).map(request)
    expect(waiting()).toEqual(['s-0', 's-1'])
    expect(introspector.status()).toMatchObject({ inFlight: 2, queued: 4 })
    await server.underWay()[0]?.inactive()
    expect(waiting()).toEqual(['s-1', 's-2'])
  })

  test('are refused at once when their line is full', async () => {
    const { request, results } = await withKnown([])
    tokens('s', 6).map(request)
    const refused = request('one-more')
    expect(refused.atOnce).toBe(true)
    expect(refused.outcome).toMatchObject({
      code: 'introspection_unavailable',
      retryAfterSeconds: 1,
      evidence: { reason: 'too many questions wait for the server' },
    })
    expect(results).toEqual(['rejected'])
  })

  test.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [5, 2],
  ])('with a concurrency of %i are %i at a time', async (concurrency, most) => {
    const { request, waiting } = await withKnown([], { concurrency })
    tokens('s', 5).map(request)
    expect(waiting()).toHaveLength(most)
  })

  test('without a line are refused when they cannot be asked at once', async () => {
    const { request } = await withKnown([], { queue: 0 })
    expect(tokens('s', 3).map(token => request(token).atOnce)).toEqual([false, false, true])
  })
})

describe('questions about tokens that were seen active', () => {
  test('may be all of those under way', async () => {
    const { request, waiting } = await withKnown(tokens('k', 6))
    tokens('k', 6).map(request)
    expect(waiting()).toEqual(tokens('k', 4))
  })

  test('have room when the strangers have filled theirs', async () => {
    const { request, waiting } = await withKnown(tokens('k', 7))
    tokens('s', 7).map(request)
    const known = tokens('k', 6).map(request)
    expect(waiting()).toEqual(['s-0', 's-1', 'k-0', 'k-1'])
    expect(known.map(({ outcome }) => outcome)).toEqual(Array(6).fill('waits'))
    expect(request('k-6').outcome).toMatchObject({ code: 'introspection_unavailable' })
  })

  test('go first', async () => {
    const { request, waiting, server } = await withKnown(tokens('k', 5), { concurrency: 2 })
    request('s-0')
    request('s-1')
    tokens('k', 2).map(request)
    await server.underWay()[0]?.inactive()
    expect(waiting()).toEqual(['k-0', 'k-1'])
    await server.underWay()[0]?.active()
    expect(waiting()).toEqual(['k-1', 's-1'])
  })

  test('stay known long after the time of their answer', async () => {
    const { request, waiting, pass } = await withKnown(['k'])
    await pass(24 * 3_600_000)
    tokens('s', 6).map(request)
    request('k')
    expect(waiting()).toContain('k')
  })
})

describe('the timeout', () => {
  test('counts from the request, so that a question that waits is not sent any more', async () => {
    const { request, server, pass, results, introspector } = await withKnown([], { concurrency: 1 })
    request('a')
    await pass(1_000)
    const second = request('b')
    await pass(1_000)
    expect(server.underWay().map(({ token }) => token)).toEqual(['b'])
    await pass(TIMEOUT_MS - 1_001)
    expect(second.outcome).toBe('waits')
    await pass(1)
    expect(await second.denial()).toMatchObject({
      evidence: { reason: 'no complete answer from https://auth.example.com/introspect within 2000 ms' },
    })
    expect(results).toEqual(['timeout', 'timeout'])
    expect(introspector.status()).toMatchObject({ inFlight: 0, queued: 0 })
  })

  test('of a question that was never sent is a rejection, and no failure of the server', async () => {
    const { request, pass, results, changes, server } = await withKnown([], { concurrency: 1, queue: 10 })
    const waiting = tokens('s', 10).map(request)
    await pass(TIMEOUT_MS)
    for (const each of waiting.slice(1))
      expect(await each.denial()).toMatchObject({
        evidence: { reason: 'the question waited for 2000 ms, and was not sent' },
      })
    expect(server.asked).toHaveLength(1)
    expect(results.toSorted()).toEqual([...Array(9).fill('rejected'), 'timeout'])
    expect(changes).toEqual([])
  })

  test('of a question that waits is served stale where that is chosen, and counted as that alone', async () => {
    const { request, pass, results } = await withKnown(['k', 'l'], { concurrency: 1, maxStaleMs: 60_000 })
    request('k')
    const second = request('l')
    results.length = 0
    await pass(TIMEOUT_MS)
    expect(await second.answer()).toMatchObject({ token: 'l' })
    expect(results.toSorted()).toEqual(['open', 'open', 'timeout'])
  })
})

test('ten thousand made-up tokens keep none of a hundred known ones from being renewed', async () => {
  const known = tokens('k', 100)
  const { activate, introspector, pass, request, server, results } = asking({
    concurrency: 8,
    queue: 100,
    entries: 200,
    refreshAhead: true,
  })
  const answers = []
  for (const token of known) answers.push(await activate(token))
  await pass(TTL_MS * 0.8)
  results.length = 0
  const renewed: string[] = []
  for (let round = 0; round < 100; round += 1) {
    for (const token of tokens(`garbage-${round}`, 100)) request(token)
    const due = answers[round]
    if (due !== undefined) expect(introspector.stillHolds(due)).toBe(true)
    expect(server.underWay().length).toBeLessThanOrEqual(8)
    expect(server.underWay().filter(({ token }) => token.startsWith('g')).length).toBeLessThanOrEqual(4)
    for (const question of server.underWay()) {
      if (question.token.startsWith('g')) await question.inactive()
      else {
        renewed.push(question.token)
        await question.active()
      }
    }
    await pass(10)
  }
  expect(renewed).toEqual(known)
  expect(introspector.status().activeTokens).toBe(100)
  expect(results.filter(result => result === 'rejected').length).toBeGreaterThan(0)
  for (const token of known) expect(request(token).atOnce).toBe(true)
})
