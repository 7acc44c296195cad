import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LoginCookie } from '../../src/session/cookie-lines.ts'
import { type LoginStates, loginStates } from '../../src/session/login-state.ts'
import { sessionKeys } from '../../src/session/session-keys.ts'

const secret = randomBytes(32)
const keys = sessionKeys([secret], 'browser')
const states = loginStates(keys)
const NOW = 1_790_000_000_000
const home = { returnTo: '/', asked: undefined }

describe('a login that has begun', () => {
  test('has a state, a nonce and a verifier of the lengths that their RFCs ask for, and no two are alike', () => {
    const { state, nonce, verifier, cookie } = states.begin(home, [], NOW)
    expect(state).toMatch(/^[\w-]{24}$/)
    expect(nonce).toMatch(/^[\w-]{43}$/)
    expect(verifier).toMatch(/^[\w-]{43}$/)
    expect(new Set([state, nonce, verifier, verifier.slice(0, 24), nonce.slice(0, 24)]).size).toBe(5)
    expect(cookie.label).toBe(state.slice(0, 8))
    expect(states.begin(home, [], NOW).state).not.toBe(state)
  })

  test('is all in its cookie', () => {
    const asked = fc.option(
      fc.record({
        acrValues: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
        maxAgeSeconds: fc.option(fc.nat(), { nil: undefined }),
      }),
      { nil: undefined },
    )
    fc.assert(
      fc.property(fc.stringMatching(/^\/[a-z][a-z/?=&%"]*$/), asked, (returnTo, wanted) => {
        const { cookie, superseded, ...login } = states.begin({ returnTo, asked: wanted }, [], NOW)
        expect(superseded).toEqual([])
        expect(states.open(cookie.value, NOW)).toEqual(login)
        expect(login).toMatchObject({ returnTo, asked: wanted })
      }),
    )
  })

  test('has a cookie of at most 256 characters for usual targets, which shows nothing of it', () => {
    const returnTo = `/orders/4711?${'filter=open&'.repeat(9)}`
    const { cookie, state } = states.begin({ returnTo, asked: undefined }, [], NOW)
    expect(cookie.value.length).toBeLessThanOrEqual(256)
    expect(cookie.value).toMatch(/^[\w-]+$/)
    expect(Buffer.from(cookie.value, 'base64url').includes('orders')).toBe(false)
    expect(cookie.value).not.toContain(state)
  })

  test('leads to / when its target is too long or not ours', () => {
    for (const returnTo of [`/${'a'.repeat(2048)}`, '//other.example/', 'https://other.example/'])
      expect(states.begin({ returnTo, asked: undefined }, [], NOW).returnTo).toBe('/')
  })

  test('is good for ten minutes, and for a clock that is a minute behind', () => {
    const { value } = states.begin(home, [], NOW).cookie
    expect(states.open(value, NOW + 600_000)).toBeDefined()
    expect(states.open(value, NOW + 601_000)).toBeUndefined()
    expect(states.open(value, NOW - 60_000)).toBeDefined()
    expect(states.open(value, NOW - 61_000)).toBeUndefined()
  })

  test('opens after its secret has become an old one, but for nobody else', () => {
    const { value } = states.begin(home, [], NOW).cookie
    expect(loginStates(sessionKeys([randomBytes(32), secret], 'browser')).open(value, NOW)).toBeDefined()
    expect(loginStates(sessionKeys([secret], 'other')).open(value, NOW)).toBeUndefined()
    expect(states.open(keys.seal('label', Buffer.alloc(64)).toString('base64url'), NOW)).toBeUndefined()
    expect(states.open(keys.seal('login', Buffer.alloc(64)).toString('base64url'), NOW)).toBeUndefined()
    expect(states.open(keys.seal('login', Buffer.from([1])).toString('base64url'), NOW)).toBeUndefined()
    expect(states.open('', NOW)).toBeUndefined()
    expect(states.open('x'.repeat(300), NOW)).toBeUndefined()
  })
})

describe('the login that an answer is about', () => {
  const one = states.begin({ returnTo: '/one', asked: undefined }, [], NOW)
  const two = states.begin({ returnTo: '/two', asked: undefined }, [], NOW)
  const cookies = [one.cookie, two.cookie]

  test('is found by its state, in any order', () => {
    expect(states.find(cookies, two.state, NOW)?.returnTo).toBe('/two')
    expect(states.find(cookies, one.state, NOW)?.returnTo).toBe('/one')
  })

  test('is none for a state that only begins alike, or whose cookie is that of another login', () => {
    expect(states.find(cookies, `${one.state.slice(0, 23)}!`, NOW)).toBeUndefined()
    expect(states.find(cookies, one.state.slice(0, 8), NOW)).toBeUndefined()
    expect(states.find([{ ...two.cookie, label: one.cookie.label }], one.state, NOW)).toBeUndefined()
    expect(states.find([], one.state, NOW)).toBeUndefined()
    expect(states.find(cookies, '', NOW)).toBeUndefined()
  })

  test('is found beside a cookie of the same name that is not ours', () => {
    expect(states.find([{ ...one.cookie, value: 'x' }, one.cookie], one.state, NOW)?.returnTo).toBe('/one')
  })
})

describe('of the logins under way in a browser', () => {
  test('the first of those that have begun in one second goes', () => {
    const atOnce = Array.from({ length: 10 }, (_, i) => states.begin(home, [], NOW + i).cookie)
    expect(states.begin(home, atOnce, NOW + 10).superseded).toEqual([atOnce[0]?.label])
  })

  test('ten stay, and the oldest goes, in whatever order they come', () => {
    const started = Array.from({ length: 10 }, (_, i) => states.begin(home, [], NOW + i * 1000).cookie)
    expect(states.begin(home, started.slice(1), NOW + 10_000).superseded).toEqual([])
    fc.assert(
      fc.property(fc.shuffledSubarray(started, { minLength: 10 }), shuffled => {
        expect(states.begin(home, shuffled, NOW + 10_000).superseded).toEqual([started[0]?.label])
      }),
    )
  })

  test('those that are over or not ours go at once', () => {
    const over = states.begin(home, [], NOW - 700_000).cookie
    const forged = { label: 'aaaaaaaa', value: 'x' }
    const live = states.begin(home, [], NOW).cookie
    expect(states.begin(home, [over, forged, live], NOW).superseded.toSorted()).toEqual(
      [over.label, forged.label].toSorted(),
    )
  })

  test('so many stay as a head has room for, however long their targets are', () => {
    const returnTo = `/${'a'.repeat(2000)}`
    const jar = browserAfter(20, states, returnTo)
    expect(jar.reduce((sum, { value }) => sum + value.length, 0)).toBeLessThanOrEqual(6144)
    expect(browserAfter(20, states, `/${'a'.repeat(300)}`)).toHaveLength(10)
  })
})

/** The cookies of a browser that has begun so many logins, one a second. */
function browserAfter(logins: number, by: LoginStates, returnTo: string): readonly LoginCookie[] {
  let jar: readonly LoginCookie[] = []
  for (let i = 0; i < logins; i++) {
    const { cookie, superseded } = by.begin({ returnTo, asked: undefined }, jar, NOW + i * 1000)
    jar = [...jar.filter(({ label }) => !superseded.includes(label)), cookie]
  }
  return jar
}
