/** For how long a stream goes on whose token only a server knows. */
import { describe, expect, test } from 'vitest'
import type { ActiveAnswer } from '../../../src/authenticate/introspection/answer.ts'
import { heardInactive } from '../../../src/authenticate/introspection/heard-inactive.ts'
import type { Claims, Tenure } from '../../../src/types.ts'
import { asking, TIMEOUT_MS, TTL_MS } from './support.ts'

const anything = (): boolean => true

async function streaming(settings: Parameters<typeof asking>[0] = {}, isGood: (claims: Claims) => boolean = anything) {
  const all = asking(settings)
  const answer = await all.activate('a')
  const open = (from: ActiveAnswer = answer): Tenure => all.introspector.tenureOf(from, isGood)
  const tenure = open()
  return {
    ...all,
    answer,
    open,
    tenure,
    /** Looks once a second. @returns what the last look found, which is the first that found an end */
    async look(seconds: number, tenures: readonly Tenure[] = [tenure]) {
      let end: ReturnType<Tenure['endedBy']>
      for (let second = 0; second < seconds && end === undefined; second += 1) {
        await all.pass(1_000)
        for (const each of tenures) end = each.endedBy() ?? end
      }
      return end
    },
  }
}

describe('a stream', () => {
  test('is asked about again before the time of its answer is over, and goes on', async () => {
    const { look, server, tenure } = await streaming()
    expect(await look(23)).toBeUndefined()
    expect(server.asked).toHaveLength(1)
    await look(1)
    expect(server.asked).toHaveLength(2)
    await server.last().active()
    expect(await look(23)).toBeUndefined()
    expect(server.asked).toHaveLength(2)
    await look(1)
    expect(server.asked).toHaveLength(3)
    expect(tenure.endedBy()).toBeUndefined()
  })

  test('ends for good when the server says that its token is inactive, whoever asked', async () => {
    const { look, pass, request, server, tenure, introspector, answer } = await streaming({ refreshAhead: true })
    await pass(TTL_MS * 0.8)
    introspector.stillHolds(answer)
    await server.last().inactive()
    expect(await look(1)).toBe('inactive')
    await pass(10_000)
    request('a')
    await server.last().active()
    expect(tenure.endedBy()).toBe('inactive')
  })

  test.each([0, 2_000])('ends when its token is called inactive that was forgotten here (inactiveTtl %i)', async ms => {
    const all = await streaming({ entries: 2, inactiveTtlMs: ms, maxStaleMs: 600_000 })
    for (const token of ['b', 'c']) await all.activate(token)
    const request = all.request('a')
    await all.server.last().inactive()
    expect((await request.denial()).code).toBe('token_inactive')
    expect(await all.look(1)).toBe('inactive')
  })

  test('ends when its token is called inactive by the server that a reload has put in place of its own', async () => {
    const heard = heardInactive(100)
    const before = await streaming({ heard, maxStaleMs: 600_000 })
    const after = asking({ heard })
    const request = after.request('a')
    await after.server.last().inactive()
    expect((await request.denial()).code).toBe('token_inactive')
    expect(await before.look(1)).toBe('inactive')
  })

  test.each([
    ['are not good', () => false],
    [
      'cannot be judged',
      () => {
        throw new Error('a bug')
      },
    ],
  ])('ends when the claims of a newer answer %s', async (_what, isGood) => {
    const { look, server } = await streaming({}, isGood)
    await look(24)
    await server.last().active({ sub: 'mallory' })
    expect(await look(1)).toBe('inactive')
  })

  test('ends unconfirmed when there is no new answer by the end of its time', async () => {
    const { look, server, failTimes, tenure } = await streaming()
    await look(23)
    await failTimes(5)
    expect(await look(6)).toBeUndefined()
    expect(await look(1)).toBe('unconfirmed')
    expect(tenure.endedBy()).toBe('unconfirmed')
    expect(server.asked.length).toBeLessThanOrEqual(8)
  })

  test('does not end for one failure', async () => {
    const { look, server } = await streaming()
    await look(24)
    await server.last().fail()
    await look(1)
    expect(server.asked).toHaveLength(3)
    await server.last().active()
    expect(await look(20)).toBeUndefined()
  })

  test('waits for a question that is under way when its time is over, and no longer than that takes', async () => {
    const { look, server } = await streaming({ ttlMs: 2_000, timeoutMs: TIMEOUT_MS })
    await look(2)
    expect(server.asked).toHaveLength(2)
    expect(await look(1)).toBeUndefined()
    expect(await look(1)).toBe('unconfirmed')
  })

  test('is not kept by requests that ask about its token in vain again and again', async () => {
    const { pass, request, server, tenure, activate } = await streaming()
    let ended: string | undefined
    for (let second = 0; second < 40 && ended === undefined; second += 1) {
      await pass(1_000)
      // Others are answered, so the breaker stays closed.
      await activate(`other-${second}`)
      for (const question of server.underWay()) await question.fail()
      if (second >= 29) request('a')
      ended = tenure.endedBy()
      if (ended !== undefined) expect(second + 1).toBeLessThanOrEqual(30 + TIMEOUT_MS / 1_000)
    }
    expect(ended).toBe('unconfirmed')
  })

  test('asks although nobody looked before its time was over', async () => {
    const { pass, tenure, server } = await streaming()
    await pass(TTL_MS + 10)
    expect(tenure.endedBy()).toBeUndefined()
    await server.last().active()
    expect(tenure.endedBy()).toBeUndefined()
  })

  test('goes on when the memory has dropped its token', async () => {
    const { activate, look, pass, server, tenure } = await streaming({ entries: 1 })
    await activate('b')
    expect(tenure.endedBy()).toBeUndefined()
    await look(24)
    expect(server.last().token).toBe('a')
    await server.last().active()
    await activate('b2')
    expect(await look(23)).toBeUndefined()
    await look(1)
    expect(server.last().token).toBe('a')
    await server.last().inactive()
    await pass(10_000)
    expect(tenure.endedBy()).toBe('inactive')
  })

  test('finds what others heard after the memory had dropped its token', async () => {
    const { activate, look, server, pass } = await streaming({ entries: 1 })
    await activate('b')
    await pass(10_000)
    await activate('a')
    const before = server.asked.length
    expect(await look(23)).toBeUndefined()
    expect(server.asked).toHaveLength(before)
  })

  test.each([0, 10, 999])('whose answers are good for %i ms is asked about every second', async ttlMs => {
    const { look, server, open, answer } = await streaming({ ttlMs })
    const tenures = [open(answer), open(answer), open(answer)]
    for (let second = 1; second <= 10; second += 1) {
      expect(await look(1, tenures)).toBeUndefined()
      expect(server.asked).toHaveLength(1 + second)
      await server.last().active()
    }
    await look(1, tenures)
    await server.last().inactive()
    expect(await look(1, tenures)).toBe('inactive')
  })

  test('whose every request asks ends when the server is away', async () => {
    const { look, server } = await streaming({ ttlMs: 0 })
    await look(1)
    await server.last().fail()
    expect(await look(1)).toBe('unconfirmed')
  })
})

