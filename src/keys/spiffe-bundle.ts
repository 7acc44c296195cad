/**
 * Reads a SPIFFE bundle, the keys of one trust domain, and takes those of it that verify JWT-SVIDs.
 *
 * SPIFFE Trust Domain and Bundle §4 (it is a JWK Set, in which `use` says for which documents a key is), JWT-SVID §6
 * (`use: jwt-svid`, `kid` is required). Keys for other documents are left alone and not counted as skipped: they are in
 * every bundle. No key without `use: jwt-svid` verifies a JWT-SVID, and no key with it verifies anything else.
 *
 * `spiffe_sequence` is not looked at: the connection says whose bundle it is, and a bundle that is set back is as true
 * as the server that sends it.
 */
import { JWT_SVID_ALGORITHMS } from '../lib/jws-algorithms.ts'
import { parseJwk } from './jwk.ts'
import { importedSet, type JwkSet, membersOf, type SetFormat } from './jwk-set.ts'

const USE = 'jwt-svid'

/** §4.1.3: whoever meets a bundle without a usable key must take every document of that trust domain for invalid. */
export const SPIFFE_BUNDLE: SetFormat = { emptySet: 'revokes', read: readBundle }

function readBundle(document: unknown, previous: JwkSet): JwkSet {
  const members = membersOf(document).filter(isForJwtSvids)
  return importedSet(members, { previous, parse: parseAuthority, refreshHintSeconds: refreshHint(document) })
}

function isForJwtSvids(member: unknown): boolean {
  return memberOf(member, 'use') === USE
}

function parseAuthority(member: unknown): ReturnType<typeof parseJwk> {
  const kid = memberOf(member, 'kid')
  if (typeof kid !== 'string' || kid === '') return 'malformed'
  const parsed = parseJwk(member, USE)
  if (typeof parsed === 'string') return parsed
  return {
    content: parsed.content,
    import() {
      const key = parsed.import()
      if (typeof key === 'string') return key
      return JWT_SVID_ALGORITHMS.isDisjointFrom(key.algorithms) ? 'unsupported_type' : key
    },
  }
}

/** §4.1.2: an integer of seconds. Anything else hints at nothing. */
function refreshHint(document: unknown): number | undefined {
  const hint = memberOf(document, 'spiffe_refresh_hint')
  return typeof hint === 'number' && Number.isSafeInteger(hint) && hint >= 0 ? hint : undefined
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}
