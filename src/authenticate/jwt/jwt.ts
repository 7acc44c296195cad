/**
 * Verifies the JWTs of one provider, which are those of its issuer: algorithm, key, signature, then the claims.
 *
 * RFC 7519 §7.2, RFC 7515 §5.2, RFC 8725 §3, RFC 9068 §4. It does not choose the provider (`by-issuer.ts`), nor fetch
 * keys, nor remember verdicts (`token-cache.ts`).
 */
import type { Tenants } from '../../issuer-template.ts'
import type { Clock } from '../../lib/clock.ts'
import type { KeyParameter } from '../../lib/key-parameters.ts'
import type { Claims, KeySet, VerificationKey } from '../../types.ts'
import { AT_JWT_CLAIMS, type ClaimRules, checkClaims, checkType, type TokenType } from '../claim-checks.ts'
import type { Decryption } from '../decryption.ts'
import type { TokenVerifier } from '../verifier.ts'
import type { Jwt } from './parse-jwt.ts'
import { signatureJudge } from './signature-judge.ts'
import { signedTokenVerifier } from './signed-token-verifier.ts'
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

/**
 * Makes a verifier whose verdicts rest on the key that verified the signature. It waits only for keys and slow
 * signatures.
 *
 * @throws {SyntaxError} `scopeClaim` or `rolesClaim` is an invalid JSON Pointer
 */
export function jwtVerifier(options: JwtVerifierOptions): TokenVerifier<VerificationKey> {
  const { clockToleranceSeconds, maxLifetimeSeconds, tokenType, requiredClaims } = options
  const rules: ClaimRules = {
    audiences: new Set(options.audiences),
    audienceClaim: options.audienceClaim ?? 'aud',
    clockToleranceSeconds,
    maxLifetimeSeconds,
    isAudienceOptional: false,
    isExpiryOptional: false,
    requiredClaims: tokenType === 'at+jwt' ? [...AT_JWT_CLAIMS, ...requiredClaims] : requiredClaims,
  }
  const claimsOf = options.numericSubject === true ? withSubjectText : ({ claims }: Jwt): Claims => claims
  return signedTokenVerifier({
    ...options,
    ...signatureJudge(options),
    judge(jwt, nowSeconds) {
      const claims = claimsOf(jwt)
      checkType(jwt.header.typ, tokenType)
      return { claims, checked: checkClaims(claims, rules, nowSeconds) }
    },
  })
}
