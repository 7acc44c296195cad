/** Signs a batch of access tokens (RFC 9068) in a worker thread, each with its own `sub` and `jti`. */
import { createPrivateKey, sign } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { AUDIENCE, type Batch, ISSUER, SCOPE } from '../tokens.ts'

const { key, from, to, issuedAtSeconds, claims } = workerData as Batch
const privateKey = createPrivateKey(key.privatePem)
const header = part({ alg: key.algorithm, kid: key.jwk.kid, typ: 'at+jwt' })
const tokens: string[] = []
for (let index = from; index < to; index++) {
  const payload = part({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: `user-${index}`,
    client_id: 'web-shop',
    scope: `${SCOPE} profile email`,
    roles: ['editor', 'viewer'],
    jti: `token-${index}`,
    iat: issuedAtSeconds,
    exp: issuedAtSeconds + 24 * 3600,
    ...claims,
  })
  tokens.push(`${header}.${payload}.${signature(`${header}.${payload}`)}`)
}
parentPort?.postMessage(tokens)

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function signature(text: string): string {
  const digest = key.algorithm === 'EdDSA' ? null : 'sha256'
  return sign(digest, Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}
