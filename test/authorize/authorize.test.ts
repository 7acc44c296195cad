import { describe, expect, test } from 'vitest'
import { all } from '../../src/authorize/all.ts'
import { requireAudience } from '../../src/authorize/audience.ts'
import { type ClaimRequirement, requireClaim } from '../../src/authorize/claims.ts'
import { requireAnyRole, requireRoles } from '../../src/authorize/roles.ts'
import { requireAnyScope, requireScopes } from '../../src/authorize/scopes.ts'
import type { Authorizer, Claims } from '../../src/types.ts'
import { principal, refusal } from './support.ts'

type ClaimScalar = Extract<ClaimRequirement, { readonly anyOf: unknown }>['anyOf'][number]

/** A requirement as the file has it; a scalar and a list are `anyOf` once loaded. */
type Written = ClaimScalar | readonly ClaimScalar[] | ClaimRequirement

function claimIs(reference: string, written: Written): Authorizer {
  const isBlock = typeof written === 'object' && !Array.isArray(written)
  return requireClaim(reference, isBlock ? (written as ClaimRequirement) : { anyOf: [written].flat() as ClaimScalar[] })
}

describe('scopes (RFC 6749 §3.3)', () => {
  test('every required scope must be granted; those that are not are named', () => {
    const authorize = requireScopes(['orders:read', 'orders:write'])
    expect(refusal(authorize, principal({ scopes: ['orders:write', 'x', 'orders:read'] }))).toBeUndefined()
    expect(refusal(authorize, principal({ scopes: ['orders:read'] }))).toEqual({
      code: 'scope_missing',
      evidence: { requirement: 'scopes', missing: ['orders:write'] },
    })
  })

  test('one of several scopes is enough where any is asked for', () => {
    const authorize = requireAnyScope(['a', 'b'])
    expect(refusal(authorize, principal({ scopes: ['b'] }))).toBeUndefined()
    expect(refusal(authorize, principal({ scopes: ['c'] }))).toEqual({
      code: 'scope_missing',
      evidence: { requirement: 'anyScope', missing: ['a', 'b'] },
    })
    expect(refusal(requireAnyScope([]), principal({ scopes: ['a'] }))?.code).toBe('scope_missing')
  })

  test.each(['ORDERS:READ', 'orders', 'orders:read ', 'orders:read:all', 'orders:rea'])(
    'scope %j is not orders:read',
    scope =>
      expect(refusal(requireScopes(['orders:read']), principal({ scopes: [scope] }))?.code).toBe('scope_missing'),
  )
})

describe('roles', () => {
  test('every required role must be there; those that are not are named', () => {
    const authorize = requireRoles(['editor', 'admin'])
    expect(refusal(authorize, principal({ roles: ['admin', 'editor'] }))).toBeUndefined()
    expect(refusal(authorize, principal({ roles: ['editor'] }))).toEqual({
      code: 'claim_forbidden',
      evidence: { requirement: 'roles', missing: ['admin'] },
    })
  })

  test('one of several roles is enough where any is asked for', () => {
    const authorize = requireAnyRole(['editor', 'admin'])
    expect(refusal(authorize, principal({ roles: ['admin'] }))).toBeUndefined()
    expect(refusal(authorize, principal({ scopes: ['admin'] }))).toEqual({
      code: 'claim_forbidden',
      evidence: { requirement: 'anyRole', missing: ['editor', 'admin'] },
    })
    expect(refusal(requireAnyRole([]), principal({ roles: ['a'] }))?.code).toBe('claim_forbidden')
  })
})

describe('audiences (RFC 7519 §4.1.3)', () => {
  test('one of the route’s audiences is enough, compared byte for byte', () => {
    const authorize = requireAudience(['https://api.example/a', 'b'])
    expect(refusal(authorize, principal({ audiences: ['x', 'b'] }))).toBeUndefined()
    for (const audiences of [[], ['https://api.example/a/'], ['HTTPS://api.example/a'], ['B']])
      expect(refusal(authorize, principal({ audiences }))).toEqual({
        code: 'audience_mismatch',
        evidence: { requirement: 'audiences', accepted: ['https://api.example/a', 'b'] },
      })
    expect(refusal(requireAudience([]), principal({ audiences: ['b'] }))?.code).toBe('audience_mismatch')
  })
})

