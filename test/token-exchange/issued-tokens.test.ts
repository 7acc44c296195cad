/** For how long an issued token is sent, what of the answers of the server is remembered, and whom an outage hits. */
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { OAuthFailure } from '../../src/oauth/oauth-failure.ts'
import type { IssuedToken } from '../../src/oauth/token-exchange-client.ts'
import { issuedTokens } from '../../src/token-exchange/issued-tokens.ts'
import type { Principal } from '../../src/types.ts'
import { manualTime } from '../support/manual-time.ts'

const HOUR = 3_600

type Answer = IssuedToken | OAuthFailure | Promise<IssuedToken>

/** Tokens of a server that answers as it is told, with a number behind each. */
function asking(answer: Answer = { text: 'issued', expiresInSeconds: 300 }) {
  const time = manualTime()
  const all = { answer, asked: 0, results: [] as string[], changes: [] as string[] }
  const tokens = issuedTokens({
    client: {
      endpoint: 'https://auth.example.com/token',
      async exchange(_token, ended) {
        all.asked++
        const number = all.asked
        const given = await Promise.race([
          all.answer,
          new Promise<never>((_, reject) => ended.addEventListener('abort', () => reject(ended.reason))),
        ])
        if (given instanceof OAuthFailure) throw given
        return { ...given, text: `${given.text}-${number}` }
      },
      close() {},
    },
    clock: time,
    onResult: result => all.results.push(result),
    onBreaker: (from, to) => all.changes.push(`${from} → ${to}`),
  })
  const caller = (lifeSeconds = HOUR): Principal =>
    ({ claims: { sub: 'alice' }, expiresAtSeconds: time.nowMs() / 1_000 + lifeSeconds }) as unknown as Principal
  const told = async (of: Principal, token = 'subject'): Promise<string> => {
    tokens.brought(of, token)
    try {
      return String((await tokens.linesFor(of))[1])
    } catch (error) {
      if (!(error instanceof Denial)) throw error
      return `${error.code} ${error.retryAfterSeconds}`
    }
  }
  return { all, time, tokens, caller, told }
}

const FAILED = new OAuthFailure('unavailable', 'no answer')

describe('a token that was issued is sent', () => {
  test.each<[string, number | undefined, number, number]>([
    ['until 30 seconds before it expires', 300, HOUR, 270],
    ['for half of its life, where that is less than a minute', 40, HOUR, 20],
    ['for 30 seconds, where nobody says when it expires', undefined, HOUR, 30],
    ['no longer than the token of the caller lives', 300, 100, 100],
    ['for a second, where it has expired when it comes', -240, HOUR, 1],
    ['for a second, where it is good for no time at all', 0, HOUR, 1],
    ['for a second, where the caller’s has expired and is taken because clocks differ', 300, -3, 1],
  ])('%s', async (_name, expiresInSeconds, subjectLife, seconds) => {
    const { time, caller, told } = asking({ text: 'issued', expiresInSeconds })
    const alice = caller(subjectLife)
    expect(await told(alice)).toBe('Bearer issued-1')
    await time.advance(seconds * 1_000 - 1)
    expect(await told(alice)).toBe('Bearer issued-1')
    await time.advance(1)
    expect(await told(alice)).toBe('Bearer issued-2')
  })

  test('by nobody any more when the session has another access token', async () => {
    const { caller, told } = asking()
    const alice = caller()
    expect([await told(alice, 'first'), await told(alice, 'second'), await told(alice, 'second')]).toEqual([
      'Bearer issued-1',
      'Bearer issued-2',
      'Bearer issued-2',
    ])
  })

  test('for a copy of its principal, and never for another one with equal claims', async () => {
    const { caller, told } = asking()
    const alice = caller()
    expect([await told(alice), await told({ ...alice }), await told(caller())]).toEqual([
      'Bearer issued-1',
      'Bearer issued-1',
      'Bearer issued-2',
    ])
  })
})

