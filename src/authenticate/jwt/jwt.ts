/**
 * Verifies the JWTs of one provider: algorithm, key, signature, then the claims.
 *
 * RFC 7519 §7.2, RFC 7515 §5.2, RFC 8725 §3, RFC 9068 §4. The order is fixed: nothing is said about the claims of a
 * token, that it expired included, before its signature holds. It does not choose the provider (`by-issuer.ts`), nor
 * fetch keys, nor remember verdicts (`token-cache.ts`).
 */
import { Denial, type TokenStage } from '../../errors.ts'
import { issuerTemplate, type Tenants, tenantJudge } from '../../issuer-template.ts'
import type { Clock } from '../../lib/clock.ts'
import { ASYMMETRIC_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import type { KeyParameter } from '../../lib/key-parameters.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import { attributed, evidenceText } from '../evidence.ts'
import type { PresentedToken, TakenJwts, TokenVerifier, Verdict } from '../verifier.ts'
import { type ClaimRules, checkClaims, checkTime, type TokenType } from './claim-checks.ts'
import { refuseKeyParameters } from './compact-jws.ts'
import type { SignatureRefusal } from './jose-signature.ts'
import type { Jwt } from './parse-jwt.ts'
import { principalReader } from './principal.ts'
import { isFitting, signatureRefusal } from './signature.ts'
import { withSubjectText } from './subject-text.ts'

/**
 * What decides whether a token is accepted, but for the keys. It is plain data, so that equal rules can be recognised.
 */
export type JwtRules = {
  /** The provider's id in the configuration. */
  readonly provider: string
  /** Compared byte for byte with `iss`, or a template of issuers. */
  readonly issuer: string
  /** Further spellings of `iss` that mean this provider. A template has none. */
  readonly issuerAliases?: readonly string[] | undefined
  /** The tenants whose issuers a template stands for. */
  readonly tenants?: Tenants | undefined
  /** At least one; a token must carry at least one of them. */
  readonly audiences: readonly string[]
  /** A claim name or a JSON Pointer, read in place of `aud`; undefined: `aud`. */
  readonly audienceClaim?: string | undefined
  /** Whether a `sub` that is an integer counts as its decimal text. */
  readonly numericSubject?: boolean | undefined
  /** Header parameters with keys that do not get a token refused, and are not used either; undefined: none. */
  readonly ignoredHeaders?: readonly KeyParameter[] | undefined
  /** JWS algorithms that are accepted; undefined: every asymmetric one. HMAC has to be asked for. */
  readonly algorithms?: readonly string[] | undefined
  readonly clockToleranceSeconds: number
  /** Longest `exp` - `iat` that is accepted; undefined: any. */
  readonly maxLifetimeSeconds?: number | undefined
  readonly tokenType: TokenType
  /** Claims that must be there, besides `exp`. */
  readonly requiredClaims: readonly string[]
  /** A claim name or a JSON Pointer; undefined: `scope`, or `scp` where that is missing or empty. */
  readonly scopeClaim?: string | undefined
  /** A claim name or a JSON Pointer. */
  readonly rolesClaim: string
}

interface JwtVerifierOptions extends JwtRules {
  readonly keySet: KeySet
  readonly clock: Clock
}

const CHECKS: readonly TokenStage[] = [
  'form',
  'issuer',
  'algorithm',
  'key',
  'signature',
  'type',
  'claims',
  'audience',
  'lifetime',
  'time',
]

/** Bounds the work that one token without `kid` can cause. */
const MAX_CANDIDATES = 3

/**
 * Makes a verifier whose verdicts rest on the key that verified the signature. It waits only for keys and slow
 * signatures.
 *
 * @throws {SyntaxError} `scopeClaim` or `rolesClaim` is an invalid JSON Pointer
 */
export function jwtVerifier(options: JwtVerifierOptions): TokenVerifier<VerificationKey> {
  const {
    provider,
    keySet,
    ignoredHeaders = [],
    clockToleranceSeconds,
    maxLifetimeSeconds,
    tokenType,
    requiredClaims,
  } = options
  const algorithms = new Set(options.algorithms ?? ASYMMETRIC_ALGORITHMS)
  const rules: ClaimRules = {
    audiences: new Set(options.audiences),
    audienceClaim: options.audienceClaim ?? 'aud',
    clockToleranceSeconds,
    maxLifetimeSeconds,
    tokenType,
    requiredClaims,
  }
  const takesJwts = takenJwts(options)
  const spellings = Object.freeze([...takesJwts.issuers])
  const claimsOf = options.numericSubject === true ? withSubjectText : ({ claims }: Jwt): Claims => claims
  const readPrincipal = principalReader(options)
  const nowSeconds = (): number => options.clock.nowMs() / 1000

  const judge = (jwt: Jwt): MaybePromise<Verdict<VerificationKey>> => {
    const { alg, kid } = jwt.header
    const issuers = issuersOf(jwt.claims, takesJwts, spellings)
    refuseKeyParameters(jwt.header, ignoredHeaders)
    if (!algorithms.has(alg)) throw new Denial('algorithm_not_allowed')
    const key = andThen(keySet.select({ alg, kid, issuers }), candidates => verifyingKey(jwt, candidates))
    return andThen(key, found => verdict(jwt, found))
  }

  const verdict = (jwt: Jwt, key: VerificationKey): Verdict<VerificationKey> => {
    const now = nowSeconds()
    const claims = claimsOf(jwt)
    const checked = checkClaims(jwt.header.typ, claims, rules, now)
    checkTime(checked, clockToleranceSeconds, now)
    return Object.freeze({
      principal: readPrincipal(claims, checked),
      notBeforeSeconds: checked.notBeforeSeconds,
      basis: key,
    })
  }

  return Object.freeze({
    provider,
    takesJwts,
    takesOpaque: undefined,
    checks: CHECKS,
    verify({ jwt }: PresentedToken) {
      if (jwt === undefined) throw new Denial('token_malformed', { provider, evidence: { reason: 'not a JWT' } })
      const refuse = (error: unknown): never => {
        throw attributed(error, provider, tokenEvidence(jwt))
      }
      try {
        const judged = judge(jwt)
        return judged instanceof Promise ? judged.catch(refuse) : judged
      } catch (error) {
        return refuse(error)
      }
    },
    stillHolds: ({ basis }: Verdict<VerificationKey>) => keySet.isCurrent(basis),
    checkTime({ principal: { expiresAtSeconds, claims }, notBeforeSeconds }: Verdict<VerificationKey>) {
      try {
        checkTime({ expiresAtSeconds, notBeforeSeconds }, clockToleranceSeconds, nowSeconds())
      } catch (error) {
        throw attributed(error, provider, issuerEvidence(claims))
      }
    },
    health() {
      const status = keySet.status()
      return { usable: status.usable, lastError: status.lastError, kind: 'keys' as const, keySet: status }
    },
  })
}

function takenJwts({ issuer, issuerAliases = [], tenants = {}, ignoredHeaders = [] }: JwtRules): TakenJwts {
  const template = issuerTemplate(issuer)
  return Object.freeze({
    issuers: new Set(template === undefined ? [issuer, ...issuerAliases] : []),
    template: template && {
      judge: tenantJudge(template, tenants),
      isAlike: (iss: string) => template.valuesIn(iss) !== undefined,
    },
    ignoredHeaders,
  })
}

/**
 * @param spellings those of the one issuer that the provider has, if it has no template
 * @returns every spelling of the token's issuer
 * @throws {Denial} `issuer_unknown`
 */
function issuersOf(claims: Claims, { issuers, template }: TakenJwts, spellings: readonly string[]): readonly string[] {
  const { iss } = claims
  if (typeof iss !== 'string') throw new Denial('issuer_unknown')
  if (issuers.has(iss)) return spellings
  const reason = template?.judge(claims)
  if (template === undefined || reason !== undefined) throw new Denial('issuer_unknown', { evidence: { reason } })
  return [iss]
}

/** Finds the first of the candidates that verifies the signature. */
function verifyingKey(jwt: Jwt, candidates: readonly VerificationKey[]): MaybePromise<VerificationKey> {
  const fitting = candidates.slice(0, MAX_CANDIDATES).filter(key => isFitting(key, jwt.header.alg))
  return firstVerifying(jwt, fitting, { code: 'key_unknown', reason: 'no key fits the algorithm' })
}

/** @param refusal what is thrown when no key is left to try */
function firstVerifying(
  jwt: Jwt,
  [key, ...others]: readonly VerificationKey[],
  refusal: SignatureRefusal,
): MaybePromise<VerificationKey> {
  if (key === undefined) throw new Denial(refusal.code, { evidence: { reason: refusal.reason } })
  return andThen(signatureRefusal(jwt, key), refused =>
    refused === undefined ? key : firstVerifying(jwt, others, refused),
  )
}

function tokenEvidence({ header: { alg, kid }, claims }: Jwt): Readonly<Record<string, unknown>> {
  return {
    alg: evidenceText(alg),
    ...(kid === undefined ? {} : { kid: evidenceText(kid) }),
    ...issuerEvidence(claims),
  }
}

function issuerEvidence({ iss }: Claims): Readonly<Record<string, unknown>> {
  return typeof iss === 'string' ? { iss: evidenceText(iss) } : {}
}
