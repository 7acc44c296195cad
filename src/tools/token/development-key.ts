/**
 * Signs tokens for tests with a key of the developer's own; makes that key, and the key set that verifies its tokens.
 *
 * RFC 7517 (JWK), RFC 7515 §7.1. This is for development only: whoever has the key file can be any caller. Only its
 * owner can read it; a configuration names the public set beside it (`keys.jwksFile`, `bundle.file`).
 */

import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import { ASYMMETRIC_ALGORITHMS, JWS_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import type { Claims } from '../../types.ts'
import { type ProofSigner, proofSigner } from '../engine/proof-signer.ts'

/** The key file is not what it should be; the message says what to do. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
}

interface NewKey {
  readonly keyFile: string
  readonly jwksFile: string
}

/** What the public half is for: tokens of an issuer, or those of a SPIFFE trust domain, whose bundle it then is. */
export type KeyUse = 'sig' | 'jwt-svid'

/** Makes a key and its public key set. @throws {KeyFileError} one of the files is there, or cannot be written */
export async function createKey(keyFile: string, use: KeyUse): Promise<NewKey> {
  const { d, ...named } = await newKey()
  const jwksFile = `${keyFile.replace(/\.(json|jwk)$/, '')}.public.json`
  // A gateway may be running by it.
  if (isThere(jwksFile))
    throw new KeyFileError(`${jwksFile} is there, and its key is not; move it away, or name another key`)
  write(keyFile, { ...named, d }, { mode: 0o600, flag: 'wx' })
  write(jwksFile, { keys: [{ ...named, use }] }, { flag: 'wx' })
  return { keyFile, jwksFile }
}

/** Makes the key of a client. @throws {KeyFileError} the file is there already, or cannot be written */
export async function createProofKey(keyFile: string): Promise<void> {
  write(keyFile, await newKey(), { mode: 0o600, flag: 'wx' })
}

/** Whether there is such a file, whatever it holds. */
export function isThere(keyFile: string): boolean {
  return existsSync(keyFile)
}

/** What to do about a key file that is not there, or holds something else, by the action that needs it. */
const REMEDIES = {
  mint: { absent: 'add --create-key to make one', unfit: 'name a new file, and --create-key makes it' },
  proof: {
    absent: 'name the file with the key that the token is bound to',
    unfit: 'name the file with the key that the token is bound to',
  },
} as const

async function newKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { d, ...publicKey } = await exportJWK(privateKey)
  return { ...publicKey, kid: await calculateJwkThumbprint(publicKey), alg: 'ES256', use: 'sig', d }
}

/**
 * Reads the private key that a client proves possession of. It may come from elsewhere and lack its `alg`, which is
 * then the usual one for its type.
 *
 * @throws {KeyFileError} the key cannot be read, or cannot sign
 */
export async function proofKeyOf(keyFile: string, action: keyof typeof REMEDIES): Promise<ProofSigner> {
  const { absent, unfit } = REMEDIES[action]
  const jwk = parsed(keyFile, absent)
  const problem = new KeyFileError(`${keyFile} is no private JWK that can sign proofs; ${unfit}`)
  if (typeof jwk !== 'object' || jwk === null) throw problem
  const alg = algorithmOf(jwk)
  if (alg === undefined) throw problem
  try {
    const signer = await proofSigner(createPrivateKey({ key: jwk, format: 'jwk' }), alg)
    await signer.proof({ method: 'GET', url: '', token: '', issuedAtSeconds: 0 })
    return signer
  } catch {
    // The reason is left out, since it might quote the key.
    throw problem
  }
}

function algorithmOf({ alg, kty, crv }: JWK): string | undefined {
  if (alg !== undefined) return ASYMMETRIC_ALGORITHMS.find(name => name === alg)
  const fitting = [...JWS_ALGORITHMS].find(
    ([, each]) =>
      each.kty !== 'oct' && each.kty !== 'AKP' && each.kty === kty && ('crv' in each ? each.crv === crv : true),
  )
  return fitting?.[0]
}

/** Signs the claims as a token. @throws {KeyFileError} the key cannot be read, or cannot sign */
export async function mintedToken(keyFile: string, claims: Claims, typ: string): Promise<string> {
  const jwk = readKey(keyFile)
  try {
    return await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: jwk.alg, typ, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
      .sign(await importJWK(jwk))
  } catch {
    throw new KeyFileError(`${keyFile} holds no private key that can sign with ${jwk.alg}`)
  }
}

function readKey(keyFile: string): JWK & { readonly alg: string } {
  const { absent, unfit } = REMEDIES.mint
  const jwk = parsed(keyFile, absent)
  if (typeof jwk !== 'object' || jwk === null || !('alg' in jwk) || typeof jwk.alg !== 'string')
    throw new KeyFileError(`${keyFile} is no private JWK with an \`alg\`; ${unfit}`)
  return { ...jwk, alg: jwk.alg }
}

function parsed(keyFile: string, ifAbsent: string): unknown {
  try {
    return JSON.parse(readFileSync(keyFile, 'utf8'))
  } catch (error) {
    // The parser's own message is left out, since it would quote the file.
    throw new KeyFileError(
      codeOf(error) === undefined
        ? `${keyFile} is no JSON; it must hold a private JWK`
        : `${keyFile} cannot be read: ${fileFailureText(error)}; ${ifAbsent}`,
    )
  }
}

function write(file: string, content: unknown, options: { readonly mode?: number; readonly flag?: string }): void {
  try {
    writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`, options)
  } catch (error) {
    throw new KeyFileError(`${file} cannot be written: ${fileFailureText(error)}`)
  }
}
