/**
 * Authenticates a bearer token: takes it apart once and hands it to the provider its `iss` names.
 *
 * RFC 7519 §4.1.1 (`iss`), RFC 8725 §3.8 and §3.9. The claim is not trusted by that: the provider's keys decide, and
 * are only asked about tokens that claim to come from it. Issuers are compared byte for byte; no URL is normalised.
 * Without a cache every token is verified on every use, which is what a command that explains a refusal wants.
 * Whether the credential has the syntax of one (RFC 6750 §2.1) is only looked at when it is no token: one that is, or
 * that is remembered, has it.
 */
import { Denial } from '../errors.ts'
import { andThen, type MaybePromise } from '../lib/maybe-promise.ts'
import { isToken68 } from '../lib/token68.ts'
import type { Credential, Principal } from '../types.ts'
import { evidenceText } from './evidence.ts'
import { type Jwt, parseJwt } from './jwt/compact-jws.ts'
import type { JwtAuthenticator } from './jwt/jwt.ts'
import type { TokenCache } from './token-cache.ts'

/**
 * @param authenticators those that the route accepts, one per issuer
 * @throws {RangeError} two of them have the same issuer
 */
export function issuerAuthenticator(
  authenticators: readonly JwtAuthenticator[],
  cache?: TokenCache,
): (credential: Credential) => MaybePromise<Principal> {
  const accepted: ReadonlySet<JwtAuthenticator> = new Set(authenticators)
  const byIssuer = new Map([...accepted].map(authenticator => [authenticator.issuer, authenticator]))
  if (byIssuer.size !== accepted.size) throw new RangeError('two providers have the same issuer')

  const verify = (token: string): MaybePromise<Principal> => {
    const jwt = parsed(token)
    const { iss } = jwt.claims
    // Without a usable `iss` no provider can be asked, so that is what it is, and not an invalid claim.
    const authenticator = typeof iss === 'string' ? byIssuer.get(iss) : undefined
    if (authenticator === undefined) throw new Denial('issuer_unknown', { evidence: issuerEvidence(iss) })
    if (cache !== undefined) return cache.verify(jwt, authenticator)
    return andThen(authenticator.verify(jwt), ({ principal }) => principal)
  }

  return ({ token }) => cache?.recall(token, accepted) ?? verify(token)
}

/** Three parts in base64url are token68, so the slower look at every character is left for what is refused anyway. */
function parsed(token: string): Jwt {
  try {
    return parseJwt(token)
  } catch (refusal) {
    if (isToken68(token)) throw refusal
    throw new Denial('request_malformed', { evidence: { reason: 'the token is not token68' } })
  }
}

function issuerEvidence(iss: unknown): Readonly<Record<string, unknown>> {
  return typeof iss === 'string' ? { iss: evidenceText(iss) } : { reason: 'iss is no string' }
}