describe('claims', () => {
  const claims: Claims = {
    email_verified: true,
    flag: 'true',
    level: 1,
    zero: 0,
    empty: '',
    nothing: null,
    tenant: 'acme',
    groups: ['a', 'b', 3, true, ['nested'], { name: 'c' }],
    none: [],
    'https://example.com/plan': 'gold',
    realm_access: { roles: ['admin'], 'a/b': { '~': 'x' } },
  }

  const holding: ReadonlyArray<readonly [string, Written]> = [
    ['email_verified', true],
    ['level', 1],
    ['zero', 0],
    ['empty', ''],
    ['tenant', 'acme'],
    ['tenant', ['globex', 'acme']],
    ['tenant', { all: ['acme'] }],
    ['groups', 'a'],
    ['groups', 3],
    ['groups', true],
    ['groups', ['x', 'b']],
    ['groups', { all: ['b', 'a', 3] }],
    ['https://example.com/plan', 'gold'],
    ['/realm_access/roles', 'admin'],
    ['/realm_access/roles/0', 'admin'],
    ['/realm_access/a~1b/~0', 'x'],
    ['tenant', { exists: true }],
    ['zero', { exists: true }],
    ['empty', { exists: true }],
    ['none', { exists: true }],
    ['realm_access', { exists: true }],
  ]
  test.each(holding)('%s meets %j', (reference, requirement) => {
    expect(refusal(claimIs(reference, requirement), principal({ claims }))).toBeUndefined()
  })

  const failing: ReadonlyArray<readonly [string, Written, string]> = [
    ['email_verified', 'true', 'boolean'],
    ['flag', true, 'string'],
    ['level', '1', 'number'],
    ['level', true, 'number'],
    ['zero', false, 'number'],
    ['zero', '', 'number'],
    ['empty', false, 'string'],
    ['tenant', 'Acme', 'string'],
    ['tenant', 'acm', 'string'],
    ['tenant', ['globex'], 'string'],
    ['tenant', [], 'string'],
    ['tenant', { all: ['acme', 'globex'] }, 'string'],
    ['groups', 'a,b', 'array'],
    ['groups', '3', 'array'],
    ['groups', 'nested', 'array'],
    ['groups', 'c', 'array'],
    ['groups', { all: ['a', 'z'] }, 'array'],
    ['none', '', 'array'],
    ['none', { all: ['a'] }, 'array'],
    ['nothing', { exists: true }, 'null'],
    ['nothing', 'null', 'null'],
    ['absent', { exists: true }, 'nothing'],
    ['absent', 'undefined', 'nothing'],
    ['absent', ['a'], 'nothing'],
    ['realm_access', '[object Object]', 'object'],
    ['realm_access.roles', 'admin', 'nothing'],
    ['/realm_access/roles/length', 1, 'nothing'],
    ['toString', { exists: true }, 'nothing'],
    ['__proto__', { exists: true }, 'nothing'],
    ['/realm_access/constructor', { exists: true }, 'nothing'],
    ['/tenant/length', 4, 'nothing'],
  ]
  test.each(failing)('%s does not meet %j', (claim, requirement, saw) => {
    expect(refusal(claimIs(claim, requirement), principal({ claims }))).toEqual({
      code: 'claim_forbidden',
      evidence: { requirement: 'claims', claim, saw },
    })
  })

  test('no value of a claim reaches the evidence', () => {
    const caller = principal({ claims: { email: 'marker-7f3a@example.com', list: ['marker-7f3a'] } })
    for (const reference of ['email', 'list'])
      expect(JSON.stringify(refusal(claimIs(reference, 'x'), caller))).not.toContain('marker')
  })

  test('a requirement that cannot be judged as written is an error when it is made', () => {
    expect(() => claimIs('tenant', 2 ** 53)).toThrow(SyntaxError)
    expect(() => claimIs('tenant', ['a', 2 ** 60])).toThrow('let the claim be a string')
    expect(() => claimIs('tenant', { all: [] })).toThrow(SyntaxError)
    expect(() => claimIs('/a~2', 'x')).toThrow(SyntaxError)
    expect(refusal(claimIs('ratio', 1.5), principal({ claims: { ratio: 1.5 } }))).toBeUndefined()
  })
})

describe('all', () => {
  test('every requirement must hold and the first that does not is the refusal', () => {
    const authorize = all(requireScopes(['a']), requireAnyRole(['r']), claimIs('tenant', 'acme'))
    const claims = { tenant: 'acme' }
    expect(refusal(authorize, principal({ scopes: ['a'], roles: ['r'], claims }))).toBeUndefined()
    expect(refusal(authorize, principal({ roles: [], claims: {} }))?.code).toBe('scope_missing')
    expect(refusal(authorize, principal({ scopes: ['a'], claims }))?.evidence?.requirement).toBe('anyRole')
    expect(refusal(authorize, principal({ scopes: ['a'], roles: ['r'] }))?.evidence?.requirement).toBe('claims')
  })

  test('without requirements every verified caller passes', () => {
    expect(refusal(all(), principal({}))).toBeUndefined()
  })
})
