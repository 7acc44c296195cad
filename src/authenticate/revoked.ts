/**
 * Refuses tokens that are revoked, and decides what becomes of a request while revocations may be missing.
 *
 * This layer stands around the token cache. The verdict that the cache returns carries the generation of the
 * revocations in which its token was found clear, so that a request costs one comparison until something is revoked.
 */
import type { ClaimReader } from '../claim-reader.ts'
import { Denial } from '../errors.ts'
import { andThen } from '../lib/maybe-promise.ts'
import type { RevocationKind } from '../revocation/entry.ts'
import { fingerprint } from '../revocation/fingerprint.ts'
import type { RevocationHit, Revocations } from '../revocation/revocations.ts'
import type { AuthenticatorLayer, JsonValue, Principal, StaleDecision, Standing } from '../types.ts'

interface StandingOptions {
  readonly revocations: Pick<Revocations, 'generation' | 'state' | 'find' | 'status'>
  /** Every spelling of the issuer of a provider's tokens; undefined for a template, whose tokens name it. */
  readonly issuersOf: (provider: string) => readonly string[] | undefined
  readonly session: ClaimReader
  /** Called once for each token and each claim that it lacks, by which it can therefore not be revoked. */
  readonly onBlind: (provider: string, kind: RevocationKind) => void
}

/** Says how tokens stand, by one reading of their claims. */
interface Standings {
  /** Whether the token was clear, nothing has changed since, and nothing is missing. Most requests ask no more. */
  isClear(principal: Principal): boolean
  /** The entry that revokes the token, looked up anew. */
  hit(principal: Principal): RevocationHit | undefined
  readonly revocations: StandingOptions['revocations']
}

export function standings({ revocations, issuersOf, session, onBlind }: StandingOptions): Standings {
  const reader = {}

  const read = (principal: Principal): Standing => {
    const { claims, provider } = principal
    const { iss } = claims
    // A stream may outlive the spelling of its issuer: a reload can take that away.
    const issuers = new Set([...(issuersOf(provider) ?? []), ...(typeof iss === 'string' ? [iss] : [])])
    const values = [
      ['jti', claims.jti],
      ['sub', claims.sub],
      ['sid', session(claims)],
      ['client', claims.client_id ?? claims.azp],
    ] as const
    for (const [kind, value] of values) if (!isName(value)) onBlind(provider, kind)
    const named = values.flatMap(([kind, value]) => (isName(value) ? [{ kind, value }] : []))
    const { standing } = principal
    standing.fingerprints = [...issuers].flatMap(issuer =>
      [...named, { kind: 'all', value: '' } as const].map(each => fingerprint({ issuer, ...each })),
    )
    standing.reader = reader
    standing.clearAt = 0
    return standing
  }

  const standingOf = (principal: Principal): Standing =>
    principal.standing.reader === reader ? principal.standing : read(principal)

  return {
    revocations,
    isClear: ({ standing }) => standing.clearAt === revocations.generation && standing.reader === reader,
    hit(principal) {
      const standing = standingOf(principal)
      const found = revocations.find(standing.fingerprints, issuedAt(principal))
      if (found === undefined && revocations.state === 'fresh') standing.clearAt = revocations.generation
      return found
    },
  }
}

interface RevocationLayerOptions {
  readonly standings: Standings
  readonly whenStale: 'refuse' | 'allow'
  /** Tokens that live no longer pass while revocations may be missing; undefined: none does. */
  readonly shortLivedSeconds: number | undefined
  readonly onStale: (decision: StaleDecision) => void
}

/** The layer throws `token_revoked` and `revocation_unavailable`. */
export function revocationLayer(options: RevocationLayerOptions): AuthenticatorLayer {
  const { standings: standing, whenStale, shortLivedSeconds, onStale } = options
  const { revocations } = standing

  const judge = (principal: Principal): Principal => {
    if (standing.isClear(principal)) return principal
    const hit = standing.hit(principal)
    if (hit !== undefined) throw revoked(hit, principal)
    if (revocations.state !== 'fresh') decideStale(principal)
    return principal
  }

  const decideStale = ({ provider, claims, expiresAtSeconds }: Principal): void => {
    const { iat } = claims
    const isExempt =
      shortLivedSeconds !== undefined && typeof iat === 'number' && expiresAtSeconds - iat <= shortLivedSeconds
    const decision = isExempt ? 'exempt' : whenStale === 'allow' ? 'allowed' : 'refused'
    onStale(decision)
    if (decision !== 'refused') return
    const { state, lastError } = revocations.status()
    throw new Denial('revocation_unavailable', { provider, evidence: { state, reason: lastError } })
  }

  return inner => (credential, facts, notes) => andThen(inner(credential, facts, notes), judge)
}

function revoked({ kind, before, source }: RevocationHit, principal: Principal): Denial {
  const { provider } = principal
  return new Denial('token_revoked', {
    provider,
    evidence: { revoked_by: kind, before, iat: issuedAt(principal), source },
  })
}

function issuedAt({ claims: { iat } }: Principal): number | undefined {
  return typeof iat === 'number' ? iat : undefined
}

/** A subject that is a number has become text before (`numericSubject`), where that is asked for. */
function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== ''
}
