/** Tests that a change of what a route asks is told with a caller who gets in now and did not before. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { type PolicyChange, policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { presented, presentedWithProof } from '../../../src/tools/engine/presented.ts'
import { standIn } from '../../../src/tools/engine/stand-in.ts'
import { trial, trialRequest } from '../../../src/tools/engine/trial.ts'
import type { Claims } from '../../../src/types.ts'
import { withJwt } from '../../support/jwt-provider.ts'
import { configOf, HEAD, silentServices } from '../support.ts'
import { compared } from './support.ts'

const route = (rest: string): Config => configOf(`{ id: a, path: /a, ${rest} }`)

function changesOf(before: Config, after: Config): readonly Pick<PolicyChange, 'kind' | 'witness'>[] {
  return policyDiff(compared(before), compared(after)).map(({ kind, witness }) => ({ kind, witness }))
}

describe('a change names claims that pass now and did not before', () => {
  const claims = (given: Claims) => ({ provider: 'main', claims: given })

  test.each([
    ['require: { scopes: [x] }', 'require: { scopes: [y] }', 'changed', claims({ scope: 'y' })],
    ['require: { scopes: [x, y] }', 'require: { anyScope: [x, y] }', 'loosened', claims({ scope: 'y' })],
    ['require: { roles: [x] }', 'require: { scopes: [x] }', 'changed', claims({ scope: 'x' })],
    ['require: { anyRole: [x, y], scopes: [s] }', 'require: { anyRole: [z] }', 'changed', claims({ roles: 'z' })],
    ['require: { claims: { t: 1 } }', 'require: { claims: { t: "1" } }', 'changed', claims({ t: '1' })],
    [
      'require: { claims: { t: 1 } }',
      'require: { claims: { t: { exists: true } } }',
      'loosened',
      claims({ t: 'any value' }),
    ],
    ['require: { claims: { t: 1 } }', 'require: { claims: { t: { all: [2, 3] } } }', 'changed', claims({ t: [2, 3] })],
    ['require: { claims: { /a: { exists: true } } }', 'require: { claims: { /a/b: 1 } }', 'tightened', undefined],
    ['require: { claims: { /a/b: 1 } }', 'require: { claims: { /a/c: 1 } }', 'changed', claims({ a: { c: 1 } })],
    ['audiences: [urn:a]', 'audiences: [urn:b]', 'changed', claims({ aud: 'urn:b' })],
    ['access: required', 'access: optional, require: { scopes: [x] }', 'changed', 'a request without a token'],
    ['require: { scopes: [x] }', 'mode: report, require: { scopes: [x, y] }', 'loosened', 'a request without a token'],
    ['access: optional', 'access: public', 'loosened', 'a request with a token that is not accepted'],
    ['mode: report', 'access: public', 'loosened', 'a request that is refused in report mode, too'],
    ['mode: report', 'mode: report, require: { scopes: [x] }', undefined, undefined],
  ])('%s → %s', (before, after, kind, witness) => {
    expect(changesOf(route(before), route(after))).toEqual(kind === undefined ? [] : [{ kind, witness }])
  })

  test('of a provider that the route did not accept', () => {
    const both = (routes: string): Config =>
      loadConfig({
        text: `${HEAD.replace('upstreams:', '  other: { type: jwt, issuer: https://o.example.com/, audiences: [o] }\nupstreams:')}routes:\n  - ${routes}\n`,
        file: '/etc/sallyport.yaml',
        env: {},
      })
    const before = both('{ id: a, path: /a, providers: [main], require: { scopes: [x] } }')
    const after = both('{ id: a, path: /a, providers: [other], require: { scopes: [x, y] } }')
    expect(changesOf(before, after)).toEqual([
      { kind: 'changed', witness: { provider: 'other', claims: { scope: ['x', 'y'] } } },
    ])
  })

  test('in the claims from which the provider takes scopes and roles', () => {
    const elsewhere = (rest: string): Config =>
      loadConfig({
        text: `${HEAD.replace('type: jwt,', 'type: jwt, scopeClaim: scp, rolesClaim: /realm/roles,')}routes:\n  - { id: a, path: /a, ${rest} }\n`,
        file: '/etc/sallyport.yaml',
        env: {},
      })
    expect(
      changesOf(
        elsewhere('require: { roles: [x], scopes: [s] }'),
        elsewhere('require: { roles: [y, z], scopes: [t] }'),
      ),
    ).toMatchObject([{ kind: 'changed', witness: { claims: { scp: 't', realm: { roles: ['y', 'z'] } } } }])
  })
})

const VALUES = fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 3 })
const CLAIM = fc.oneof(VALUES, fc.record({ all: VALUES }), fc.constant({ exists: true }))
const REQUIRE = fc.record(
  {
    scopes: VALUES,
    anyScope: VALUES,
    roles: VALUES,
    anyRole: VALUES,
    proof: fc.constant('dpop'),
    claims: fc.record({ t: CLAIM, '/u/v': CLAIM }, { requiredKeys: [] }),
    acr: VALUES,
  },
  { requiredKeys: [] },
)
const ORDER = fc.constantFrom(undefined, ['x', 'y', 'z'], ['z', 'x', 'y'])
const CLAIMS = fc.record(
  {
    scope: VALUES.map(scopes => scopes.join(' ')),
    roles: VALUES,
    t: fc.oneof(VALUES, fc.constantFrom('x', 'y', 'other')),
    u: fc.record({ v: fc.oneof(VALUES, fc.constantFrom('x', 'other')) }),
    acr: fc.constantFrom('x', 'y', 'z', 'other'),
    cnf: fc.constant({ jkt: 'any value' }),
  },
  { requiredKeys: [] },
)

test('a witness passes the new policy and not the old one, and without one nobody does', async () => {
  const asking = (require: object, acrOrder: readonly string[] | undefined): Config => {
    const asked = Object.values(require).some(line => Object.keys(line).length > 0)
    const line = asked ? `require: ${JSON.stringify(require)}` : 'access: required'
    const config = loadConfig({
      text: `${HEAD}routes: [{ id: a, path: /a, ${line} }]\ndpop: { baseUrls: [https://api.example.com] }\n`,
      file: '/etc/sallyport.yaml',
      env: {},
    })
    return withJwt(config, { acrOrder })
  }
  await fc.assert(
    fc.asyncProperty(
      REQUIRE,
      REQUIRE,
      ORDER,
      fc.array(CLAIMS, { maxLength: 4 }),
      async (before, after, order, callers) => {
        const [old, next] = [asking(before, order), asking(after, order)]
        const isLetIn = async (config: Config, claims: Claims): Promise<boolean> => {
          const { policy, token, prover } = standIn(config, silentServices())
          const isBound = claims.cnf !== undefined
          const cnf = isBound ? { cnf: { jkt: await prover.jkt() } } : {}
          const signed = await token({ ...claims, ...cnf }, config.routes[0])
          const plain = trialRequest('GET', '/a', [])
          const facts = isBound
            ? presentedWithProof(plain, signed.token, ['authorization'], await prover.proof(plain, signed.token))
            : presented(plain, signed.token, ['authorization'])
          return (await trial(policy, facts)).denial === undefined
        }
        const [change] = changesOf(old, next)
        if (typeof change?.witness === 'object') {
          const claims = change.witness.claims as Claims
          expect(await isLetIn(next, claims)).toBe(true)
          expect(await isLetIn(old, claims)).toBe(false)
        } else
          for (const claims of callers) if (await isLetIn(next, claims)) expect(await isLetIn(old, claims)).toBe(true)
      },
    ),
    { numRuns: 150 },
  )
}, 60_000)

test('what a route lets through of odd paths is not made up for by what it asks of callers', () => {
  const before = route('access: required')
  const after = route('require: { scopes: [x] }, pathAllow: [semicolon]')
  // A route of literals has nothing that the option could let through, so the path here ends with a subtree.
  const below = (config: Config): Config => ({
    ...config,
    routes: config.routes.map(each => ({ ...each, path: '/a/**' })),
  })
  expect(changesOf(below(before), below(after)).map(({ kind }) => kind)).toEqual(['loosened', 'tightened'])
})
