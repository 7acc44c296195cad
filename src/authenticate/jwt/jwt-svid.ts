/**
 * Verifies the JWT-SVIDs of one SPIFFE trust domain: tokens by which workloads say who they are.
 *
 * SPIFFE JWT-SVID §2 (header), §3 (claims), §4 and Appendix A (validation). The name of the caller is `sub`, which has
 * to be a SPIFFE ID of the trust domain to the letter. `iss` need not be there and is not judged: the key says who has
 * signed, and it is of the trust domain's bundle. A token has to name its key (`kid`), as in every implementation of
 * SPIFFE, although the standard leaves that open.
 *
 * RFC 9068 has nothing to say here: `typ` is `JWT` or `JOSE`, or left out.
 */
import { Denial } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { JWT_SVID_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import { andThen } from '../../lib/maybe-promise.ts'
import { trustDomainId, trustDomainIn, workloadIdProblem } from '../../lib/spiffe-id.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import { type ClaimRules, checkClaims, invalid } from '../claim-checks.ts'
import type { TokenVerifier } from '../verifier.ts'
import { refuseKeyParameters } from './compact-jws.ts'
import { verifyingKey } from './signature-judge.ts'
import { signedTokenVerifier } from './signed-token-verifier.ts'

/** What decides whether a JWT-SVID is accepted, but for the keys. It is plain data, so that equal rules are known. */
export type JwtSvidRules = {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly trustDomain: string
  /** At least one; a token must carry at least one of them. */
  readonly audiences: readonly string[]
  readonly clockToleranceSeconds: number
  /** Longest `exp` - `iat` that is accepted; undefined: any. */
  readonly maxLifetimeSeconds?: number | undefined
  /** Claims that must be there, besides `sub`, `aud` and `exp`. */
  readonly requiredClaims: readonly string[]
  readonly scopeClaim?: string | undefined
  readonly rolesClaim: string
}

interface JwtSvidVerifierOptions extends JwtSvidRules {
  readonly keySet: KeySet
  readonly clock: Clock
  /** Left out, those of the standard. */
  readonly algorithms?: ReadonlySet<string>
}

/** @throws {SyntaxError} `scopeClaim` or `rolesClaim` is an invalid JSON Pointer */
export function jwtSvidVerifier(options: JwtSvidVerifierOptions): TokenVerifier<VerificationKey> {
  const { trustDomain, keySet, algorithms = JWT_SVID_ALGORITHMS } = options
  const issuers = Object.freeze([trustDomainId(trustDomain)])
  const rules: ClaimRules = {
    audiences: new Set(options.audiences),
    audienceClaim: 'aud',
    clockToleranceSeconds: options.clockToleranceSeconds,
    maxLifetimeSeconds: options.maxLifetimeSeconds,
    isAudienceOptional: false,
    isExpiryOptional: false,
    requiredClaims: options.requiredClaims,
  }
  return signedTokenVerifier({
    ...options,
    takesJwts: Object.freeze({ issuers: new Set<string>(), template: undefined, ignoredHeaders: [], trustDomain }),
    keyOf(jwt) {
      const { alg, kid } = jwt.header
      if (subjectDomain(jwt.claims) !== trustDomain) throw new Denial('issuer_unknown')
      refuseKeyParameters(jwt.header, [])
      if (!algorithms.has(alg)) throw new Denial('algorithm_not_allowed')
      if (kid === undefined) throw new Denial('key_unknown', { evidence: { reason: 'the token names no key (`kid`)' } })
      return andThen(keySet.select({ alg, kid, issuers }), candidates => verifyingKey(jwt, candidates))
    },
    judge({ header, claims }, nowSeconds) {
      checkType(header.typ)
      const problem = workloadIdProblem(String(claims.sub))
      if (problem !== undefined) throw invalid('sub', problem)
      return { claims, checked: checkClaims(claims, rules, nowSeconds) }
    },
  })
}

/** @returns the trust domain that a token says its subject is of; nobody has verified that yet */
export function subjectDomain({ sub }: Claims): string | undefined {
  return typeof sub === 'string' ? trustDomainIn(sub) : undefined
}

/** §2.3 has two values, and no other spelling of them. */
function checkType(typ: string | undefined): void {
  if (typ === undefined || typ === 'JWT' || typ === 'JOSE') return
  const reason = 'a JWT-SVID has the type JWT or JOSE, or none'
  throw new Denial('token_type_invalid', { evidence: { typ: evidenceText(typ), reason } })
}
