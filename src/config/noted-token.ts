/** Has the token that a caller brought noted, on the way of a request, where one is to be exchanged for it. */
import { andThen } from '../lib/maybe-promise.ts'
import type { RouteSession } from '../policy.ts'
import type { IssuedTokens } from '../token-exchange/issued-tokens.ts'
import type { Authenticator } from '../types.ts'

/** Keeps the token that a caller brought, for as long as there are claims of it. */
export function notingToken(authenticate: Authenticator, issued: IssuedTokens): Authenticator {
  return (credential, facts, notes) =>
    andThen(authenticate(credential, facts, notes), principal => {
      issued.brought(principal, credential.token)
      return principal
    })
}

export function notingTokenOfSession(session: RouteSession, issued: IssuedTokens): RouteSession {
  return {
    ...session,
    authenticate: (facts, notes) =>
      andThen(session.authenticate(facts, notes), principal => {
        const token = principal && session.tokenOf(principal)
        if (principal !== undefined && token !== undefined) issued.brought(principal, token)
        return principal
      }),
  }
}
