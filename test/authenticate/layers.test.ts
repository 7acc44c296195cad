import { beforeAll, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { withLayers } from '../../src/authenticate/layers.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import { Denial } from '../../src/errors.ts'
import type { Authenticator, AuthenticatorLayer, RequestFacts, RequestNotes } from '../../src/types.ts'
import { refusalCode, type Signer, signer, TestKeySet, token, verifierOptions } from './support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

const facts = (target: string): RequestFacts => ({
  method: 'GET',
  target,
  httpVersion: '1.1',
  rawHeaders: [],
  peer: { address: '127.0.0.1', protocol: 'http' },
  hasBody: undefined,
  headBytes: 0,
})

const NOTES: RequestNotes = { path: '/', responseLines: [], isPrivate: false }

/** Notes what it sees before it asks what it is wrapped around. */
const noting =
  (name: string, seen: string[]): AuthenticatorLayer =>
  inner =>
  (credential, request, notes) => {
    seen.push(`${name} ${request.target}`)
    return inner(credential, request, notes)
  }

function base(results: string[] = []): Authenticator {
  const cache = tokenCache({ entries: 10, onResult: (_provider, result) => results.push(result) })
  return issuerAuthenticator([jwtVerifier(verifierOptions(new TestKeySet(by.key)))], { cache })
}

test('a feature that is off leaves the authenticator as it is', () => {
  const authenticator = base()
  expect(withLayers(authenticator)).toBe(authenticator)
  expect(withLayers(authenticator, undefined, undefined)).toBe(authenticator)
})

test('the last layer is the outermost', async () => {
  const seen: string[] = []
  const authenticate = withLayers(base(), noting('inner', seen), undefined, noting('outer', seen))
  await authenticate({ token: token(by), scheme: 'Bearer' }, facts('/a'), NOTES)
  expect(seen).toEqual(['outer /a', 'inner /a'])
})

test('a layer sees every request, also those of a remembered token, and answers at once when it can', () => {
  const [seen, results]: [string[], string[]] = [[], []]
  const authenticate = withLayers(base(results), noting('layer', seen))
  const text = token(by)
  const first = authenticate({ token: text, scheme: 'Bearer' }, facts('/a'), NOTES)
  expect(first).not.toBeInstanceOf(Promise)
  expect(authenticate({ token: text, scheme: 'Bearer' }, facts('/b'), NOTES)).toBe(first)
  expect(seen).toEqual(['layer /a', 'layer /b'])
  expect(results).toEqual(['miss', 'hit'])
})

test('what a layer refuses is refused although the token is remembered', async () => {
  let isRevoked = false
  const revocation: AuthenticatorLayer = inner => (credential, request, notes) => {
    if (isRevoked) throw new Denial('proof_required')
    return inner(credential, request, notes)
  }
  const authenticate = withLayers(base(), revocation)
  const text = token(by)
  await authenticate({ token: text, scheme: 'Bearer' }, facts('/'), NOTES)
  isRevoked = true
  expect(await refusalCode(() => authenticate({ token: text, scheme: 'Bearer' }, facts('/'), NOTES))).toBe(
    'proof_required',
  )
})
