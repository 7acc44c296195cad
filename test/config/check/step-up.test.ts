/** Tests what a file may ask of a login and of the age of a token, and what a refused caller is told of it. */
import { describe, expect, test } from 'vitest'
import { compilePolicy } from '../../../src/config/compile.ts'
import { policyParts } from '../../support/policy-parts.ts'
import { load, problemsOf, SMALL } from '../support.ts'

const OTHER = '  other: { type: jwt, issuer: https://other.example.com/, audiences: [a] }'

/** @param rest of the route `all` @param acrOrder of the provider `main` */
function written(rest: string, acrOrder = ''): string {
  return SMALL.replace('audiences: [https', `${acrOrder}audiences: [https`)
    .replace('upstreams:', `${OTHER}\nupstreams:`)
    .replace('/** }', `/**, ${rest} }`)
}
const ORDER = 'acrOrder: [low, mfa, hardware], '

function problems(rest: string, acrOrder?: string): readonly string[] {
  return problemsOf(written(rest, acrOrder)).map(line => line.replace(/^\d+:\d+ /, ''))
}

function challenge(rest: string) {
  const [route] = compilePolicy(load(written(rest)), '', policyParts({ verifiers: VERIFIERS })).routes
  return route?.challenge
}
const verifier = {
  verify: () => {
    throw new Error('nobody asks')
  },
}
const VERIFIERS = new Map(['main', 'other'].map(id => [id, verifier as never]))

test.each<[string, object]>([
  ['require: { acr: [mfa] }', { acr: ['mfa'] }],
  ['require: { acr: ["urn:mace:incommon:iap:silver", "2"] }', { acr: ['urn:mace:incommon:iap:silver', '2'] }],
  ['require: { authAge: 5m }', { authAge: 300_000 }],
  ['require: { tokenAge: 1s, authAge: 720h }', { tokenAge: 1000, authAge: 2_592_000_000 }],
])('%s is read', (rest, require) => {
  expect(load(written(rest)).routes[0]?.require).toEqual(require)
})

test.each([
  ['require: { acr: [] }', 'routes[0].require.acr: must not be empty; list at least one, or leave the key out'],
  ['require: { acr: mfa }', 'routes[0].require.acr: must be a list, not text; put it in `[ ]`'],
  ['require: { acr: [mfa, mfa] }', 'routes[0].require.acr: names a value twice; keep one of them'],
  ['require: { authAge: 999ms }', 'routes[0].require.authAge: must be at least `1s`'],
  ['require: { tokenAge: 0s }', 'routes[0].require.tokenAge: must be at least `1s`'],
])('%s is refused', (rest, problem) => {
  expect(problems(rest)).toEqual([problem])
})

test.each(['mfa hardware', 'm"fa', 'm\\\\fa', 'mfä', ''])(
  '%j is no value of acr: the challenge could not hold it',
  value => {
    const problem = 'is no value of `acr`; write printable ASCII without blanks, `"` and `\\` (list several one by one)'
    const quoted = `"${value.replaceAll('"', '\\"')}"`
    expect(problems(`require: { acr: [${quoted}] }`)).toEqual([`routes[0].require.acr[0]: ${problem}`])
    expect(problems('access: required', `acrOrder: [${quoted}], `)).toEqual([`providers.main.acrOrder[0]: ${problem}`])
  },
)

describe('an acr that the acrOrder of a provider lacks', () => {
  const lacks = (index: number) =>
    `routes[0].require.acr[${index}]: is not in \`acrOrder\` of provider \`main\`, which has low, mfa, hardware.`

  test('is refused on every route that takes its tokens', () => {
    expect(problems('require: { acr: [mfa, phishing] }', ORDER)).toEqual([lacks(1)])
    expect(problems('require: { acr: [phishing] }, providers: [other, main]', ORDER)).toEqual([lacks(0)])
    expect(problems('require: { acr: [mfb] }', ORDER)).toEqual([`${lacks(0)} Did you mean "mfa"?`])
  })

  test('is no problem on a route that takes none of them, nor without an order', () => {
    expect(load(written('require: { acr: [phishing] }, providers: [other]', ORDER)).routes).toHaveLength(1)
    expect(load(written('require: { acr: [phishing] }')).routes).toHaveLength(1)
  })
})

describe('the challenge of a route (RFC 9470 §3)', () => {
  test('has the values that the route lists, and the age in whole seconds', () => {
    expect(challenge('require: { acr: [hardware, mfa], authAge: 5m }')).toMatchObject({
      acrValues: 'hardware mfa',
      maxAgeSeconds: 300,
    })
    expect(challenge('require: { authAge: 1999ms }')).toMatchObject({ acrValues: undefined, maxAgeSeconds: 1 })
  })

  test('says nothing of the age of a token, which no login mends', () => {
    expect(challenge('require: { tokenAge: 5m }')).toMatchObject({ acrValues: undefined, maxAgeSeconds: undefined })
  })
})
