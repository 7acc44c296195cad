import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { extractCredential } from '../../src/authenticate/extract.ts'
import { Denial } from '../../src/errors.ts'

const MAX_TOKEN_BYTES = 64

function extract(...rawHeaders: string[]) {
  return extractCredential(rawHeaders, { tokenBytes: MAX_TOKEN_BYTES, takesProofs: false })
}

/** The token of one Authorization line, or its refusal. */
function outcome(value: string): string | Denial {
  try {
    return extract('Authorization', value)?.token ?? ''
  } catch (error) {
    if (error instanceof Denial) return error
    throw error
  }
}

function refusal(...rawHeaders: string[]): string {
  try {
    extract(...rawHeaders)
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
  return 'none'
}

describe('RFC 6750 §2.1', () => {
  test.each(['Bearer abc', 'bearer abc', 'BEARER abc', 'bEaReR   abc'])('%j carries the token abc', value => {
    expect(extract('Host', 'a', 'authorization', value)).toEqual({ token: 'abc', scheme: 'Bearer' })
  })

  test('a token may hold every character of token68', () => {
    expect(extract('Authorization', 'Bearer aZ09-._~+/==')).toEqual({ token: 'aZ09-._~+/==', scheme: 'Bearer' })
  })

  test('no Authorization line is no credential', () => {
    expect(extract('Host', 'a', 'Cookie', 'token=abc')).toBeUndefined()
    expect(extract()).toBeUndefined()
  })

  test.each(['Authorization_', 'X-Authorization', 'Proxy-Authorization', 'Authorizatio_', 'authorization '])(
    '%s is not the Authorization header',
    name => {
      expect(extract(name, 'Bearer abc')).toBeUndefined()
    },
  )

  test.each(['', 'Bearer\tabc', 'Bearer\u00a0abc', ' Bearer abc', '"Bearer" abc', ',Bearer abc'])(
    '%j is malformed',
    value => {
      expect(refusal('Authorization', value)).toBe('request_malformed')
    },
  )

  test.each([
    ['Bearer', ''],
    ['Bearer  ', ''],
    ['Bearer a b', 'a b'],
    ['Bearer a, Bearer b', 'a, Bearer b'],
    ['Bearer \tabc ', '\tabc '],
    ['Bearer é', 'é'],
  ])('of %j the authenticator judges %j, whole', (value, token) => {
    expect(extract('Authorization', value)).toEqual({ token, scheme: 'Bearer' })
  })

  test('two Authorization lines are refused, even equal ones, even if one is empty', () => {
    expect(refusal('Authorization', 'Bearer a', 'authorization', 'Bearer a')).toBe('request_malformed')
    expect(refusal('Authorization', '', 'Authorization', 'Bearer a')).toBe('request_malformed')
    expect(refusal('Authorization', 'Basic a', 'Authorization', 'Bearer a')).toBe('request_malformed')
  })

  test.each(['Basic dXNlcjpwYXNz', 'Bearerabc', 'Bearer-abc', 'DPoP abc', 'Negotiate', 'eyJh.eyJz.c2ln'])(
    '%j is a scheme we do not speak',
    value => {
      expect(refusal('Authorization', value)).toBe('scheme_unsupported')
    },
  )

  test('a token over the limit is refused, one at the limit is not', () => {
    expect(extract('Authorization', `Bearer ${'a'.repeat(MAX_TOKEN_BYTES)}`)?.token).toHaveLength(MAX_TOKEN_BYTES)
    expect(refusal('Authorization', `Bearer ${'a'.repeat(MAX_TOKEN_BYTES + 1)}`)).toBe('token_too_large')
    expect(refusal('Authorization', `Bearer ${'a '.repeat(MAX_TOKEN_BYTES)}`)).toBe('request_malformed')
  })

  test('whatever is sent, the token is all that follows the scheme, within the limit, and a refusal repeats none of it', () => {
    const pieces = (...parts: readonly string[]) =>
      fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map(chosen => chosen.join(''))
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      pieces('B', 'earer', ' ', '\t', 'S3cret', '=', ',', '"', 'Bearer '),
      fc
        .tuple(fc.constantFrom('Bearer ', 'bearer  ', 'Bearer'), pieces('S3cret', '.', '-', '/', '~'), pieces('='))
        .map(parts => parts.join('')),
    )
    fc.assert(
      fc.property(value, sent => {
        const found = outcome(sent)
        if (found instanceof Denial) {
          expect(JSON.stringify(found.evidence ?? {})).not.toContain('S3cret')
        } else {
          expect(sent.replace(/^bearer(?: +|$)/i, '')).toBe(found)
          expect(found.length).toBeLessThanOrEqual(MAX_TOKEN_BYTES)
        }
      }),
      { numRuns: 500 },
    )
  })
})
