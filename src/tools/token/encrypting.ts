/**
 * Encrypts tokens for tests, as an issuer does for a gateway that decrypts.
 *
 * RFC 7516 §7.1, RFC 7519 §5.2 (`cty` of a nested JWT), RFC 7638 (the thumbprint names a key that has no name).
 */
import { createPublicKey, type webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CompactEncrypt, calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { KEY_MANAGEMENT_ALGORITHMS } from '../../authenticate/decryption.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { KeyFileError } from './development-key.ts'

const ENCRYPTION = 'A256GCM'

/**
 * @param keyFile PEM, a JWK, or a set of which the first counts; of a private one only the public half is used
 * @param typ the type of the token, which `cty` repeats
 * @throws {KeyFileError} the key cannot be read, or cannot encrypt
 */
export async function encryptedToken(keyFile: string, jws: string, typ: string): Promise<string> {
  const problem = new KeyFileError(
    `${keyFile} holds no key that encrypts; name the private key of the gateway, or what \`sallyport keys public\` prints`,
  )
  const jwk = readKey(keyFile, problem)
  const alg = jwk.alg ?? (jwk.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES')
  if (jwk.use === 'sig' || !KEY_MANAGEMENT_ALGORITHMS.some(name => name === alg)) throw problem
  try {
    const publicJwk = createPublicKey({ format: 'jwk', key: jwk as webcrypto.JsonWebKey }).export({
      format: 'jwk',
    }) as JWK
    return await new CompactEncrypt(Buffer.from(jws))
      .setProtectedHeader({
        alg,
        enc: ENCRYPTION,
        cty: /^(?:application\/)?at\+jwt$/i.test(typ) ? 'at+jwt' : 'JWT',
        kid: jwk.kid ?? (await calculateJwkThumbprint(publicJwk)),
      })
      .encrypt(await importJWK(publicJwk, alg))
  } catch {
    // The reason is left out, since it might quote the key.
    throw problem
  }
}

function readKey(keyFile: string, problem: KeyFileError): JWK {
  const text = readText(keyFile)
  if (text.includes('-----BEGIN ')) return publicJwkOf(text, problem)
  const value = parsed(text, keyFile)
  if (typeof value === 'object' && value !== null) {
    const [jwk] = 'keys' in value && Array.isArray(value.keys) ? (value.keys as readonly unknown[]) : [value]
    if (typeof jwk === 'object' && jwk !== null) return jwk as JWK
  }
  throw new KeyFileError(`${keyFile} is no JWK`)
}

function readText(keyFile: string): string {
  try {
    return readFileSync(keyFile, 'utf8')
  } catch (error) {
    throw new KeyFileError(`${keyFile} cannot be read: ${fileFailureText(error)}`)
  }
}

/** @param pem of a private key, or of a public one */
function publicJwkOf(pem: string, problem: KeyFileError): JWK {
  try {
    return createPublicKey(pem).export({ format: 'jwk' }) as JWK
  } catch {
    throw problem
  }
}

function parsed(text: string, keyFile: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message is left out, since it would quote the file.
    throw new KeyFileError(`${keyFile} is neither PEM nor JSON; it must hold a key as PEM, or a JWK`)
  }
}
