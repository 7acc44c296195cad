/** A token issuer for tests: real keys, a real JWKS over HTTP, and tokens as valid or as broken as a test asks. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

export const AUDIENCE = 'https://api.example.com'

export interface MintOptions {
  readonly alg?: 'RS256' | 'ES256' | 'EdDSA'
  /** Members of the header besides `alg`; `kid: undefined` leaves it out. */
  readonly header?: Readonly<Record<string, unknown>>
}

export interface TestIssuer {
  readonly issuer: string
  readonly jwksUri: string
  /** A token that is good for an hour, with `claims` over the defaults; a claim that is undefined is left out. */
  mint(claims?: Readonly<Record<string, unknown>>, options?: MintOptions): Promise<string>
  close(): Promise<void>
}

export async function startTestIssuer(): Promise<TestIssuer> {
  const keys = new Map<string, { privateKey: CryptoKey; jwk: JWK }>()
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    keys.set(alg, { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: `test-${alg}`, alg, use: 'sig' } })
  }
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: [...keys.values()].map(({ jwk }) => jwk) }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    issuer,
    jwksUri: `${issuer}/jwks.json`,
    mint(claims = {}, { alg = 'RS256', header = {} } = {}) {
      const key = keys.get(alg)
      if (key === undefined) throw new Error(`no key for ${alg}`)
      const nowSeconds = Math.floor(Date.now() / 1000)
      const payload = { iss: issuer, aud: AUDIENCE, sub: 'alice', iat: nowSeconds, exp: nowSeconds + 3600, ...claims }
      return new SignJWT(payload as JWTPayload)
        .setProtectedHeader({ alg, kid: `test-${alg}`, ...header })
        .sign(key.privateKey)
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
