/**
 * Opens encrypted tokens with the keys of a route's providers.
 *
 * RFC 7516 §5.2, RFC 7519 §5.2 and §7.2 (nested JWTs), RFC 8725 §2.4. The header is judged first. From the first touch
 * of a key until there is a plaintext, every failure is the same refusal with the same evidence. What is inside has to
 * be signed, which is for others to judge: an encrypted text proves nothing, since everybody has the public key.
 *
 * It remembers nothing. Requests that bring the same token at the same time share one decryption.
 */
import { isAscii } from 'node:buffer'
import { Denial } from '../../errors.ts'
import { compactForm } from '../../lib/compact-form.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import type { DecryptionResult } from '../../types.ts'
import type { DecryptedToken, Decryption, DecryptionKey, ProviderDecryption, TokenDecrypter } from '../decryption.ts'
import type { DecryptionGate } from './gate.ts'
import { type CompactJwe, malformed, notAllowed, parseCompactJwe, requireNestedJwt } from './jwe-header.ts'
import { plaintextOf } from './plaintext.ts'

interface TokenDecrypterOptions {
  /** Those of the route's providers that decrypt, in its order. */
  readonly decryptions: readonly ProviderDecryption[]
  readonly gate: DecryptionGate
  /** Hears once of each token; of one that nobody opened with the first provider that it fits. */
  readonly onResult: (provider: string, result: DecryptionResult) => void
}

/** A token that names no key is tried with no more than these: each try costs what a decryption costs. */
const MAX_TRIED_KEYS = 3

export function tokenDecrypter({ decryptions, gate, onResult }: TokenDecrypterOptions): TokenDecrypter {
  const flights = new Map<string, Promise<DecryptedToken>>()

  const told = (provider: string | undefined, result: DecryptionResult): void => {
    const label = provider ?? decryptions[0]?.provider
    if (label !== undefined) onResult(label, result)
  }

  const opened = async (jwe: CompactJwe, allowing: readonly ProviderDecryption[]): Promise<DecryptedToken> => {
    const keys = keysFor(jwe, allowing)
    const [fitting = allowing[0]?.provider] = holders(jwe, allowing, keys[0])
    const work = keys.length === 0 ? undefined : gate.run(() => firstOpened(jwe, keys))
    const found = await work?.catch((refusal: unknown) => {
      if (refusal instanceof Denial) told(fitting, 'overloaded')
      throw refusal
    })
    if (found === undefined) {
      told(fitting, 'failed')
      throw failed(jwe)
    }
    const providers = holders(jwe, allowing, found.key)
    told(providers[0], 'ok')
    return { jws: jwsText(found.plaintext), providers: new Set(providers) }
  }

  const decrypted = async (token: string): Promise<DecryptedToken> => {
    let allowing: readonly ProviderDecryption[] = []
    let jwe: CompactJwe
    try {
      jwe = parseCompactJwe(token)
      allowing = decryptions.filter(({ decryption }) => isAllowed(jwe, decryption))
      if (allowing.length === 0) throw notAllowed(jwe)
      requireNestedJwt(jwe)
    } catch (refusal) {
      told(allowing[0]?.provider, 'refused')
      throw refusal
    }
    return opened(jwe, allowing)
  }

  return token => {
    const flight = flights.get(token)
    if (flight !== undefined) return flight
    const started = decrypted(token).finally(() => flights.delete(token))
    flights.set(token, started)
    return started
  }
}

function isAllowed({ alg, enc }: CompactJwe, { algorithms, encryptions }: Decryption): boolean {
  return algorithms.includes(alg) && encryptions.includes(enc)
}

/**
 * Finds the keys to try. The first key of each provider comes before the second of any, so that none who has many keys
 * leaves no try for the others. A key that several hold is tried once.
 */
function keysFor(jwe: CompactJwe, allowing: readonly ProviderDecryption[]): readonly DecryptionKey[] {
  const fitting = allowing.map(({ decryption }) => decryption.keys.filter(key => isFitting(jwe, key)))
  const named = jwe.kid === undefined ? fitting : fitting.map(keys => keys.filter(({ kid }) => kid === jwe.kid))
  const byThumbprint = new Map<string, DecryptionKey>()
  const ranks = Math.max(0, ...named.map(keys => keys.length))
  for (let rank = 0; rank < ranks; rank += 1) {
    for (const keys of named) {
      const key = keys[rank]
      if (key !== undefined && !byThumbprint.has(key.thumbprint)) byThumbprint.set(key.thumbprint, key)
    }
  }
  const keys = [...byThumbprint.values()]
  return jwe.kid === undefined ? keys.slice(0, MAX_TRIED_KEYS) : keys
}

/** Whether the key does the algorithm and, in an agreement, is on the curve of the sender's key. */
function isFitting({ alg, curve }: CompactJwe, { algorithms, publicJwk }: DecryptionKey): boolean {
  return algorithms.has(alg) && (publicJwk.crv === undefined || publicJwk.crv === curve)
}

function holders(
  jwe: CompactJwe,
  allowing: readonly ProviderDecryption[],
  opener: DecryptionKey | undefined,
): readonly string[] {
  return allowing.flatMap(({ provider, decryption }) =>
    decryption.keys.some(key => key.thumbprint === opener?.thumbprint && isFitting(jwe, key)) ? [provider] : [],
  )
}

interface Opened {
  readonly key: DecryptionKey
  readonly plaintext: Uint8Array
}

async function firstOpened(jwe: CompactJwe, keys: readonly DecryptionKey[]): Promise<Opened | undefined> {
  for (const key of keys) {
    const plaintext = await plaintextOf(jwe, key)
    if (plaintext !== undefined) return { key, plaintext }
  }
  return undefined
}

/** It says nothing of the cause, which would help whoever guesses (RFC 7516 §11.5). */
function failed({ alg, enc, kid }: CompactJwe): Denial {
  const evidence = {
    alg: evidenceText(alg),
    enc: evidenceText(enc),
    ...(kid === undefined ? {} : { kid: evidenceText(kid) }),
  }
  return new Denial('decryption_failed', { evidence })
}

/** @throws {Denial} `token_malformed` */
function jwsText(plaintext: Uint8Array): string {
  if (!isAscii(plaintext)) throw malformed('what was encrypted is no ASCII text')
  const text = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).toString('latin1')
  if (compactForm(text) === 'jwe') throw malformed('what was encrypted is encrypted once more')
  return text
}
