/** Makes keys and encrypted tokens, sound ones and such as only an attacker makes. */
import { createCipheriv, createHash, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { CompactEncrypt, type CompactJWEHeaderParameters } from 'jose'
import {
  CONTENT_ENCRYPTIONS,
  type DecryptedToken,
  type DecryptionKey,
  KEY_MANAGEMENT_ALGORITHMS,
} from '../../../src/authenticate/decryption.ts'
import { decryptionKey } from '../../../src/authenticate/encrypted/decryption-keys.ts'
import { type DecryptionGate, decryptionGate } from '../../../src/authenticate/encrypted/gate.ts'
import { tokenDecrypter } from '../../../src/authenticate/encrypted/token-decrypter.ts'
import type { DecryptionResult } from '../../../src/types.ts'

export type KeyType = 'P-256' | 'P-384' | 'P-521' | 'X25519' | 'RSA'

/** @returns a new private key, as the text of a JWK with these members besides */
export function privateJwk(type: KeyType, members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...keyPair(type).privateKey.export({ format: 'jwk' }), ...members })
}

function keyPair(type: KeyType) {
  if (type === 'RSA') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  return type === 'X25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: type })
}

export function newKey(type: KeyType, members: Readonly<Record<string, unknown>> = {}): DecryptionKey {
  return decryptionKey(Buffer.from(privateJwk(type, members)))
}

/** The text of a JWS, which nobody here verifies. */
export const JWS = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'

/** Encrypts for a key, with any header. */
export function encrypted(
  { key }: Pick<DecryptionKey, 'key'>,
  header: Partial<CompactJWEHeaderParameters> = {},
  plaintext: string | Uint8Array = JWS,
): Promise<string> {
  return new CompactEncrypt(Buffer.from(plaintext))
    .setProtectedHeader({
      alg: key.asymmetricKeyType === 'rsa' ? 'RSA-OAEP-256' : 'ECDH-ES',
      enc: 'A128GCM',
      cty: 'JWT',
      ...header,
    })
    .encrypt(createPublicKey(key))
}

export function base64url(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** A token with this header and nothing behind it that anybody encrypted. */
export function withHeader(header: unknown): string {
  return [base64url(header), base64url('key'), base64url('iv'), base64url('text'), base64url('tag')].join('.')
}

/** Encrypts by `ECDH-ES` and `A128GCM` for whoever computes this shared secret, whatever `epk` is. */
export function agreed(z: Uint8Array, epk: unknown): string {
  const text = (value: string): Buffer => Buffer.concat([uint32(value.length), Buffer.from(value)])
  const input = Buffer.concat([uint32(1), z, text('A128GCM'), text(''), text(''), uint32(128)])
  const header = base64url({ alg: 'ECDH-ES', enc: 'A128GCM', cty: 'JWT', epk })
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-128-gcm', createHash('sha256').update(input).digest().subarray(0, 16), iv)
  cipher.setAAD(Buffer.from(header))
  const ciphertext = Buffer.concat([cipher.update(JWS), cipher.final()])
  return [header, '', ...[iv, ciphertext, cipher.getAuthTag()].map(part => part.toString('base64url'))].join('.')
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

interface Holder {
  readonly keys: readonly DecryptionKey[]
  readonly algorithms?: readonly string[]
  readonly encryptions?: readonly string[]
}

export interface TestDecrypter {
  readonly decrypt: (token: string) => Promise<DecryptedToken>
  /** What was counted, as `provider result`. */
  readonly counted: readonly string[]
}

/** @param holders by their ids; they list every algorithm unless they say something else */
export function decrypterOf(
  holders: Readonly<Record<string, Holder>>,
  gate: DecryptionGate = decryptionGate({ atOnce: 4, waiting: 256 }),
): TestDecrypter {
  const counted: string[] = []
  const decryptions = Object.entries(holders).map(([provider, holder]) => ({
    provider,
    decryption: {
      algorithms: KEY_MANAGEMENT_ALGORITHMS,
      encryptions: CONTENT_ENCRYPTIONS,
      required: false,
      ...holder,
    },
  }))
  const onResult = (provider: string, result: DecryptionResult): void => {
    counted.push(`${provider} ${result}`)
  }
  return { decrypt: tokenDecrypter({ decryptions, gate, onResult }), counted }
}

/** The same key, which fails whoever asks for its private half. */
export function untouchable(key: DecryptionKey): DecryptionKey {
  return {
    ...key,
    get key(): never {
      throw new Error('a key was touched')
    },
  }
}

/** The same key, which notes whenever it is used. */
export function watched(key: DecryptionKey, uses: string[]): DecryptionKey {
  return {
    ...key,
    get key() {
      uses.push(key.kid)
      return key.key
    },
  }
}
