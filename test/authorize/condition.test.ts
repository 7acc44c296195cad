/** What a condition lets through, what it refuses with, and how often it is judged. */
import { describe, expect, test } from 'vitest'
import { requireCondition } from '../../src/authorize/condition.ts'
import { readCondition } from '../../src/condition/condition.ts'
import { parameterReader } from '../../src/route/match.ts'
import { parameterNames } from '../../src/route/pattern.ts'
import type { Authorizer } from '../../src/types.ts'
import { factsOf } from '../support/facts.ts'
import { principal, refusal } from './support.ts'

const NOON = Date.parse('2027-06-01T12:00:00Z')

function conditionOf(text: string, { path = '/t/:tenant/**', name = 'when' } = {}): Authorizer {
  const condition = readCondition(text, { parameters: parameterNames(path) })
  if ('message' in condition) throw new Error(condition.message)
  const paramsOf = parameterReader({ path, methods: undefined })
  return requireCondition({ name, condition, paramsOf, clock: { nowMs: () => NOON } })
}

const evidence = (rest: object) => ({
  code: 'claim_forbidden',
  evidence: { requirement: 'when', condition: 'when', ...rest },
})
const FALSE = evidence({ outcome: 'false' })

describe('require.when', () => {
  test.for([
    { text: 'claims.tenant == params.tenant', path: '/t/acme/x' },
    { text: 'claims.tenant == params.tenant', path: '/t/a%63me/x' },
    { text: '"orders:read" in scopes && provider == "main"', path: '/t/x/x' },
    { text: 'request.method == "GET" && request.path.startsWith("/t/")', path: '/t/x/x' },
    { text: 'now.getHours("Europe/Berlin") == 14 && now < timestamp("2028-01-01T00:00:00Z")', path: '/t/x/x' },
    { text: 'request.headers["x-tenant"] == claims.tenant', path: '/t/x/x' },
    { text: '!("x-absent" in request.headers)', path: '/t/x/x' },
  ])('lets a caller pass for whom it is true: $text', ({ text, path }) => {
    const facts = factsOf({ rawHeaders: ['Host', 'a.example', 'X-Tenant', 'acme'] })
    const caller = principal({ claims: { tenant: 'acme' }, scopes: ['orders:read'] })
    expect(refusal(conditionOf(text), caller, { facts, path })).toBeUndefined()
  })

  test('refuses when it is false, and says which condition it was, but no value', () => {
    const caller = principal({ claims: { tenant: 'globex' } })
    expect(refusal(conditionOf('claims.tenant == params.tenant'), caller, { path: '/t/acme/x' })).toEqual(FALSE)
  })

  test.for([
    ['claims.level >= 3', 'no_such_key', 'claims.level'],
    ['!(claims.banned == true)', 'no_such_key', 'claims.banned'],
    ['claims.tenant > 3', 'no_such_overload', 'claims.tenant > 3'],
    ['claims.tenant.name == "x"', 'no_such_key', 'claims.tenant.name'],
    ['claims["a b"].c == 1', 'no_such_key', 'claims["a b"]'],
    ['request.headers["x-absent"] == ""', 'no_such_key', 'request.headers["x-absent"]'],
    ['claims.tenant == "acme" && claims.admin', 'no_such_key', 'claims.admin'],
  ])('refuses what cannot be evaluated, and names the part: %s', ([text = '', error, key]) => {
    const caller = principal({ claims: { tenant: 'acme' } })
    expect(refusal(conditionOf(text), caller, { path: '/t/acme/x' })).toEqual(
      evidence({ outcome: 'error', error, key }),
    )
  })

  test('refuses a header that came in two lines, in whatever spelling, if it is read', () => {
    const facts = factsOf({ rawHeaders: ['Host', 'a.example', 'X-Tenant', 'acme', 'x-tenant', 'acme'] })
    const key = 'request.headers["x-tenant"]'
    const asks = conditionOf(`${key} == "acme"`)
    expect(refusal(asks, principal({}), { facts })).toEqual(
      evidence({ outcome: 'error', error: 'repeated_header', key }),
    )
    expect(refusal(conditionOf('request.method == "GET"'), principal({}), { facts })).toBeUndefined()
  })

  test.for([
    ['another spelling beside it', 'respelled_header', ['X-Tenant', 'acme', 'X_Tenant', 'globex']],
    ['another spelling alone', 'respelled_header', ['x.tenant', 'acme']],
    ['a name that ends at this hop', 'hop_by_hop_header', ['X-Tenant', 'acme', 'Connection', 'close, X-Tenant']],
  ] as const)('refuses a header that the service may read otherwise: %s', ([, error, lines]) => {
    const facts = factsOf({ rawHeaders: ['Host', 'a.example', ...lines] })
    const key = 'request.headers["x-tenant"]'
    for (const text of [`${key} == "acme"`, '!("x-tenant" in request.headers)'])
      expect(refusal(conditionOf(text), principal({}), { facts })).toEqual(evidence({ outcome: 'error', error, key }))
    expect(refusal(conditionOf('request.headers["host"] == "a.example"'), principal({}), { facts })).toBeUndefined()
  })

  test('reads a header that belongs to the connection', () => {
    const facts = factsOf({ rawHeaders: ['Host', 'a.example', 'Connection', 'Upgrade', 'Upgrade', 'websocket'] })
    const asks = conditionOf('request.headers["upgrade"] == "websocket"')
    expect(refusal(asks, principal({}), { facts })).toBeUndefined()
  })

  test('is judged once per principal when it reads nothing else, and with every request otherwise', () => {
    const claims: Record<string, string> = { tenant: 'acme' }
    const caller = principal({ claims })
    const ofCaller = conditionOf('claims.tenant == "acme"')
    const ofRequest = conditionOf('claims.tenant == params.tenant')
    expect(refusal(ofCaller, caller)).toBeUndefined()
    expect(refusal(ofRequest, caller, { path: '/t/acme/x' })).toBeUndefined()
    claims.tenant = 'globex'
    // The claims of a principal never change; here they show what is remembered.
    expect(refusal(ofCaller, caller)).toBeUndefined()
    expect(refusal(ofRequest, caller, { path: '/t/acme/x' })).toEqual(FALSE)
  })

  test('remembers a refusal, too', () => {
    const caller = principal({ claims: {} })
    const asks = conditionOf('claims.tenant == "acme"')
    const first = refusal(asks, caller)
    expect(first?.evidence).toMatchObject({ error: 'no_such_key' })
    expect(refusal(asks, caller)).toEqual(first)
  })

  test('knows no member that a claim set does not have itself', () => {
    const caller = principal({ claims: {} })
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(refusal(conditionOf(`has(claims.${name})`), caller)).toEqual(FALSE)
    }
  })
})
