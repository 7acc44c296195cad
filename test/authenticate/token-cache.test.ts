import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { type TokenCache, tokenCache } from '../../src/authenticate/token-cache.ts'
import { Denial } from '../../src/errors.ts'
import type { VerificationKey } from '../../src/types.ts'
import {
  NOW,
  type Overrides,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestClock,
  TestKeySet,
  token,
  verifierOptions,
} from './support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

let clock: TestClock
let keySet: TestKeySet
let results: string[]
let cache: TokenCache

const cacheOf = (entries: number) =>
  tokenCache({ entries, onResult: (provider, result) => results.push(`${provider} ${result}`) })
const verifierWith = (overrides: Overrides = {}) => jwtVerifier(verifierOptions(keySet, { clock, ...overrides }))
const routeWith = (overrides: Overrides = {}) => issuerAuthenticator([verifierWith(overrides)], { cache })

beforeEach(() => {
  clock = new TestClock()
  keySet = new TestKeySet(by.key)
  results = []
  cache = cacheOf(100)
})

describe('a token that comes again', () => {
  test('is answered at once with the same principal, and no key is asked for', async () => {
    const route = routeWith()
    const text = token(by)
    const first = await route({ token: text })
    const again = route({ token: text })
    expect(again).not.toBeInstanceOf(Promise)
    expect(again).toBe(first)
    expect(keySet.asked).toHaveLength(1)
    expect(results).toEqual(['main miss', 'main hit'])
    expect(cache.size).toBe(1)
  })

  test('is found by its whole text: one that differs in its last byte is another', async () => {
    const route = routeWith()
    const text = token(by)
    await route({ token: text })
    const last = text.endsWith('A') ? 'Q' : 'A'
    expect(await refusalCode(() => route({ token: text.slice(0, -1) + last }))).toBe('signature_invalid')
    expect(await refusalCode(() => route({ token: `${text} ` }))).toBe('request_malformed')
    expect(cache.size).toBe(1)
  })
})

describe('a token that comes for the first time', () => {
  test('is answered at once while its key is in hand', async () => {
    const route = routeWith()
    const text = token(by)
    const first = route({ token: text })
    expect(first).not.toBeInstanceOf(Promise)
    expect(route({ token: text })).toBe(first)
    expect(results).toEqual(['main miss', 'main hit'])
    expect(() => route({ token: token(by, { aud: 'other' }) })).toThrow(Denial)
  })

  test('is waited for when its signature takes long to verify, by all who bring it meanwhile', async () => {
    const slow = await signer('ES512')
    keySet.keys.add(slow.key)
    const route = routeWith()
    const text = token(slow)
    const requests = [route({ token: text }), route({ token: text })]
    for (const request of requests) expect(request).toBeInstanceOf(Promise)
    expect(new Set(await Promise.all(requests)).size).toBe(1)
    expect(results).toEqual(['main miss', 'main shared'])
    expect(route({ token: text })).not.toBeInstanceOf(Promise)
  })
})

describe('a verdict dies', () => {
  test('when the token expires, tolerance added, and is forgotten', async () => {
    const route = routeWith()
    const text = token(by)
    await route({ token: text })
    clock.nowSeconds = NOW + 304.9
    await route({ token: text })
    clock.nowSeconds = NOW + 305
    const denial = await refusal(() => route({ token: text }))
    expect(denial).toMatchObject({ code: 'token_expired', provider: 'main' })
    expect(cache.size).toBe(0)
    expect(await refusalCode(() => route({ token: text }))).toBe('token_expired')
    expect(results).toEqual(['main miss', 'main hit', 'main expired', 'main miss'])
  })

  test('when the clock goes back behind nbf', async () => {
    const route = routeWith()
    const text = token(by, { nbf: NOW })
    await route({ token: text })
    clock.nowSeconds = NOW - 6
    expect(await refusalCode(() => route({ token: text }))).toBe('token_not_yet_valid')
  })

  test('when its key leaves the set', async () => {
    const route = routeWith()
    const text = token(by)
    await route({ token: text })
    keySet.keys.clear()
    expect(await refusalCode(() => route({ token: text }))).toBe('key_unknown')
    expect(cache.size).toBe(0)
    expect(results).toEqual(['main miss', 'main stale'])
  })

  test('when the set grows too old, which is our 503', async () => {
    const route = routeWith()
    const text = token(by)
    await route({ token: text })
    keySet.isCurrent = () => false
    keySet.select = async () => {
      throw new Denial('keys_unavailable')
    }
    expect(await refusalCode(() => route({ token: text }))).toBe('keys_unavailable')
  })

  test('when a key comes back as another object, until it is verified again', async () => {
    const route = routeWith()
    const text = token(by)
    await route({ token: text })
    const replaced: VerificationKey = { ...by.key }
    keySet.keys.clear()
    keySet.keys.add(replaced)
    await route({ token: text })
    route({ token: text })
    expect(results).toEqual(['main miss', 'main stale', 'main hit'])
  })

  test('when a reload makes a new verifier, whose rules then decide', async () => {
    const text = token(by)
    await routeWith()({ token: text })
    const reloaded = routeWith({ audiences: ['https://other.example'] })
    expect(await refusalCode(() => reloaded({ token: text }))).toBe('audience_mismatch')
    expect(cache.size).toBe(0)
    expect(results).toEqual(['main miss', 'main stale'])
  })
})

