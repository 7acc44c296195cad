/**
 * Authenticates a bearer token: takes it apart once and hands it to the provider its `iss` names.
 *
 * RFC 7519 §4.1.1 (`iss`), RFC 8725 §3.8 and §3.9. The claim is not trusted by that: the provider's keys decide, and
 * are only asked about tokens that claim to come from it. Issuers are compared byte for byte; no URL is normalised.
 * Without a cache every token is verified on every use, which is what a command that explains a refusal wants.
 */
import { Denial } from '../errors.ts'
import type { Authenticator } from '../types.ts'
import { parseJwt } from './compact-jws.ts'
import { evidenceText } from './evidence.ts'
import type { JwtAuthenticator } from './jwt.ts'
import type { TokenCache } from './token-cache.ts'

/**
 * @param authenticators those that the route accepts, one per issuer
 * @throws {RangeError} two of them have the same issuer
 */
export function issuerAuthenticator(authenticators: readonly JwtAuthenticator[], cache?: TokenCache): Authenticator {
  const accepted: ReadonlySet<JwtAuthenticator> = new Set(authenticators)
  const byIssuer = new Map([...accepted].map(authenticator => [authenticator.issuer, authenticator]))
  if (byIssuer.size !== accepted.size) throw new RangeError('two providers have the same issuer')

  const verify = async (token: string) => {
    const jwt = parseJwt(token)
    const { iss } = jwt.claims
    // Without a usable `iss` no provider can be asked, so that is what it is, and not an invalid claim.
    const authenticator = typeof iss === 'string' ? byIssuer.get(iss) : undefined
    if (authenticator === undefined) throw new Denial('issuer_unknown', { evidence: issuerEvidence(iss) })
    return cache === undefined ? (await authenticator.verify(jwt)).principal : cache.verify(jwt, authenticator)
  }

  return ({ token }) => cache?.recall(token, accepted) ?? verify(token)
}

function issuerEvidence(iss: unknown): Readonly<Record<string, unknown>> {
  return typeof iss === 'string' ? { iss: evidenceText(iss) } : { reason: 'iss is no string' }
}
