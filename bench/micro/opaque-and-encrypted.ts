/**
 * Times tokens that say nothing by themselves: a known opaque one beside a known JWT, and a new encrypted one beside
 * what `jose` takes to decrypt and verify it.
 */
import { randomBytes } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK, importSPKI, jwtVerify } from 'jose'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { decryptionKey } from '../../src/authenticate/encrypted/decryption-keys.ts'
import { decryptionGate } from '../../src/authenticate/encrypted/gate.ts'
import { tokenDecrypter } from '../../src/authenticate/encrypted/token-decrypter.ts'
import { heardInactive } from '../../src/authenticate/introspection/heard-inactive.ts'
import { introspectionVerifier } from '../../src/authenticate/introspection/introspection.ts'
import { introspector } from '../../src/authenticate/introspection/introspector.ts'
import { parseJwt } from '../../src/authenticate/jwt/parse-jwt.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import { JWK_SET } from '../../src/keys/jwk-set.ts'
import { remoteKeySet } from '../../src/keys/remote-key-set.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { AUDIENCE, ISSUER, type SigningKey } from '../http/tokens.ts'
import type { Case } from './harness.ts'
import { verifierOf } from './subject.ts'

const ENCRYPTED = 200

export async function opaqueAndEncryptedCases(key: SigningKey, jwts: readonly string[]): Promise<readonly Case[]> {
  return [
    await opaqueCase(key, jwts),
    ...(await Promise.all((['ECDH-ES', 'RSA-OAEP-256'] as const).map(alg => encryptedCase(alg, key, jwts)))),
  ]
}

/**
 * Both go through the same chooser and the same cache, as on a route that takes both, and the keys are fetched ones, as
 * they mostly are.
 */
async function opaqueCase(key: SigningKey, jwts: readonly string[]): Promise<Case> {
  const claims = new Map(jwts.map(jwt => [randomBytes(32).toString('base64url'), parseJwt(jwt).claims]))
  const asked = introspector({
    server: {
      ask: async token => ({ active: true, claims: claims.get(token) ?? {} }),
      endpoint: ISSUER,
      discover: async () => {},
      close() {},
    },
    clock: systemClock,
    scheduler: systemScheduler,
    timeoutMs: 1000,
    concurrency: 32,
    queue: 1000,
    ttlMs: 3_600_000,
    inactiveTtlMs: 0,
    refreshAhead: true,
    maxStaleMs: 0,
    entries: 10_000,
    heard: heardInactive(10_000),
    onResult() {},
  })
  const opaque = introspectionVerifier({
    provider: 'opaque',
    issuer: ISSUER,
    audiences: [AUDIENCE],
    audienceCheckedByServer: false,
    prefixes: [],
    minBytes: 16,
    jwts: false,
    clockToleranceSeconds: 5,
    requiredClaims: ['sub'],
    rolesClaim: 'roles',
    introspector: asked,
    clock: systemClock,
  })
  const keySet = remoteKeySet({
    provider: 'main',
    source: {
      fetch: async () => ({
        url: ISSUER,
        json: { value: { keys: [key.jwk] } },
        etag: undefined,
        cacheControl: undefined,
        ageSeconds: 0,
      }),
      accepts: () => true,
      proxy: undefined,
    },
    format: JWK_SET,
    timeoutMs: 1000,
    refreshMs: 3_600_000,
    maxStaleMs: 3_600_000,
    cooldownMs: 1000,
    random: Math.random,
    cacheFile: undefined,
    clock: systemClock,
    scheduler: systemScheduler,
    observer: { fetched() {}, unknownKey() {}, stateChanged() {}, cacheFile() {} },
  })
  keySet.start()
  await keySet.ready()
  const authenticate = issuerAuthenticator([verifierOf(key, keySet), opaque], {
    cache: tokenCache({ entries: 10_000, onResult() {} }),
  })
  const tokens = [...claims.keys()]
  for (const token of [...tokens, ...jwts]) await authenticate({ token })
  return {
    name: 'known opaque token, beside a known JWT',
    run: at => authenticate({ token: tokens[at % tokens.length] as string }),
    beside: at => authenticate({ token: jwts[at % jwts.length] as string }),
  }
}

async function encryptedCase(alg: 'ECDH-ES' | 'RSA-OAEP-256', key: SigningKey, jwts: readonly string[]): Promise<Case> {
  const enc = 'A256GCM'
  const pair = await generateKeyPair(alg, { crv: 'P-256', extractable: true })
  const privateJwk = await exportJWK(pair.privateKey)
  const opener = decryptionKey(Buffer.from(JSON.stringify(privateJwk)))
  const decryption = { algorithms: [alg], encryptions: [enc], required: false, keys: [opener] }
  const tokens = await Promise.all(
    jwts
      .slice(0, ENCRYPTED)
      .map(jwt =>
        new CompactEncrypt(Buffer.from(jwt))
          .setProtectedHeader({ alg, enc, cty: 'JWT', kid: opener.kid })
          .encrypt(pair.publicKey),
      ),
  )
  const verifier = { ...verifierOf(key), decryption }
  const gate = decryptionGate({ atOnce: 4, waiting: 256 })
  const authenticate = issuerAuthenticator([verifier], {
    decrypterOf: decryptions => tokenDecrypter({ decryptions, gate, onResult() {} }),
  })
  const joseKey = await importJWK(privateJwk, alg)
  const signingKey = await importSPKI(key.publicPem, key.algorithm)
  const tokenAt = (at: number): string => tokens[at % tokens.length] as string
  return {
    name: `new encrypted token (${alg}), beside jose`,
    runAsync: async at => authenticate({ token: tokenAt(at) }),
    async besideAsync(at) {
      const { plaintext } = await compactDecrypt(tokenAt(at), joseKey)
      return jwtVerify(plaintext, signingKey, { issuer: ISSUER, audience: AUDIENCE })
    },
  }
}
