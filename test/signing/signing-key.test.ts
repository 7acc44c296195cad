import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { KeySourceError } from '../../src/keys/key-source-error.ts'
import { generatedKey, signingKey } from '../../src/signing/signing-key.ts'
import { privateJwk, privatePem } from './support.ts'

describe('a key that signs', () => {
  test.each([
    ['EC P-256 as a JWK', privateJwk(), 'ES256'],
    ['EC P-256 as PEM', privatePem(), 'ES256'],
    ['Ed25519 as a JWK', privateJwk('Ed25519'), 'EdDSA'],
    ['Ed25519 as PEM', privatePem('Ed25519'), 'EdDSA'],
  ] as const)('%s signs, and publishes nothing of its private half', (_, text, algorithm) => {
    const key = signingKey(Buffer.from(text))
    expect(key.algorithm).toBe(algorithm)
    expect(key.publicJwk).toMatchObject({ use: 'sig', alg: algorithm, kid: key.kid })
    expect(Object.keys(key.publicJwk)).not.toContain('d')
    const [header = '', payload = '', signature = ''] = key.signed({ sub: 'alice' }).split('.')
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      typ: 'JWT',
      alg: algorithm,
      kid: key.kid,
    })
    const publicKey = createPublicKey({ format: 'jwk', key: { ...key.publicJwk } })
    const judged = algorithm === 'ES256' ? { key: publicKey, dsaEncoding: 'ieee-p1363' as const } : publicKey
    const hash = algorithm === 'ES256' ? 'sha256' : null
    expect(verify(hash, Buffer.from(`${header}.${payload}`), judged, Buffer.from(signature, 'base64url'))).toBe(true)
  })

  test('is named by its JWK, else by its thumbprint, so that every gateway calls it the same', () => {
    expect(signingKey(Buffer.from(privateJwk('P-256', { kid: 'july' }))).kid).toBe('july')
    const pem = Buffer.from(privatePem())
    expect(signingKey(pem).kid).toBe(signingKey(pem).kid)
    expect(signingKey(pem).kid).toMatch(/^[\w-]{43}$/)
  })

  test('is another one each time that one is made', () => {
    expect(generatedKey('EdDSA').kid).not.toBe(generatedKey('EdDSA').kid)
  })
})

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const publicPem = p384.publicKey.export({ format: 'pem', type: 'spki' }).toString()
const locked = p384.privateKey
  .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString()

test.each([
  ['RSA', rsa.export({ format: 'pem', type: 'pkcs8' }).toString(), 'holds a key of a type that does not sign here'],
  ['RSA as a JWK', JSON.stringify(rsa.export({ format: 'jwk' })), 'holds a key of a type that does not sign here'],
  ['another curve', p384.privateKey.export({ format: 'pem', type: 'sec1' }).toString(), 'holds a key of a type that'],
  [
    'a shared secret',
    JSON.stringify({ kty: 'oct', k: 'c2VjcmV0', d: 'x' }),
    'holds a key of a type that does not sign',
  ],
  ['a public key', publicPem, 'holds no private key'],
  [
    'a public JWK',
    JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'a', y: 'b' }),
    'holds no private key, as `d` is missing',
  ],
  ['a passphrase', locked, 'is protected by a passphrase'],
  ['a key set', JSON.stringify({ keys: [] }), 'is a JWK Set'],
  ['a key for encryption', privateJwk('P-256', { use: 'enc' }), 'is not for signatures'],
  ['a key that verifies alone', privateJwk('P-256', { key_ops: ['verify'] }), 'does not sign'],
  ['another algorithm', privateJwk('P-256', { alg: 'ES384' }), 'has an `alg` that its type cannot do: write ES256'],
  ['a name that is none', privateJwk('P-256', { kid: 7 }), 'has a `kid` that is no text'],
  ['a number that is off', privateJwk('P-256', { x: 'AAAA' }), 'is no sound JWK'],
  ['nothing', '', 'holds no private key'],
  ['JSON cut off', '{"kty":"EC"', 'is no JSON object'],
])('%s is refused, and the reason quotes nothing', (_, text, message) => {
  const read = () => signingKey(Buffer.from(text))
  expect(read).toThrow(KeySourceError)
  expect(read).toThrow(message)
})
