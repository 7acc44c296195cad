/** Tests what a provider may say about whose tokens it takes, and the words for what it may not. */

import { describe, expect, test } from 'vitest'
import { jwtOf } from '../../support/jwt-provider.ts'
import { load, problemsOf, SMALL } from '../support.ts'

const KEYS = 'keys: { jwksUri: https://login.example/keys }'

function withProvider(issuer: string, ...members: readonly string[]): string {
  const provider = [`type: jwt, issuer: "${issuer}", audiences: [a]`, ...members].join(', ')
  return SMALL.replace(/main: .*/, `main: { ${provider} }`)
}

/** @returns the problems without their place in the file */
function problems(issuer: string, ...members: readonly string[]): readonly string[] {
  return problemsOf(withProvider(issuer, ...members)).map(line => line.replace(/^\d+:\d+ providers\.main\./, ''))
}

const TEMPLATE = 'https://login.example/{tid}/v2.0'

describe('an issuer that stands for many', () => {
  test.each(['tenants: any', 'tenants: { tid: any }', 'tenants: { tid: [6f1c, "9"] }'])('is read with %s', tenants => {
    expect(jwtOf(load(withProvider(TEMPLATE, tenants, KEYS))).issuer).toBe(TEMPLATE)
  })

  test.each<readonly [string, readonly string[], readonly string[]]>([
    [
      TEMPLATE,
      [KEYS],
      ['issuer: stands for many issuers by {tid}; list those that are meant: `tenants: { tid: [...] }`'],
    ],
    [
      TEMPLATE,
      ['tenants: any'],
      ['issuer: stands for many issuers by {tid}, so that no keys can be discovered; give `keys.jwksUri`'],
    ],
    [
      TEMPLATE,
      ['tenants: { tenant: [a] }', KEYS],
      [
        'tenants: lacks `tid`, which `issuer` names; list its values, or `any`',
        'tenants.tenant: is not in `issuer`, which has {tid}',
      ],
    ],
    [
      TEMPLATE,
      ['tenants: { tid: [] }', KEYS],
      ['tenants.tid: must not be empty; list at least one, or leave the key out'],
    ],
    [
      TEMPLATE,
      ['tenants: { tid: [a/b] }', KEYS],
      ['tenants.tid[0]: is no tenant; use up to 64 letters, digits, `.`, `_` or `-`'],
    ],
    [
      TEMPLATE,
      ['tenants: any', KEYS, 'issuerAliases: [b]'],
      ['issuerAliases[0]: has no place beside an `issuer` with `{name}` in it; make it a provider of its own'],
    ],
    ['https://x/{}', ['tenants: any', KEYS], ['issuer: has `{}` in it, which names no claim']],
    ['https://x/{a}{b}{c}{d}{e}', ['tenants: any', KEYS], ['issuer: has more than 4 `{name}` in it']],
    [
      'https://x/*',
      [],
      ['issuer: is compared byte for byte, so that `*` stands for nothing; write `{name}` for the claim `name`'],
    ],
    [
      'https://login.microsoftonline.com/common/v2.0',
      [],
      [
        'issuer: is the issuer of no token, because tokens name their tenant and not `common`; write `https://login.microsoftonline.com/{tid}/v2.0` with `tenants` and `keys.jwksUri`',
      ],
    ],
    [
      'https://login.microsoftonline.com/{tenantid}/v2.0',
      [],
      ['issuer: names no claim by `{tenantid}`: the tenant is in `tid`; write `{tid}`'],
    ],
    ['https://x/', ['tenants: any'], ['tenants: has no effect, because `issuer` has no `{name}` in it; leave it out']],
    ['https://x/', ['issuerAliases: [https://x/]'], ['issuerAliases[0]: is listed already']],
    [
      'https://x/',
      ['issuerAliases: ["{tid}.x"]'],
      ['issuerAliases[0]: is compared byte for byte; write one spelling of `iss`'],
    ],
    [
      'https://x/',
      ['ignoredHeaders: [crit]'],
      ['ignoredHeaders[0]: must be one of jku, x5u, x5c, jwk; no other one may be ignored'],
    ],
  ])('%s with %j is told with its remedy', (issuer, members, expected) => {
    expect(problems(issuer, ...members)).toEqual(expected)
  })
})

describe('two providers on one route', () => {
  const two = (one: string, other: string) =>
    problemsOf(
      SMALL.replace(
        /main: .*/,
        [`main: { type: jwt, audiences: [a], ${one} }`, `  other: { type: jwt, audiences: [b], ${other} }`].join('\n'),
      ),
    )
  const TID = `issuer: "${TEMPLATE}", ${KEYS}`
  const SAME = expect.stringContaining('whose issuer is the same')

  test('may not share a spelling of their issuer', () => {
    expect(two('issuer: https://a/, issuerAliases: [a]', 'issuer: https://b/, issuerAliases: [a]')).toEqual([SAME])
  })

  test('may not share a tenant', () => {
    expect(two(`${TID}, tenants: { tid: [a, b] }`, `${TID}, tenants: { tid: [b] }`)).toEqual([SAME])
    expect(two(`${TID}, tenants: any`, `${TID}, tenants: { tid: [b] }`)).toEqual([SAME])
    const otherName = TID.replace('{tid}', '{tenant}')
    expect(two(`${TID}, tenants: { tid: [a] }`, `${otherName}, tenants: { tenant: [b] }`)).toEqual([SAME])
  })

  test.each([
    [`${TID}, tenants: { tid: [a] }`, `${TID}, tenants: { tid: [b] }`],
    [`${TID}, tenants: any`, `issuer: https://login.example/a/v2.0, ${KEYS}`],
  ])('may be told apart by their tenants, or by one that is named', (one, other) => {
    expect(
      load(
        SMALL.replace(
          /main: .*/,
          [`main: { type: jwt, audiences: [a], ${one} }`, `  other: { type: jwt, audiences: [b], ${other} }`].join(
            '\n',
          ),
        ),
      ).routes,
    ).toHaveLength(1)
  })
})
