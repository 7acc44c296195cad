/** Makes private keys as files hold them. */
import { generateKeyPairSync } from 'node:crypto'

export function privateJwk(curve: 'P-256' | 'Ed25519' = 'P-256', members: Readonly<Record<string, unknown>> = {}) {
  return JSON.stringify({ ...keyPair(curve).export({ format: 'jwk' }), ...members })
}

export function privatePem(curve: 'P-256' | 'Ed25519' = 'P-256'): string {
  return keyPair(curve).export({ format: 'pem', type: 'pkcs8' }).toString()
}

function keyPair(curve: 'P-256' | 'Ed25519') {
  return curve === 'P-256'
    ? generateKeyPairSync('ec', { namedCurve: curve }).privateKey
    : generateKeyPairSync('ed25519').privateKey
}
