import { beforeEach, describe, expect, test } from 'vitest'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { type VerifierRegistry, verifierRegistry } from '../../src/authenticate/registry.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import { TestClock, TestKeySet, verifierOptions } from './support.ts'

const LINGER_MS = 60_000

const { keySet: _, clock: __, decryption: ___, ...RULES } = verifierOptions(new TestKeySet())

let time: ManualTime
let registry: VerifierRegistry
let keySet: { readonly value: TestKeySet; readonly serial: number }
beforeEach(() => {
  time = manualTime()
  registry = verifierRegistry(time)
  keySet = { value: new TestKeySet(), serial: 7 }
})

const acquire = (change: Partial<typeof RULES> = {}, base = keySet, type = 'jwt') =>
  registry.acquire({
    type,
    rules: { ...RULES, ...change },
    base,
    make: (rules, keys) => jwtVerifier({ ...rules, keySet: keys, clock: new TestClock() }),
  })

describe('a verifier', () => {
  test('is the same for the same rules and the same keys', () => {
    expect(acquire().value).toBe(acquire({ scopeClaim: undefined }).value)
  })

  test.each<Partial<typeof RULES>>([
    { provider: 'other' },
    { issuer: 'https://other.example' },
    { audiences: ['https://other.example'] },
    { algorithms: ['RS256'] },
    { clockToleranceSeconds: 6 },
    { maxLifetimeSeconds: 60 },
    { tokenType: 'at+jwt' },
    { requiredClaims: ['sub'] },
    { scopeClaim: 'scp' },
    { rolesClaim: 'groups' },
  ])('is another with %j', change => {
    const first = acquire()
    expect(acquire(change).value).not.toBe(first.value)
  })

  test('is another for other keys, also for a successor of the same definition', () => {
    const first = acquire()
    expect(acquire({}, { ...keySet, serial: 8 }).value).not.toBe(first.value)
  })

  test('is another for another type of provider', () => {
    const first = acquire()
    expect(acquire({}, keySet, 'introspection').value).not.toBe(first.value)
  })

  test('that cannot be made is not kept', () => {
    expect(() => acquire({ rolesClaim: '/~2' })).toThrow(SyntaxError)
    expect(() => acquire({ rolesClaim: '/~2' })).toThrow(SyntaxError)
  })
})

describe('a change that is taken back', () => {
  test('within a minute finds the verifier, and with it the tokens that were verified', async () => {
    const before = acquire()
    const changed = acquire({ audiences: ['https://other.example'] })
    before.release()
    await time.advance(LINGER_MS - 1)
    expect(acquire().value).toBe(before.value)
    changed.release()
  })

  test('later than that has them verified anew', async () => {
    const before = acquire()
    before.release()
    await time.advance(LINGER_MS)
    expect(acquire().value).not.toBe(before.value)
  })
})
