import { describe, expect, test } from 'vitest'
import { DENIAL_CODES, DENIALS, type DenialCode, type DenialSpec } from '../../src/errors.ts'
import type { RouteChallenge } from '../../src/policy.ts'
import { challenges, problem } from '../../src/refusal/challenge.ts'
import type { AuthScheme } from '../../src/types.ts'

const realm = 'sallyport'

const ROUTE: RouteChallenge = {
  scope: undefined,
  acrValues: undefined,
  maxAgeSeconds: undefined,
  proofAlgorithms: undefined,
  takesBearer: true,
}

interface Asked extends Partial<RouteChallenge> {
  readonly realm: string
  readonly used?: AuthScheme
}

function challenge(code: DenialCode, { realm: name, used, ...route }: Asked): string | undefined {
  return challenges(code, { realm: name, used, route: { ...ROUTE, ...route } })[0]
}

describe('RFC 6750 §3.1', () => {
  test('a request without credentials is challenged without an error code', () => {
    expect(challenge('token_missing', { realm, scope: 'orders:read' })).toBe(
      'Bearer realm="sallyport", scope="orders:read"',
    )
    expect(challenge('scheme_unsupported', { realm })).toBe('Bearer realm="sallyport"')
  })

  test('a rejected token is named as invalid', () => {
    expect(challenge('token_expired', { realm })).toBe(
      'Bearer realm="sallyport", error="invalid_token", error_description="The access token expired"',
    )
  })

  test('a missing scope says which scope is asked for', () => {
    expect(challenge('scope_missing', { realm, scope: 'orders:read orders:write' })).toBe(
      'Bearer realm="sallyport", scope="orders:read orders:write", error="insufficient_scope", ' +
        'error_description="The access token lacks a required scope"',
    )
  })

  test.each(DENIAL_CODES)('%s is challenged if it is a 401 or names an error, and only then', code => {
    const spec: DenialSpec = DENIALS[code]
    const value = challenge(code, { realm, scope: '' })
    expect(value !== undefined).toBe(spec.status === 401 || spec.error !== undefined)
    expect(value?.includes('error=') ?? false).toBe(spec.error !== undefined)
    expect(value ?? '').not.toContain('scope=')
  })

  test('our own outage is never a challenge', () => {
    for (const code of DENIAL_CODES.filter(each => DENIALS[each].status >= 500)) {
      expect(challenge(code, { realm, scope: 'a' })).toBeUndefined()
    }
  })
})

describe('RFC 9110 §5.6.4', () => {
  test('quotes and backslashes are escaped', () => {
    expect(challenge('token_missing', { realm: 'a"b\\c' })).toBe('Bearer realm="a\\"b\\\\c"')
  })

  test('what no header may carry never gets into one', () => {
    expect(challenge('token_missing', { realm: 'a\r\nX-Evil: 1', scope: 'é€' })).toBe(
      'Bearer realm="a??X-Evil: 1", scope="??"',
    )
  })
})

describe('RFC 9457', () => {
  test('the body says what happened and nothing about why', () => {
    expect(JSON.parse(problem('token_expired', 'r-1'))).toEqual({
      type: 'urn:sallyport:denial:token_expired',
      title: 'The access token expired',
      status: 401,
      code: 'token_expired',
      request_id: 'r-1',
    })
  })
})
