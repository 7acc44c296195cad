/**
 * Makes key sets of keys that the operator provides: a JWK Set in the configuration or in a file, a SPIFFE bundle in a
 * file, or a shared secret in a file.
 *
 * RFC 7517 §5, RFC 7518 §3.2 (an HMAC secret is at least as long as the hash output).
 *
 * Nothing here changes while it is in force: a file that changed is a new key set, which the next reload makes.
 */
import { createSecretKey } from 'node:crypto'
import { Denial } from '../errors.ts'
import { HMAC_SECRET_BYTES } from '../lib/jws-algorithms.ts'
import type { KeyHint, KeySetStatus, VerificationKey } from '../types.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { EMPTY_JWK_SET, JWK_SET, type JwkSet, keyUnknown, type SetFormat } from './jwk-set.ts'
import type { LiveKeySet } from './key-set-events.ts'
import { KeySourceError } from './key-source-error.ts'
import { SPIFFE_BUNDLE } from './spiffe-bundle.ts'

/**
 * @param text a JWK Set as JSON
 * @throws {KeySourceError}
 */
export function jwksKeySet(text: string, provider: string): LiveKeySet {
  const set = operatorsSet(text, JWK_SET)
  const refuse = (hint: KeyHint): Denial => keyUnknown(set, hint, provider)
  if (set.keys.length > 0) return staticKeySet(set.keys, set.skipped, hint => set.find(hint), refuse)
  throw new KeySourceError(
    set.skipped.private === undefined
      ? `has no usable key; skipped: ${JSON.stringify(set.skipped)}`
      : 'has a private key; give the public half of it, without `d`',
  )
}

/**
 * A bundle without a key for JWT-SVIDs is taken, too: that its keys are revoked must not be missed.
 *
 * @param text a SPIFFE bundle as JSON
 * @throws {KeySourceError}
 */
export function bundleKeySet(text: string, provider: string): LiveKeySet {
  const set = operatorsSet(text, SPIFFE_BUNDLE)
  const lack = set.keys.length > 0 ? undefined : NO_AUTHORITY
  return staticKeySet(
    set.keys,
    set.skipped,
    hint => set.find(hint),
    hint => keyUnknown(set, hint, provider),
    lack,
  )
}

const NO_AUTHORITY = 'the bundle has no usable key with `use: jwt-svid`, so that no JWT-SVID counts'

/**
 * Does not look at a token's `kid`: there is one secret, and it has no name.
 *
 * @param content the file's bytes; one line break at the end is not part of the secret
 * @throws {KeySourceError}
 */
export function secretKeySet(content: Buffer, provider: string): LiveKeySet {
  const secret = content.subarray(0, content.length - (/\r?\n$/.exec(content.toString('latin1'))?.[0].length ?? 0))
  const algorithms = [...HMAC_SECRET_BYTES].flatMap(([name, bytes]) => (secret.length >= bytes ? [name] : []))
  if (algorithms.length === 0) {
    const leastBytes = HMAC_SECRET_BYTES.get('HS256')
    throw new KeySourceError(`holds ${secret.length} bytes; HS256 needs a secret of at least ${leastBytes}`)
  }
  const refuse = (): Denial => new Denial('key_unknown', { provider })
  const key = Object.freeze({ kid: undefined, algorithms: new Set(algorithms), key: createSecretKey(secret) })
  return staticKeySet([key], {}, ({ alg }) => (key.algorithms.has(alg) ? [key] : []), refuse)
}

function operatorsSet(text: string, format: SetFormat): JwkSet {
  try {
    return format.read(JSON.parse(text), EMPTY_JWK_SET)
  } catch (error) {
    // The JSON parser's message quotes the text, which may be a private key put there by mistake.
    const hint = otherContent(text)
    throw new KeySourceError(`${error instanceof FetchFailure ? `is ${error.message}` : 'is not JSON'}${hint}`)
  }
}

/** Names what people put there in place of a set, without repeating any of it. */
function otherContent(text: string): string {
  if (text.includes('-----BEGIN')) return '; it holds PEM, and a JWK Set is needed: `{"keys": […]}`'
  if (/^\s*</.test(text)) return '; it is a web page'
  if (/"jwks_uri"/.test(text)) return '; it is the metadata of a provider: save what is at its `jwks_uri`'
  return /^\s*\{[^{]*"kty"/.test(text) ? '; it is one key: write `{"keys": [ ]}` around it' : ''
}

function staticKeySet(
  keys: readonly VerificationKey[],
  skipped: Readonly<Record<string, number>>,
  find: (hint: KeyHint) => readonly VerificationKey[],
  refuse: (hint: KeyHint) => Denial,
  lastError?: string,
): LiveKeySet {
  const status: KeySetStatus = Object.freeze({
    usable: true,
    keys: keys.map(({ kid, algorithms }) => ({ kid, algorithms: [...algorithms] })),
    skipped,
    lastSuccessSeconds: undefined,
    lastError,
  })
  return Object.freeze({
    start() {},
    ready: async () => {},
    close: async () => {},
    select(hint: KeyHint) {
      const found = find(hint)
      if (found.length === 0) throw refuse(hint)
      return found
    },
    isCurrent: (key: VerificationKey) => keys.includes(key),
    status: () => status,
  })
}
