/** What a policy does with the running parts that it is given. */
import { beforeAll, expect, test } from 'vitest'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { compilePolicy } from '../../src/config/compile.ts'
import type { Policy, Route } from '../../src/policy.ts'
import type { RequestFacts } from '../../src/types.ts'
import { type Signer, signer, TestKeySet, token, verifierOptions } from '../authenticate/support.ts'
import { factsOf } from '../support/facts.ts'
import { type PolicyParts, policyParts } from '../support/policy-parts.ts'
import { load, SMALL } from './support.ts'

const FACTS = factsOf()

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

function compiled(parts: Partial<PolicyParts> = {}): Policy {
  const verifiers = new Map([['main', jwtVerifier(verifierOptions(new TestKeySet(by.key)))]])
  return compilePolicy(load(SMALL), 'abc', policyParts({ verifiers, ...parts }))
}

function onlyRoute({ routes: [route] }: Policy): Route {
  if (route === undefined) throw new Error('no route')
  return route
}

test('a provider says how its verifier is doing', () => {
  const [provider] = compiled().providers
  expect(provider).toMatchObject({ id: 'main', issuer: 'https://auth.example.com/' })
  expect(provider?.health()).toMatchObject({ usable: true, lastError: undefined })
})

test('layers lie around the token cache of every route that looks at tokens', async () => {
  const seen: RequestFacts[] = []
  const policy = compiled({
    layers: () => [
      inner => (credential, facts, notes) => {
        seen.push(facts)
        return inner(credential, facts, notes)
      },
      undefined,
    ],
  })
  const { authenticate } = onlyRoute(policy)
  const credential = { token: token(by), scheme: 'Bearer' } as const
  const notes = { path: '/', responseLines: [], isPrivate: false }
  const principal = await authenticate(credential, FACTS, notes)
  expect(authenticate(credential, { ...FACTS, target: '/again' }, notes)).toBe(principal)
  expect(seen.map(({ target }) => target)).toEqual(['/', '/again'])
})

test('a gateway that only reports makes every route do so', () => {
  expect(onlyRoute(compiled()).mode).toBe('enforce')
  expect(onlyRoute(compiled({ mode: 'report' })).mode).toBe('report')
})

test('a name without its part is a bug', () => {
  expect(() => compiled({ verifiers: new Map() })).toThrow('nothing is called main')
  expect(() => compiled({ upstreams: new Map() })).toThrow('nothing is called')
})
