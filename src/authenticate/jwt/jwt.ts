/**
 * Verifies the JWTs of one provider: algorithm, key, signature, then the claims.
 *
 * RFC 7519 §7.2, RFC 7515 §5.2, RFC 8725 §3, RFC 9068 §4. The order is fixed: nothing is said about the claims of a
 * token, that it expired included, before its signature holds. It does not choose the provider (`by-issuer.ts`), nor
 * fetch keys, nor remember verdicts (`token-cache.ts`).
 */
import { Denial, type TokenStage } from '../../errors.ts'
import type { Tenants } from '../../issuer-template.ts'
import type { Clock } from '../../lib/clock.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import type { KeyParameter } from '../../lib/key-parameters.ts'
import { andThen } from '../../lib/maybe-promise.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import { AT_JWT_CLAIMS, type ClaimRules, checkClaims, checkTime, checkType, type TokenType } from '../claim-checks.ts'
import type { Decryption } from '../decryption.ts'
import { attributed } from '../evidence.ts'
import { principalReader } from '../principal.ts'
import type { PresentedToken, TokenVerifier, Verdict } from '../verifier.ts'
import type { Jwt } from './parse-jwt.ts'
import { signatureJudge } from './signature-judge.ts'
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
  /** Undefined where its tokens are never encrypted. */
  readonly decryption?: Decryption | undefined
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

/**
 * Makes a verifier whose verdicts rest on the key that verified the signature. It waits only for keys and slow
 * signatures.
 *
 * @throws {SyntaxError} `scopeClaim` or `rolesClaim` is an invalid JSON Pointer
 */
export function jwtVerifier(options: JwtVerifierOptions): TokenVerifier<VerificationKey> {
  const { provider, keySet, clockToleranceSeconds, maxLifetimeSeconds, tokenType, requiredClaims } = options
  const rules: ClaimRules = {
    audiences: new Set(options.audiences),
    audienceClaim: options.audienceClaim ?? 'aud',
    clockToleranceSeconds,
    maxLifetimeSeconds,
    isAudienceOptional: false,
    isExpiryOptional: false,
    requiredClaims: tokenType === 'at+jwt' ? [...AT_JWT_CLAIMS, ...requiredClaims] : requiredClaims,
  }
  const { takesJwts, keyOf } = signatureJudge(options)
  const claimsOf = options.numericSubject === true ? withSubjectText : ({ claims }: Jwt): Claims => claims
  const isEncryptionRequired = options.decryption?.required === true
  const readPrincipal = principalReader(options)
  const nowSeconds = (): number => options.clock.nowMs() / 1000

  const verdict = (jwt: Jwt, key: VerificationKey): Verdict<VerificationKey> => {
    const now = nowSeconds()
    const claims = claimsOf(jwt)
    checkType(jwt.header.typ, tokenType)
    const checked = checkClaims(claims, rules, now)
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
    decryption: options.decryption,
    checks: CHECKS,
    verify({ jwt, wasEncrypted }: PresentedToken) {
      if (jwt === undefined) throw new Denial('token_malformed', { provider, evidence: { reason: 'not a JWT' } })
      if (isEncryptionRequired && !wasEncrypted)
        throw new Denial('token_type_invalid', { provider, evidence: { reason: 'not encrypted' } })
      const refuse = (error: unknown): never => {
        throw attributed(error, provider, tokenEvidence(jwt))
      }
      try {
        const judged = andThen(keyOf(jwt), key => verdict(jwt, key))
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
