import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compileIdentity,
  DEFAULT_IDENTITY_HEADERS,
  type IdentityHeader,
  identityHeader,
} from '../../src/identity/header-lines.ts'
import type { Claims, Principal } from '../../src/types.ts'

function principal(claims: Claims, parts: Partial<Principal> = {}): Principal {
  return {
    provider: 'main',
    claims,
    scopes: new Set(),
    roles: new Set(),
    audiences: [],
    expiresAtSeconds: 2_000_000_000,
    validUntilMs: 2_000_000_005_000,
    confirmation: undefined,
    standing: { fingerprints: [], reader: undefined, clearAt: 0 },
    kept: { newest: undefined },
    tenure: undefined,
    ...parts,
  }
}

function identity(headers: readonly IdentityHeader[], reserved: readonly string[] = [], maxBytes = 8192) {
  return compileIdentity({ headers, reserved, maxBytes })
}

describe('the default set', () => {
  const { lines } = identity(DEFAULT_IDENTITY_HEADERS)

  test('tells issuer, subject, client, scope and roles', () => {
    const caller = principal(
      { iss: 'https://issuer.example', sub: 'alice', client_id: 'shop', azp: 'other' },
      { scopes: new Set(['orders:read', 'orders:write']), roles: new Set(['editor', 'é']) },
    )
    expect(lines(caller)).toEqual(
      [
        ['X-Auth-Issuer', 'https://issuer.example'],
        ['X-Auth-Subject', 'alice'],
        ['X-Auth-Client', 'shop'],
        ['X-Auth-Scope', 'orders:read orders:write'],
        ['X-Auth-Roles', '["editor","\\u00e9"]'],
      ].flat(),
    )
  })

  test('takes azp where there is no client_id', () => {
    expect(lines(principal({ azp: 'shop' }))).toEqual(['X-Auth-Client', 'shop'])
    expect(lines(principal({ client_id: null, azp: 'shop' }))).toEqual(['X-Auth-Client', 'shop'])
  })

  test('sends no header for what the token does not say', () => {
    expect(lines(principal({}))).toEqual([])
    expect(lines(principal({ sub: null }))).toEqual([])
  })

  test('reads no claim from a prototype', () => {
    expect(identity([identityHeader('X-A', 'constructor')]).lines(principal({}))).toEqual([])
  })
})

describe('a configured set', () => {
  test('reads names and pointers, joins lists', () => {
    const { lines } = identity([
      identityHeader('X-Tenant', 'https://example.com/tenant'),
      identityHeader('X-Roles', '/realm_access/roles', ','),
      identityHeader('X-Verified', 'email_verified'),
    ])
    const claims = { 'https://example.com/tenant': 'acme', realm_access: { roles: ['a', 'b'] }, email_verified: true }
    expect(lines(principal(claims))).toEqual(['X-Tenant', 'acme', 'X-Roles', 'a,b', 'X-Verified', 'true'])
  })

  test('means by scope what the provider granted, wherever it stood in the token, joined by spaces', () => {
    const { lines } = identity([identityHeader('X-Scope', 'scope', ',')])
    expect(lines(principal({ scope: 'forged', scp: ['a', 'b'] }, { scopes: new Set(['a', 'b']) }))).toEqual([
      'X-Scope',
      'a b',
    ])
  })

  test('refuses a delimiter that could not be undone, and an invalid pointer', () => {
    expect(() => identityHeader('X-A', 'a', '4')).toThrow(SyntaxError)
    expect(() => identityHeader('X-A', '/a~2')).toThrow(SyntaxError)
  })

  test('works the lines out once per principal', () => {
    let reads = 0
    const counted = { name: 'X-N', read: () => ++reads }
    const { lines } = identity([counted])
    const caller = principal({})
    expect(lines(caller)).toBe(lines(caller))
    expect(reads).toBe(1)
    expect(lines(principal({}))).toEqual(['X-N', '2'])
  })

  test('each configuration writes lines of its own for a principal, and copies of it share them', () => {
    const [old, current] = [identity([identityHeader('X-Old', 'a')]), identity([identityHeader('X-New', 'b')])]
    const caller = principal({ a: 'one', b: 'two' })
    expect(old.lines(caller)).toEqual(['X-Old', 'one'])
    expect(current.lines(caller)).toEqual(['X-New', 'two'])
    expect(old.lines(caller)).toEqual(['X-Old', 'one'])
    expect(current.lines(Object.freeze({ ...caller, validUntilMs: 0 }))).toBe(current.lines(caller))
  })

  test('refuses a set over the limit instead of cutting it', () => {
    const exact = 'X-A'.length + 4 + 20
    const headers = [identityHeader('X-A', 'a')]
    expect(identity(headers, [], exact).lines(principal({ a: 'x'.repeat(20) }))).toHaveLength(2)
    const tooLarge = expect.objectContaining({ code: 'identity_too_large' })
    expect(() => identity(headers, [], exact).lines(principal({ a: 'x'.repeat(21) }))).toThrow(tooLarge)
    expect(() => identity(headers, [], exact).lines(principal({ a: 'é'.repeat(3) }))).toThrow(tooLarge)
  })

  test('no claim, whatever its value, adds a line or splits one', () => {
    const { lines } = identity([identityHeader('X-A', 'a'), identityHeader('X-B', 'b', ',')], [], 1e6)
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const sent = lines(principal({ a, b } as Claims))
        expect(sent.filter((_, i) => i % 2 === 0).filter(name => name !== 'X-A' && name !== 'X-B')).toEqual([])
        expect(sent.length).toBeLessThanOrEqual(4)
        for (const part of sent) expect(part).toMatch(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/)
      }),
    )
  })
})

describe('stripping', () => {
  const { isManaged } = identity([identityHeader('X-Auth-Subject', 'sub')], ['X-Internal-*', 'X_Debug'])

  test.each([
    'X-Auth-Subject',
    'x-auth-subject',
    'X_AUTH_SUBJECT',
    'x.auth.subject',
    'x-auth_subject',
    'X~Auth|Subject',
  ])('%s never arrives from outside', name => {
    expect(isManaged(name)).toBe(true)
  })

  test.each(['X-Internal-', 'x_internal_user', 'X.INTERNAL.A.B', 'x-debug'])('%s is reserved', name => {
    expect(isManaged(name)).toBe(true)
  })

  test.each(['X-Auth-Subject2', 'X-Auth', 'X-AuthSubject', 'X-Internal', 'X-Debug-More', 'Accept', ''])(
    '%s is none of ours',
    name => {
      expect(isManaged(name)).toBe(false)
    },
  )
})
