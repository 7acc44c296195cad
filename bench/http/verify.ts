/**
 * Makes sure that a peer does the job before its cost is taken: what must pass passes, and what
 * must be refused is refused.
 *
 * A comparison with a gateway that let a forged token through would be worth nothing.
 */
import { createPrivateKey, sign } from 'node:crypto'
import type { RunningPeer } from './peers/peer.ts'
import { AUDIENCE, ISSUER, SCOPE, type SigningKey } from './tokens.ts'

const TARGET = '/orders/42'

/**
 * @param headers that every request has, as `Name: value`
 * @throws {Error} naming the first case that came out wrong
 */
export async function verify(
  peer: RunningPeer,
  key: SigningKey,
  valid: string,
  headers: readonly string[] = [],
): Promise<void> {
  const further = Object.fromEntries(headers.map(line => line.split(/: (.*)/s).slice(0, 2) as [string, string]))
  const expect = (what: string, token: string | undefined, isRight: (status: number) => boolean) =>
    expected(peer, what, token, further, isRight)
  await expect('a valid token', valid, status => status === 200)
  if (!peer.isGuard) return
  const isRefused = (status: number): boolean => status === 401 || status === 403
  const cases: ReadonlyArray<readonly [string, string | undefined]> = [
    ['no token', undefined],
    ['a forged signature', forged(valid)],
    ['an expired token', signed(key, { exp: 1_700_000_000 })],
    ['another issuer', signed(key, { iss: 'https://evil.example/' })],
    ['another audience', signed(key, { aud: 'https://other.example' })],
    ['a missing scope', signed(key, { scope: 'profile email' })],
    ['a longer scope of the same beginning', signed(key, { scope: `profile ${SCOPE}-all` })],
  ]
  for (const [what, token] of cases) await expect(what, token, isRefused)
}

async function expected(
  { name, url }: RunningPeer,
  what: string,
  token: string | undefined,
  further: Readonly<Record<string, string>>,
  isRight: (status: number) => boolean,
): Promise<void> {
  const headers = { ...further, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  const response = await fetch(url + TARGET, { headers })
  await response.arrayBuffer()
  if (!isRight(response.status)) throw new Error(`${name} answers ${response.status} to ${what}`)
}

/**
 * @returns the token with another byte in the middle of its signature, which is still base64url,
 * but no longer the signature
 */
function forged(token: string): string {
  const at = token.lastIndexOf('.') + 20
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

function signed(key: SigningKey, changed: Readonly<Record<string, unknown>>): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'probe', client_id: 'probe', scope: SCOPE, jti: 'probe' }
  const header = part({ alg: key.algorithm, kid: key.jwk.kid, typ: 'at+jwt' })
  const text = `${header}.${part({ ...claims, iat: Math.min(now, 1_600_000_000), exp: now + 600, ...changed })}`
  const digest = key.algorithm === 'EdDSA' ? null : 'sha256'
  const options = { key: createPrivateKey(key.privatePem), dsaEncoding: 'ieee-p1363' } as const
  return `${text}.${sign(digest, Buffer.from(text), options).toString('base64url')}`
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
