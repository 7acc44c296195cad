/** Tests what `policyDiff` finds in providers that ask a server about tokens, and in the keys for encrypted tokens. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { changes, compared } from './support.ts'

const ASKING = 'type: introspection, issuer: https://auth.example.com/, audiences: [a]'
const CLIENT = 'client: { auth: basic, id: orders, secretFile: s }'
const JWT = 'type: jwt, issuer: https://auth.example.com/, audiences: [a]'

function configOf(provider: string): Config {
  const text = `listen: 127.0.0.1:8080
providers:
  main: { ${provider} }
upstreams:
  app: http://127.0.0.1:3000
routes:
  - { id: a, path: /a }
`
  return loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
}

const asking = (rest = '', client = CLIENT): Config => configOf(`${ASKING}, ${client}${rest && `, ${rest}`}`)

describe('what makes a provider that asks accept other tokens', () => {
  test.each([
    ['', 'cache: { ttl: 1m }', 'loosened provider main: cache.ttl: 30s → 1m'],
    ['', 'cache: { ttl: 0s }', 'tightened provider main: cache.ttl: 30s → 0s'],
    ['', 'cache: { maxStale: 1m }', 'loosened provider main: cache.maxStale: 0s → 1m'],
    ['', 'cache: { inactiveTtl: 1m }', 'changed provider main: cache.inactiveTtl is another'],
    ['', 'cache: { refreshAhead: false }', 'changed provider main: cache.refreshAhead is another'],
    ['', 'audienceCheckedByServer: true', 'loosened provider main: audienceCheckedByServer: false → true'],
    ['', 'response: jwt', 'tightened provider main: response: json → jwt'],
    ['response: jwt', '', 'loosened provider main: response: jwt → json'],
    ['', 'tokens: { prefixes: [a_] }', 'tightened provider main: tokens.prefixes: only a_'],
    ['tokens: { prefixes: [a_] }', '', 'loosened provider main: tokens.prefixes: any, not only a_'],
    ['tokens: { prefixes: [a_] }', 'tokens: { prefixes: [a_, b_] }', 'loosened provider main: tokens.prefixes: or b_'],
    [
      'tokens: { prefixes: [a_, b_] }',
      'tokens: { prefixes: [a_] }',
      'tightened provider main: tokens.prefixes: not b_ any more',
    ],
    ['', 'tokens: { jwts: false }', 'tightened provider main: tokens.jwts: true → false'],
    ['', 'tokens: { minBytes: 8 }', 'changed provider main: tokens.minBytes is another'],
    ['', 'audiences: [a, b]', 'loosened provider main: audiences: or b'],
    ['', 'endpoint: https://auth.example.com/i', 'changed provider main: endpoint is another'],
    ['', 'timeout: 1s', 'changed provider main: timeout is another'],
    ['', 'clockTolerance: 1m', 'loosened provider main: clockTolerance: 5s → 1m'],
    ['', 'requiredClaims: [sub]', 'tightened provider main: requiredClaims: also sub'],
    ['', 'allowInsecureHttp: true', 'loosened provider main: allowInsecureHttp: false → true'],
    [
      'response: jwt',
      'response: jwt, keys: { jwksUri: https://auth.example.com/jwks }',
      'changed provider main: keys.jwksUri is another',
    ],
    [
      'response: jwt',
      'response: jwt, decryption: { keyFiles: [a], required: true }',
      'changed provider main: decryption.keyFiles: or /etc/a;',
    ],
  ])('"%s" → "%s"', (before, after, change) => {
    // A key that is there twice would be an error.
    const configured = (rest: string) => (rest.includes('audiences:') ? withAudiences(rest) : asking(rest))
    expect(changes(configured(before), configured(after)).join()).toContain(change)
  })

  const withAudiences = (rest: string): Config =>
    configOf(`type: introspection, issuer: https://auth.example.com/, ${CLIENT}, ${rest}`)

  test('another client is told with its witness, and no secret', () => {
    const bearer = asking('', 'client: { auth: bearer, tokenFile: t }')
    expect(policyDiff(compared(asking()), compared(bearer))).toMatchObject([
      { kind: 'changed', details: ['client is another'], witness: expect.stringContaining('what fits client') },
    ])
  })

  test('verifying in place of asking is told as what it is, either way', () => {
    const [jwt, opaque] = [configOf(JWT), asking()]
    expect(changes(jwt, opaque)).toEqual(['changed provider main: type: jwt → introspection'])
    expect(changes(opaque, jwt)).toEqual(['changed provider main: type: introspection → jwt'])
    expect(policyDiff(compared(jwt), compared(opaque))[0]?.witness).toBe(
      'tokens of which the server says that they are active, opaque ones, too',
    )
    expect(policyDiff(compared(opaque), compared(jwt))[0]?.witness).toBe(
      'JWTs that its keys verify, also those that the server calls inactive',
    )
  })

  test('JWTs that are asked about again, and not left to another provider, are let in by more', () => {
    const left = asking('tokens: { jwts: false }')
    expect(changes(left, asking())).toEqual(['loosened provider main: tokens.jwts: false → true'])
  })
})

describe('the keys for encrypted tokens', () => {
  const opening = (decryption: string): Config => configOf(`${JWT}, decryption: { ${decryption} }`)

  test.each([
    ['keyFiles: [a]', 'keyFiles: [b, a]', 'loosened provider main: decryption.keyFiles: or /etc/b'],
    ['keyFiles: [a, b]', 'keyFiles: [a]', 'tightened provider main: decryption.keyFiles: not /etc/b any more'],
    [
      'keyFiles: [a]',
      'keyFiles: [a], algorithms: [ECDH-ES]',
      'tightened provider main: decryption.algorithms: not ECDH-ES+A256KW any more',
    ],
    [
      'keyFiles: [a]',
      'keyFiles: [a], encryptions: [A256GCM]',
      'tightened provider main: decryption.encryptions: not A128GCM any more',
    ],
    ['keyFiles: [a], required: true', 'keyFiles: [a]', 'loosened provider main: decryption.required: true → false'],
    ['keyFiles: [a]', 'keyFiles: [a], required: true', 'tightened provider main: decryption.required: false → true'],
  ])('%s → %s', (before, after, change) => {
    expect(changes(opening(before), opening(after)).join()).toContain(change)
  })

  test('open more where there were none, and less where there are none any more', () => {
    const [plain, some] = [configOf(JWT), opening('keyFiles: [a]')]
    expect(changes(plain, some).join()).toMatch(/^loosened provider main: decryption.keyFiles: or /)
    expect(changes(some, plain).join()).toMatch(/^tightened provider main: decryption.keyFiles: not /)
  })
})
