/**
 * Reads what a token endpoint gave, once oauth4webapi has judged it, and judges what that leaves.
 *
 * RFC 6749 §5.1, OpenID Connect Core 1.0 §12.2 (the ID token of a refresh). Nobody has verified the signature of an ID
 * token here.
 */
import type { TokenEndpointResponse } from 'oauth4webapi'
import type { Claims, JsonValue } from '../types.ts'
import type { OAuthLibrary } from './library.ts'
import { OAuthFailure } from './oauth-failure.ts'

export interface TokenAnswer {
  readonly accessToken: string
  /** Undefined: the provider did not say. */
  readonly expiresInSeconds: number | undefined
  /** Undefined: there is none, or no new one: the one in hand stays good. */
  readonly refreshToken: string | undefined
  /** It is there after a login. Its signature is for the caller to verify. */
  readonly idToken: string | undefined
  /** Claims of `idToken`: issuer, audience, times and nonce are judged, the signature is not. */
  readonly idClaims: Claims | undefined
  readonly scope: string | undefined
}

/** A number of seconds beyond this one cannot be added to a date. */
const LONGEST_SECONDS = 315_360_000

/** @throws {OAuthFailure} the tokens are bound to keys that we do not have */
export function tokenAnswer(
  { getValidatedIdTokenClaims }: Pick<OAuthLibrary, 'getValidatedIdTokenClaims'>,
  answer: TokenEndpointResponse,
): TokenAnswer {
  if (answer.token_type !== 'bearer')
    throw new OAuthFailure('invalid', 'the provider did not answer well: its token is no Bearer token')
  const { expires_in: seconds } = answer
  return {
    accessToken: answer.access_token,
    expiresInSeconds: seconds === undefined ? undefined : Math.min(seconds, LONGEST_SECONDS),
    refreshToken: answer.refresh_token,
    idToken: answer.id_token,
    idClaims: getValidatedIdTokenClaims(answer) as Claims | undefined,
    scope: answer.scope,
  }
}

/** @throws {OAuthFailure} the ID token of the refresh, if there is one, is about another login */
export function requireSameLogin({ idClaims }: TokenAnswer, before: Claims | undefined): void {
  if (idClaims === undefined || before === undefined) return
  const other = ['iss', 'sub', 'aud'].find(name => sortedText(idClaims[name]) !== sortedText(before[name]))
  if (other === undefined) return
  throw new OAuthFailure('invalid', `the provider did not answer well: a refresh changed ${other} of the ID token`)
}

/** One audience may be written as a list, and a list has no order. */
function sortedText(value: JsonValue | undefined): string {
  return JSON.stringify((Array.isArray(value) ? value : [value]).map(each => JSON.stringify(each)).sort())
}
