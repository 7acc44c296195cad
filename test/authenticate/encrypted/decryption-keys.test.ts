import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'
import { decryptionKey } from '../../../src/authenticate/encrypted/decryption-keys.ts'
import { KeySourceError } from '../../../src/keys/key-source-error.ts'
import { encrypted, type KeyType, newKey, privateJwk } from './support.ts'

const ECDH = ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW']
const RSA = ['RSA-OAEP', 'RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512']
const TYPES: ReadonlyArray<readonly [KeyType, readonly string[]]> = [
  ['P-256', ECDH],
  ['P-384', ECDH],
  ['P-521', ECDH],
  ['X25519', ECDH],
  ['RSA', RSA],
]

const read = (content: string) => decryptionKey(Buffer.from(content))
const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1') => key.export({ format: 'pem', type }).toString()

/** The refusal of a file, which repeats nothing of it. */
function refusalOf(content: string): string {
  try {
    read(content)
  } catch (error) {
    if (!(error instanceof KeySourceError)) throw error
    for (const secret of content.match(/[\w-]{12,}/g) ?? []) expect(error.message).not.toContain(secret)
    return error.message
  }
  throw new Error('it was taken')
}

describe('a key is read', () => {
  test.each(TYPES)('from a JWK of %s, with all that its type can do', (type, algorithms) => {
    const key = newKey(type)
    expect([...key.algorithms]).toEqual(algorithms)
    expect(key.key.type).toBe('private')
  })

  test.each(TYPES)('and its public half is what issuers need of %s, and nothing private', async type => {
    const { publicJwk, thumbprint, kid, key } = newKey(type)
    const expected = createPublicKey(key).export({ format: 'jwk' })
    expect(publicJwk).toEqual({ ...expected, use: 'enc', kid })
    expect(kid).toBe(thumbprint)
    expect(thumbprint).toBe(await calculateJwkThumbprint(expected))
  })

  test('with the name and the algorithm that the JWK gives it', () => {
    const { kid, algorithms, publicJwk } = newKey('P-256', { kid: 'enc-1', alg: 'ECDH-ES+A256KW', use: 'enc' })
    expect(kid).toBe('enc-1')
    expect([...algorithms]).toEqual(['ECDH-ES+A256KW'])
    expect(publicJwk).toMatchObject({ kid: 'enc-1', alg: 'ECDH-ES+A256KW', use: 'enc' })
    expect(publicJwk).not.toHaveProperty('d')
  })

  test.each(['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits'])('whose key_ops has %s', operation => {
    expect(newKey('RSA', { key_ops: ['encrypt', operation] }).publicJwk).not.toHaveProperty('key_ops')
  })

  test('from PEM in each of its forms', async () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const x25519 = generateKeyPairSync('x25519').privateKey
    for (const text of [
      pem(ec, 'pkcs8'),
      pem(ec, 'sec1'),
      pem(rsa, 'pkcs8'),
      pem(rsa, 'pkcs1'),
      pem(x25519, 'pkcs8'),
    ]) {
      const key = read(text)
      expect(key.kid).toBe(key.thumbprint)
      expect((await encrypted(key)).split('.')).toHaveLength(5)
    }
    expect(
      read(`-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n${pem(ec, 'sec1')}`).kid,
    ).toBe(read(pem(ec, 'pkcs8')).kid)
  })
})

