/**
 * Verifies what a provider says in signed form: logout tokens, security event tokens, and answers about tokens.
 *
 * RFC 8417 §2 (a SET is a JWT), OpenID Connect Back-Channel Logout 1.0 §2.6, RFC 9701 §5. It judges issuer, algorithm,
 * key and signature, exactly as for an access token. What the claims mean is for `revocation/` and `introspection/` to
 * find.
 */
import { andThen } from '../../lib/maybe-promise.ts'
import type { StatementVerifier } from '../../types.ts'
import { parseJwt } from './parse-jwt.ts'
import { type SignatureJudgeOptions, signatureJudge } from './signature-judge.ts'
import { withSubjectText } from './subject-text.ts'

interface StatementVerifierOptions extends SignatureJudgeOptions {
  /** Whether a `sub` that is an integer counts as its decimal text. */
  readonly numericSubject?: boolean | undefined
  readonly clockToleranceSeconds: number
}

export function statementVerifier(options: StatementVerifierOptions): StatementVerifier {
  const { clockToleranceSeconds, numericSubject, ignoredHeaders } = options
  const { takesJwts, keyOf } = signatureJudge(options)
  return Object.freeze({
    clockToleranceSeconds,
    isIssuer: (issuer: string) => takesJwts.issuers.has(issuer),
    async verify(token: string) {
      const jwt = parseJwt(token, ignoredHeaders)
      return await andThen(keyOf(jwt), () => ({
        type: jwt.header.typ?.toLowerCase().replace(/^application\//, ''),
        // A JWT without `iss` is no provider's.
        issuer: String(jwt.claims.iss),
        claims: numericSubject === true ? withSubjectText(jwt) : jwt.claims,
      }))
    },
  })
}