describe('streams of one token', () => {
  test('share the questions, and end together', async () => {
    const { look, server, open } = await streaming()
    const tenures = Array.from({ length: 1_000 }, () => open())
    await look(24, tenures)
    expect(server.asked).toHaveLength(2)
    await server.last().active()
    await look(24, tenures)
    expect(server.asked).toHaveLength(3)
    await server.last().inactive()
    await look(1, tenures)
    expect(new Set(tenures.map(each => each.endedBy()))).toEqual(new Set(['inactive']))
  })

  test('end together when there is no answer', async () => {
    const { look, open, failTimes } = await streaming()
    const tenures = Array.from({ length: 10 }, () => open())
    await look(23, tenures)
    await failTimes(5)
    await look(7, tenures)
    expect(new Set(tenures.map(each => each.endedBy()))).toEqual(new Set(['unconfirmed']))
  })
})

describe('an outage', () => {
  test('keeps streams for maxStale, counted once for each ttl, and no longer', async () => {
    const { look, server, results, pass, tenure } = await streaming({ maxStaleMs: 60_000 })
    const failAll = async (seconds: number) => {
      let end: string | undefined
      for (let second = 0; second < seconds && end === undefined; second += 1) {
        end = await look(1)
        for (const question of server.underWay()) await question.fail()
      }
      return end
    }
    expect(await failAll(89)).toBeUndefined()
    expect(results.filter(result => result === 'open')).toHaveLength(2)
    expect(await failAll(1)).toBe('unconfirmed')
    await pass(1_000)
    expect(tenure.endedBy()).toBe('unconfirmed')
  })

  test('is counted from its first failure on, although each look asks anew', async () => {
    const { look, server, results, introspector } = await streaming({ ttlMs: 1_000, maxStaleMs: 60_000 })
    for (let second = 0; second < 4; second += 1) {
      await look(1)
      for (const question of server.underWay()) await question.fail()
    }
    expect(introspector.status().breaker).toBe('closed')
    expect(results.filter(result => result === 'open')).toHaveLength(3)
  })

  test('that is over in time leaves nothing behind', async () => {
    const { look, server, introspector } = await streaming({ maxStaleMs: 60_000 })
    await look(24)
    await server.last().fail()
    expect(await look(20)).toBeUndefined()
    for (const question of server.underWay()) await question.active()
    for (let second = 0; second < 60; second += 1) {
      expect(await look(1)).toBeUndefined()
      for (const question of server.underWay()) await question.active()
    }
    expect(introspector.status()).toMatchObject({ breaker: 'closed', inFlight: 0, queued: 0 })
  })
})
