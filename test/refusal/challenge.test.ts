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
  takesTokens: true,
  login: undefined,
  resourceMetadata: undefined,
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

describe('RFC 9470 §3', () => {
  const stepUp = { realm, acrValues: 'mfa hardware', maxAgeSeconds: 300 }

  test('a login that does not suffice says on one line which would', () => {
    expect(challenge('step_up_required', stepUp)).toBe(
      'Bearer realm="sallyport", error="insufficient_user_authentication", ' +
        'error_description="A stronger or more recent authentication is required", acr_values="mfa hardware", max_age="300"',
    )
  })

  test('what the route does not ask for is left out', () => {
    expect(challenge('step_up_required', { ...stepUp, acrValues: undefined })).not.toContain('acr_values')
    expect(challenge('step_up_required', { ...stepUp, maxAgeSeconds: undefined })).not.toContain('max_age')
  })

  test('no other refusal sends anybody to log in, that of an old token included', () => {
    for (const code of DENIAL_CODES.filter(each => each !== 'step_up_required'))
      expect(challenge(code, stepUp) ?? '').not.toMatch(/acr_values|max_age/)
  })

  test('only the scheme that was used is told, whatever else gets in', () => {
    const route = { ...ROUTE, acrValues: 'mfa', maxAgeSeconds: 300, proofAlgorithms: 'ES256' }
    expect(challenges('step_up_required', { realm, used: 'DPoP', route })).toEqual([
      'Bearer realm="sallyport"',
      'DPoP realm="sallyport", error="insufficient_user_authentication", ' +
        'error_description="A stronger or more recent authentication is required", acr_values="mfa", max_age="300", algs="ES256"',
    ])
  })
})

describe('RFC 9728 §5.1', () => {
  const url = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'

  test('says where the metadata of the resource are, in each challenge that sends somebody for a token', () => {
    expect(challenge('token_missing', { realm, scope: 'a', resourceMetadata: url })).toBe(
      `Bearer realm="sallyport", scope="a", resource_metadata="${url}"`,
    )
    expect(challenge('scope_missing', { realm, scope: 'a', resourceMetadata: url })).toContain(
      `error="insufficient_scope", error_description="The access token lacks a required scope", resource_metadata="${url}"`,
    )
    for (const code of DENIAL_CODES) {
      const value = challenge(code, { realm, resourceMetadata: url })
      expect(value === undefined || value.endsWith(`, resource_metadata="${url}"`)).toBe(true)
    }
  })

  test('names `Bearer` first, since clients of MCP look at no further scheme', () => {
    const route = { ...ROUTE, scope: 'a', proofAlgorithms: 'ES256', resourceMetadata: url }
    for (const used of ['Bearer', 'DPoP', undefined] as const) {
      const [first, second] = challenges('token_missing', { realm, used, route })
      expect(first).toBe(`Bearer realm="sallyport", scope="a", resource_metadata="${url}"`)
      expect(second).toMatch(/^DPoP /)
    }
  })

  test('is the same for each request, since clients take another one for another demand', () => {
    const route = { ...ROUTE, scope: 'a', resourceMetadata: url }
    const all = Array.from({ length: 3 }, () => challenges('scope_missing', { realm, used: 'Bearer', route }))
    expect(new Set(all.map(String)).size).toBe(1)
  })
})

describe('a scope that a call asks for', () => {
  test('stands in place of the route’s, in every scheme', () => {
    const route = { ...ROUTE, scope: 'use', proofAlgorithms: 'ES256' }
    const told = challenges('scope_missing', { realm, used: 'Bearer', route, scope: 'use w' })
    expect(told).toHaveLength(2)
    for (const each of told) expect(each.match(/scope="[^"]*"/g)).toEqual(['scope="use w"'])
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
    expect(problem('token_expired', 'r-1')).toEqual({
      type: 'urn:sallyport:denial:token_expired',
      title: 'The access token expired',
      status: 401,
      code: 'token_expired',
      request_id: 'r-1',
    })
  })
})