describe('a route that does not accept the provider', () => {
  test('refuses a token another route verified, and leaves that verdict alone', async () => {
    const main = verifierWith()
    const other = verifierWith({ provider: 'other', issuer: 'https://other.example' })
    const [mainRoute, otherRoute] = [issuerAuthenticator([main], { cache }), issuerAuthenticator([other], { cache })]
    const text = token(by)
    await mainRoute({ token: text })
    expect(await refusalCode(() => otherRoute({ token: text }))).toBe('issuer_unknown')
    mainRoute({ token: text })
    expect(results).toEqual(['main miss', 'main hit'])
  })
})

describe('refusals', () => {
  test('are not remembered', async () => {
    const route = routeWith()
    const forger = await signer('ES256')
    for (let attempt = 0; attempt < 50; attempt += 1)
      expect(await refusalCode(() => route({ token: token(forger, { jti: String(attempt) }) }))).toBe(
        'signature_invalid',
      )
    expect(cache.size).toBe(0)
  })

  test('that come from a missing key end as soon as the key is there', async () => {
    const route = routeWith()
    const text = token(by)
    keySet.keys.clear()
    expect(await refusalCode(() => route({ token: text }))).toBe('key_unknown')
    keySet.keys.add(by.key)
    expect((await route({ token: text })).claims.sub).toBe('alice')
  })
})

describe('one token in many requests at once', () => {
  /** A key set that answers when it is told to. */
  const heldBack = () => {
    const answer = Promise.withResolvers<readonly VerificationKey[]>()
    let asked = 0
    keySet.select = () => {
      asked += 1
      return answer.promise
    }
    return { answer, asked: () => asked }
  }

  test('is verified once', async () => {
    const { answer, asked } = heldBack()
    const route = routeWith()
    const text = token(by)
    const requests = Array.from({ length: 20 }, () => route({ token: text }))
    answer.resolve([by.key])
    const principals = new Set(await Promise.all(requests))
    expect(principals.size).toBe(1)
    expect(asked()).toBe(1)
    expect(results.filter(result => result === 'main miss')).toHaveLength(1)
    expect(results.filter(result => result === 'main shared')).toHaveLength(19)
  })

  test('is refused to all of them, and tried again by the next', async () => {
    const { answer, asked } = heldBack()
    const route = routeWith()
    const text = token(by)
    const requests = Array.from({ length: 5 }, () => refusalCode(() => route({ token: text })))
    answer.reject(new Denial('keys_unavailable'))
    expect(new Set(await Promise.all(requests))).toEqual(new Set(['keys_unavailable']))
    expect(await refusalCode(() => route({ token: text }))).toBe('keys_unavailable')
    expect(asked()).toBe(2)
  })

  test('is not shared between the policies before and after a reload', async () => {
    const { answer, asked } = heldBack()
    const text = token(by)
    const before = routeWith()({ token: text })
    const after = routeWith({ audiences: ['https://other.example'] })({ token: text })
    const refused = refusalCode(() => after)
    answer.resolve([by.key])
    expect((await before).claims.sub).toBe('alice')
    expect(await refused).toBe('audience_mismatch')
    expect(asked()).toBe(2)
  })

  test('is still shared after a reload when the verification from before it ends first', async () => {
    const answers: Array<PromiseWithResolvers<readonly VerificationKey[]>> = []
    keySet.select = () => {
      const answer = Promise.withResolvers<readonly VerificationKey[]>()
      answers.push(answer)
      return answer.promise
    }
    const text = token(by)
    const before = routeWith()({ token: text })
    const reloaded = routeWith({ audiences: ['https://other.example'] })
    const after = [refusalCode(() => reloaded({ token: text }))]
    answers[0]?.resolve([by.key])
    await before
    after.push(refusalCode(() => reloaded({ token: text })))
    answers[1]?.resolve([by.key])
    expect(await Promise.all(after)).toEqual(['audience_mismatch', 'audience_mismatch'])
    expect(answers).toHaveLength(2)
  })
})

describe('memory', () => {
  test('holds as many verdicts as it was told, the latest used', async () => {
    cache = cacheOf(3)
    const route = routeWith()
    const tokens = ['a', 'b', 'c', 'd'].map(jti => token(by, { jti }))
    for (const text of tokens) await route({ token: text })
    expect(cache.size).toBe(3)
    await route({ token: tokens[0] ?? '' })
    expect(results.at(-1)).toBe('main miss')
  })

  test('holds fewer of them when they are large', async () => {
    cache = cacheOf(20)
    const route = routeWith()
    for (let index = 0; index < 20; index += 1)
      await route({ token: token(by, { jti: String(index), blob: 'x'.repeat(6000) }) })
    expect(cache.size).toBeGreaterThan(3)
    expect(cache.size).toBeLessThan(10)
  })
})
