/**
 * Reads a JWK Set and finds the keys for a token in it.
 *
 * RFC 7517 §5: a member that is not understood or not usable is skipped and counted, while its siblings work. RFC 7515
 * §4.1.4: `kid` selects; a token without one is served only where a single key fits.
 *
 * A member that was already in the previous set keeps its `VerificationKey` object, so that verdicts it gave stay
 * valid. It does not matter where the set came from or how old it is.
 */
import type { KeyHint, VerificationKey } from '../types.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { parseJwk, type SkipReason } from './jwk.ts'

/** Importing this many keys takes less than 0.1 s; the largest sets in the wild have some dozens. */
const MOST_MEMBERS = 1_000
/** Keys that share a `kid` and type are tried in order, and each try costs a signature verification. */
const MOST_CANDIDATES = 3

export interface JwkSet {
  readonly keys: readonly VerificationKey[]
  readonly skipped: Readonly<Record<string, number>>
  has(key: VerificationKey): boolean
  /**
   * @returns the keys for a token in the set's order, at most three; none when none fits or,
   * without `kid`, more than one does
   */
  find(hint: KeyHint): readonly VerificationKey[]
  /** The keys by the content of their JWK, for whoever reads the next set. */
  readonly byContent: ReadonlyMap<string, VerificationKey>
}

export const EMPTY_JWK_SET: JwkSet = jwkSetOf(new Map(), {})

/** @throws {FetchFailure} `invalid` or `too_large`: this is no JWK Set, or one with too many members */
export function readJwkSet(document: unknown, previous: JwkSet): JwkSet {
  const members = keysMember(document)
  const byContent = new Map<string, VerificationKey>()
  const skipped: Partial<Record<SkipReason, number>> = {}
  for (const member of members) {
    const parsed = parseJwk(member)
    if (typeof parsed !== 'string' && byContent.has(parsed.content)) continue
    const known = typeof parsed === 'string' ? undefined : previous.byContent.get(parsed.content)
    const key = typeof parsed === 'string' ? parsed : (known ?? parsed.import())
    if (typeof key === 'string') skipped[key] = (skipped[key] ?? 0) + 1
    else if (typeof parsed !== 'string') byContent.set(parsed.content, key)
  }
  return jwkSetOf(byContent, skipped)
}

export function isSameSet(a: JwkSet, b: JwkSet): boolean {
  return a.keys.length === b.keys.length && a.keys.every(key => b.has(key))
}

function keysMember(document: unknown): readonly unknown[] {
  const isObject = typeof document === 'object' && document !== null && Object.hasOwn(document, 'keys')
  const keys: unknown = isObject ? (document as { readonly keys: unknown }).keys : undefined
  if (!Array.isArray(keys)) throw new FetchFailure('invalid', 'not a JWK Set: no "keys" array')
  if (keys.length > MOST_MEMBERS) {
    throw new FetchFailure('too_large', `the JWK Set has ${keys.length} members, more than ${MOST_MEMBERS}`)
  }
  return keys
}

function jwkSetOf(byContent: ReadonlyMap<string, VerificationKey>, skipped: Readonly<Record<string, number>>): JwkSet {
  const keys = Object.freeze([...byContent.values()])
  const members: ReadonlySet<VerificationKey> = new Set(keys)
  const byKid = Map.groupBy(keys, key => key.kid)
  return Object.freeze({
    keys,
    skipped: Object.freeze(skipped),
    byContent,
    has: (key: VerificationKey) => members.has(key),
    find({ alg, kid }: KeyHint) {
      const named = kid === undefined ? keys : (byKid.get(kid) ?? [])
      const fitting = named.filter(key => key.algorithms.has(alg))
      return kid === undefined && fitting.length > 1 ? [] : fitting.slice(0, MOST_CANDIDATES)
    },
  })
}
