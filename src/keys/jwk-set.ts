/**
 * Reads a JWK Set and finds the keys for a token in it.
 *
 * RFC 7517 §5: a member that is not understood or not usable is skipped and counted, while its siblings work. RFC 7515
 * §4.1.4: `kid` selects. A token without one is tried with every key that fits, if they are few: while a provider moves
 * from one key to the next, both verify tokens. A key without one comes last for a token that names one.
 *
 * A member that was already in the previous set keeps its `VerificationKey` object, so that verdicts it gave stay
 * valid. It does not matter where the set came from or how old it is.
 */
import { Denial } from '../errors.ts'
import type { KeyHint, VerificationKey } from '../types.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { parseJwk, type SkipReason } from './jwk.ts'
import { isKeyOf } from './key-issuer.ts'

/** Importing this many keys takes less than 0.1 s; the largest sets in the wild have some dozens. */
const MOST_MEMBERS = 1_000
/** Keys that fit a token are tried in order, and each try costs a signature verification. */
const MOST_CANDIDATES = 3

export interface JwkSet {
  readonly keys: readonly VerificationKey[]
  readonly skipped: Readonly<Record<string, number>>
  has(key: VerificationKey): boolean
  /**
   * @returns the keys for a token, at most three; none when none fits. Those that it names come first, in the set's
   * order; those without a `kid` come last. For a token without `kid` the newest come first.
   * @throws {Denial} `key_unknown`: the token names no key, and more than three fit
   */
  find(hint: KeyHint): readonly VerificationKey[]
  /** @returns why none fits, if it is for another reason than that no key has this name; for the log */
  misfit(hint: KeyHint): string | undefined
  /** The keys from the newest to the oldest, by when they were first seen; those of one fetch in the set's order. */
  readonly byAge: readonly VerificationKey[]
  /** The keys by the content of their JWK, for whoever reads the next set. */
  readonly byContent: ReadonlyMap<string, VerificationKey>
  /** How soon its publisher wants it fetched again; undefined where it does not say. */
  readonly refreshHintSeconds: number | undefined
}

export const EMPTY_JWK_SET: JwkSet = jwkSetOf({ byContent: new Map(), skipped: {}, older: [] })

/** How documents of one kind are read. */
export interface SetFormat {
  /** What a set without a usable key is: a fault of its publisher, or the news that all keys before it are revoked. */
  readonly emptySet: 'fault' | 'revokes'
  /** @throws {FetchFailure} `invalid` or `too_large`: this is no such set, or one with too many members */
  read(document: unknown, previous: JwkSet): JwkSet
}

/** A provider that publishes no usable key has a fault, since its tokens would all be refused for it. */
export const JWK_SET: SetFormat = { emptySet: 'fault', read: readJwkSet }

/** @throws {FetchFailure} `invalid` or `too_large`: this is no JWK Set, or one with too many members */
function readJwkSet(document: unknown, previous: JwkSet): JwkSet {
  return importedSet(membersOf(document), { previous, parse: parseJwk })
}

interface ImportOptions {
  readonly previous: JwkSet
  readonly parse: (member: unknown) => ReturnType<typeof parseJwk>
  readonly refreshHintSeconds?: number | undefined
}

/** Makes the keys of those members that can be used. */
export function importedSet(
  members: readonly unknown[],
  { previous, parse, refreshHintSeconds }: ImportOptions,
): JwkSet {
  const byContent = new Map<string, VerificationKey>()
  const skipped: Partial<Record<SkipReason, number>> = {}
  for (const member of members) {
    const parsed = parse(member)
    if (typeof parsed !== 'string' && byContent.has(parsed.content)) continue
    const known = typeof parsed === 'string' ? undefined : previous.byContent.get(parsed.content)
    const key = typeof parsed === 'string' ? parsed : (known ?? parsed.import())
    if (typeof key === 'string') skipped[key] = (skipped[key] ?? 0) + 1
    else if (typeof parsed !== 'string') byContent.set(parsed.content, key)
  }
  return jwkSetOf({ byContent, skipped, older: previous.byAge, refreshHintSeconds })
}

export function isSameSet(a: JwkSet, b: JwkSet): boolean {
  return a.keys.length === b.keys.length && a.keys.every(key => b.has(key))
}

/** Refuses a token for which the set has no key. */
export function keyUnknown(set: Pick<JwkSet, 'misfit'>, hint: KeyHint, provider: string): Denial {
  const reason = set.misfit(hint)
  return new Denial('key_unknown', { provider, ...(reason === undefined ? {} : { evidence: { reason } }) })
}

/** @throws {FetchFailure} `invalid` or `too_large` */
export function membersOf(document: unknown): readonly unknown[] {
  const isObject = typeof document === 'object' && document !== null && Object.hasOwn(document, 'keys')
  const keys: unknown = isObject ? (document as { readonly keys: unknown }).keys : undefined
  if (!Array.isArray(keys)) throw new FetchFailure('invalid', 'not a JWK Set: no "keys" array')
  if (keys.length > MOST_MEMBERS) {
    throw new FetchFailure('too_large', `the JWK Set has ${keys.length} members, more than ${MOST_MEMBERS}`)
  }
  return keys
}

interface SetParts extends Pick<JwkSet, 'skipped' | 'byContent'> {
  /** The keys of the set before, by age. */
  readonly older: readonly VerificationKey[]
  readonly refreshHintSeconds?: number | undefined
}

function jwkSetOf({ byContent, skipped, older, refreshHintSeconds }: SetParts): JwkSet {
  const keys = Object.freeze([...byContent.values()])
  const members: ReadonlySet<VerificationKey> = new Set(keys)
  const byKid = Map.groupBy(keys, key => key.kid)
  const seenBefore: ReadonlySet<VerificationKey> = new Set(older)
  const byAge = Object.freeze([...keys.filter(key => !seenBefore.has(key)), ...older.filter(key => members.has(key))])
  return Object.freeze({
    keys,
    skipped: Object.freeze(skipped),
    byContent,
    refreshHintSeconds,
    has: (key: VerificationKey) => members.has(key),
    byAge,
    find(hint: KeyHint) {
      const { kid } = hint
      const candidates = kid === undefined ? byAge : [...(byKid.get(kid) ?? []), ...(byKid.get(undefined) ?? [])]
      const fitting = candidates.filter(key => isFor(key, hint))
      if (kid === undefined && fitting.length > MOST_CANDIDATES) throw tooManyFit(fitting.length)
      return fitting.slice(0, MOST_CANDIDATES)
    },
    misfit({ alg, kid, issuers }: KeyHint) {
      const named = kid === undefined ? keys : (byKid.get(kid) ?? [])
      const [key] = named
      if (key === undefined) return undefined
      if (!named.some(each => each.algorithms.has(alg))) return 'no key of that name is for this algorithm'
      return named.some(each => isKeyOf(each.issuer, issuers))
        ? undefined
        : 'the key is for the tokens of another issuer'
    },
  })
}

function isFor(key: VerificationKey, { alg, issuers }: KeyHint): boolean {
  return key.algorithms.has(alg) && isKeyOf(key.issuer, issuers)
}

function tooManyFit(count: number): Denial {
  const reason = `the token names no key, and ${count} fit: no more than ${MOST_CANDIDATES} are tried`
  return new Denial('key_unknown', { evidence: { reason, fitting_keys: count } })
}