describe('what the server says of one caller', () => {
  test.each(['invalid_grant', 'invalid_target', 'access_denied'] as const)(
    '%s is asked again after 5 seconds, and never stops the others',
    async code => {
      const { all, time, caller, told } = asking(new OAuthFailure('refused', 'no', { code }))
      const alice = caller()
      expect(await told(alice)).toBe('exchange_refused undefined')
      await time.advance(4_999)
      expect([await told(alice), all.asked]).toEqual(['exchange_refused undefined', 1])
      await time.advance(1)
      expect([await told(alice), all.asked]).toEqual(['exchange_refused undefined', 2])
      for (let other = 0; other < 30; other++) await told(caller())
      expect([all.changes, all.asked]).toEqual([[], 32])
      expect(new Set(all.results)).toEqual(new Set(['refused']))
    },
  )

  test('invalid_request is no refusal, and does not stop the others either', async () => {
    const { all, time, caller, told } = asking(new OAuthFailure('refused', 'no', { code: 'invalid_request' }))
    const alice = caller()
    expect([await told(alice), await told(alice), all.asked]).toEqual([
      'exchange_unavailable 5',
      'exchange_unavailable 5',
      1,
    ])
    for (let other = 0; other < 30; other++) await told(caller())
    expect(all.changes).toEqual([])
    all.answer = { text: 'issued', expiresInSeconds: 300 }
    await time.advance(5_000)
    expect(await told(alice)).toBe('Bearer issued-32')
  })
})

describe('a server that fails', () => {
  test('is asked once a second for one caller, and by nobody after five failures in a row', async () => {
    const { all, time, caller, told } = asking(FAILED)
    const alice = caller()
    expect([await told(alice), await told(alice), all.asked]).toEqual([
      'exchange_unavailable 1',
      'exchange_unavailable 1',
      1,
    ])
    for (let failure = 2; failure <= 5; failure++) {
      await time.advance(1_000)
      await told(alice)
    }
    expect([all.asked, all.changes]).toEqual([5, ['closed → open']])
    expect([await told(caller()), all.asked]).toEqual(['exchange_unavailable 1', 5])
  })

  test.each(['invalid_client', 'unauthorized_client', 'unsupported_grant_type'] as const)(
    'is one that does not take the gateway (%s)',
    async code => {
      const { all, caller, told } = asking(new OAuthFailure('refused', 'no', { code }))
      for (let other = 0; other < 10; other++) expect(await told(caller())).toBe('exchange_unavailable 1')
      expect([all.asked, all.changes]).toEqual([5, ['closed → open']])
    },
  )

  test('is tried again beside a request, which does not wait, and whose caller has a token when he comes again', async () => {
    const { all, time, caller, told, tokens } = asking(FAILED)
    for (let other = 0; other < 5; other++) await told(caller())
    const back = Promise.withResolvers<IssuedToken>()
    all.answer = back.promise
    await time.advance(1_000)
    const alice = caller()
    expect(await told(alice)).toBe('exchange_unavailable 1')
    expect([await told(alice), await told(caller()), all.asked]).toEqual([
      'exchange_unavailable 1',
      'exchange_unavailable 1',
      6,
    ])
    expect(tokens.status()).toMatchObject({ breaker: 'probing', lastError: 'no answer' })
    back.resolve({ text: 'issued', expiresInSeconds: 300 })
    await expect.poll(() => tokens.status().breaker).toBe('closed')
    expect([await told(alice), all.asked]).toEqual(['Bearer issued-6', 6])
    expect(tokens.status()).toMatchObject({ lastError: undefined })
  })

  test('is left alone for as long as it asks for, but for a minute at most', async () => {
    const { all, time, caller, told } = asking(new OAuthFailure('unavailable', 'busy', { retryAfterSeconds: 3_600 }))
    expect(await told(caller())).toBe('exchange_unavailable 60')
    await time.advance(59_000)
    expect([await told(caller()), all.asked]).toEqual(['exchange_unavailable 1', 1])
  })

  test('takes no more than 256 exchanges at a time', async () => {
    const never = new Promise<IssuedToken>(() => {})
    const { all, tokens, caller, told } = asking(never)
    const waiting = Array.from({ length: 256 }, () => told(caller()))
    expect([await told(caller()), all.asked]).toEqual(['exchange_unavailable 1', 256])
    await tokens.close()
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['exchange_unavailable 1']))
    expect([await told(caller()), all.results]).toEqual(['exchange_unavailable 1', []])
  })
})