describe('a key is refused, with the remedy and without its content,', () => {
  const members = (type: KeyType) => JSON.parse(privateJwk(type)) as Record<string, string>
  const without = (type: KeyType, name: string) => JSON.stringify({ ...members(type), [name]: undefined })

  test.each([
    ['that is public, as a JWK', () => without('P-256', 'd'), /no private key.*private half/],
    [
      'that is public, as PEM',
      () =>
        createPublicKey(generateKeyPairSync('x25519').privateKey).export({ format: 'pem', type: 'spki' }).toString(),
      /no private key.*private half/,
    ],
    ['that is a shared secret', () => '{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0"}', /shared secret.*key pair/],
    ['that is a set', () => JSON.stringify({ keys: [members('P-256')] }), /JWK Set.*file of its own/],
    [
      'of RSA with 1024 bit',
      () => JSON.stringify(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' })),
      /RSA key of 1024 bit: make one of at least 2048/,
    ],
    [
      'of RSA with 1024 bit, as PEM',
      () => pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, 'pkcs1'),
      /RSA key of 1024 bit: make one of at least 2048/,
    ],
    [
      'of secp256k1',
      () => JSON.stringify(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ format: 'jwk' })),
      /type that does not decrypt: make a key of EC P-256/,
    ],
    [
      'of secp256k1, as PEM',
      () => pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'sec1'),
      /type that does not decrypt/,
    ],
    [
      'of Ed25519',
      () => JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
      /type that does not decrypt/,
    ],
    ['of Ed25519, as PEM', () => pem(generateKeyPairSync('ed25519').privateKey, 'pkcs8'), /type that does not decrypt/],
    ['of X448', () => pem(generateKeyPairSync('x448').privateKey, 'pkcs8'), /type that does not decrypt/],
    [
      'of RSA-PSS',
      () => pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey, 'pkcs8'),
      /type that does not decrypt/,
    ],
    ['for signatures', () => privateJwk('P-256', { use: 'sig' }), /`use` is not `enc`.*of its own/],
    ['whose use is no text', () => privateJwk('P-256', { use: 1 }), /`use` is not `enc`/],
    [
      'whose key_ops are for signing',
      () => privateJwk('RSA', { key_ops: ['sign'] }),
      /`key_ops` holds none of decrypt/,
    ],
    ['whose key_ops only encrypt', () => privateJwk('RSA', { key_ops: ['encrypt', 'wrapKey'] }), /`key_ops`/],
    ['whose key_ops are no list', () => privateJwk('RSA', { key_ops: 'decrypt' }), /`key_ops`/],
    ['whose alg is another type’s', () => privateJwk('RSA', { alg: 'ECDH-ES' }), /`alg`.*write one of RSA-OAEP/],
    ['whose alg is RSA1_5', () => privateJwk('RSA', { alg: 'RSA1_5' }), /`alg`.*write one of RSA-OAEP/],
    ['whose alg signs', () => privateJwk('P-256', { alg: 'ES256' }), /`alg`.*write one of ECDH-ES/],
    ['whose alg is no text', () => privateJwk('P-256', { alg: 7 }), /`alg`/],
    ['whose kid is no text', () => privateJwk('P-256', { kid: 7 }), /`kid`/],
    ['whose kid is empty', () => privateJwk('P-256', { kid: '' }), /`kid`/],
    ['of no type', () => without('P-256', 'kty'), /type that does not decrypt/],
    ['that lacks a number', () => without('RSA', 'qi'), /no sound JWK.*Export the key again/],
    [
      'whose halves are of two keys',
      () => JSON.stringify({ ...members('P-256'), d: members('P-256').d }),
      /no sound JWK/,
    ],
    ['whose number is no text', () => privateJwk('P-256', { x: 5 }), /no sound JWK/],
    ['with characters that Node skips', () => privateJwk('P-256', { x: '!!!' }), /not base64url/],
    ['that has a member twice', () => privateJwk('P-256').replace('{', '{"use":"sig","use":"enc",'), /no JSON object/],
    ['that is half a JSON text', () => privateJwk('P-256').slice(0, -1), /no JSON object/],
    ['that is nothing', () => '', /neither a JWK nor PEM/],
    ['that is any text', () => 'correct horse battery staple', /neither a JWK nor PEM/],
    [
      'under a passphrase',
      () =>
        generateKeyPairSync('x25519')
          .privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })
          .toString(),
      /passphrase: write it without one/,
    ],
    [
      'that is a certificate',
      () => '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
      /no private key, only something public/,
    ],
    [
      'that is broken PEM',
      () => '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n',
      /no sound PEM: write the private key again/,
    ],
  ])('%s', (_, content, expected) => expect(refusalOf(content())).toMatch(expected))
})
