import { beforeAll, describe, expect, test } from 'vitest'
import { type Members, NOW, type Overrides, refusalCode, type Signer, signer, token, verifierFor } from './support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

const principal = (claims: Members, overrides: Overrides = {}) => verifierFor(by, overrides)(token(by, claims))
const scopes = async (claims: Members, overrides: Overrides = {}) => [...(await principal(claims, overrides)).scopes]
const roles = async (claims: Members, rolesClaim = 'roles') => [...(await principal(claims, { rolesClaim })).roles]

test('a principal carries the provider, the claims, the expiry and the audiences', async () => {
  const { provider, claims, expiresAtSeconds, validUntilMs, audiences } = await principal({
    aud: ['x', 'https://api.example.com'],
  })
  expect(provider).toBe('main')
  expect(claims.sub).toBe('alice')
  expect(expiresAtSeconds).toBe(NOW + 300)
  expect(validUntilMs).toBe((NOW + 305) * 1000)
  expect(audiences).toEqual(['x', 'https://api.example.com'])
})

test('a principal is frozen, its claims in depth', async () => {
  const verified = await principal({ realm: { roles: [{ name: 'a' }] } })
  const realm = verified.claims.realm as { roles: object[] }
  for (const part of [verified, verified.claims, verified.audiences, realm, realm.roles, realm.roles[0]])
    expect(Object.isFrozen(part)).toBe(true)
})

describe('scopes', () => {
  test('are read from scope, else from scp', async () => {
    expect(await scopes({ scope: 'a b' })).toEqual(['a', 'b'])
    expect(await scopes({ scp: 'a b' })).toEqual(['a', 'b'])
    expect(await scopes({ scp: ['a', 'b'] })).toEqual(['a', 'b'])
    expect(await scopes({ scope: 'a', scp: 'b' })).toEqual(['a'])
  })

  test.each(['', '  ', null, [] as const])('an empty scope does not hide a filled scp: %j', async scope => {
    expect(await scopes({ scope, scp: ['b'] })).toEqual(['b'])
    expect(await scopes({ scope })).toEqual([])
    expect(await scopes({ scope, scp: ['b'] }, { scopeClaim: 'scope' })).toEqual([])
  })

  test('are none when there is no claim, or a null one', async () => {
    expect(await scopes({})).toEqual([])
    expect(await scopes({ scope: null })).toEqual([])
  })

  test('are split on spaces only, however many', async () => {
    expect(await scopes({ scope: '  a   b ' })).toEqual(['a', 'b'])
    expect(await scopes({ scope: 'a\tb' })).toEqual(['a\tb'])
  })

  test('come from the configured claim and from no other', async () => {
    const scopeClaim = 'https://example.com/scope'
    expect(await scopes({ [scopeClaim]: ['a'], scope: 'root' }, { scopeClaim })).toEqual(['a'])
    expect(await scopes({ scope: 'root' }, { scopeClaim })).toEqual([])
    expect(await scopes({ grants: { api: 'a b' } }, { scopeClaim: '/grants/api' })).toEqual(['a', 'b'])
  })

  test.each([[1], [true], [{ a: true }], [['a', 1]], [['a', null]], [['a', ['b']]], [['a b']], [['']]])(
    'of %j are a malformed claim',
    async scope => {
      expect(await refusalCode(() => principal({ scope }))).toBe('claim_invalid')
    },
  )
})

describe('roles', () => {
  test('are one string or a list of scalars', async () => {
    expect(await roles({ roles: 'editor' })).toEqual(['editor'])
    expect(await roles({ roles: 'not split' })).toEqual(['not split'])
    expect(await roles({ roles: ['editor', 7, true] })).toEqual(['editor', '7', 'true'])
  })

  test('are found by name or by pointer', async () => {
    expect(await roles({ realm_access: { roles: ['admin'] } }, '/realm_access/roles')).toEqual(['admin'])
    expect(await roles({ 'https://example.com/roles': ['admin'] }, 'https://example.com/roles')).toEqual(['admin'])
  })

  test.each([[undefined], [null], [{ admin: true }], [[{ name: 'admin' }, null, ['admin']]]])(
    'of %j grant nothing and refuse nothing',
    async value => {
      expect(await roles({ roles: value })).toEqual([])
    },
  )

  test('are not read from a prototype', async () => {
    expect(await roles({}, 'constructor')).toEqual([])
    expect(await roles({}, '/constructor/name')).toEqual([])
  })
})

test('a pointer that is none is found when the authenticator is made', async () => {
  expect(() => verifierFor(by, { rolesClaim: '/a~2' })).toThrow(SyntaxError)
})
