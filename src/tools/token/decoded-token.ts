/**
 * Takes a token apart for a person to look at. Nothing is verified, and nothing is refused either, since people look at
 * the tokens that the gateway refuses.
 *
 * RFC 7515 §3.1, RFC 7519 §4.1. The signature is never part of the result.
 */
import { confirmationOf } from '../../authenticate/confirmation.ts'
import { parseJwt } from '../../authenticate/jwt/parse-jwt.ts'
import { Denial } from '../../errors.ts'
import type { Claims } from '../../types.ts'
import { denialText } from '../explain/denial-text.ts'
import { jsonPart } from '../text/json-part.ts'
import { distance, exactTime } from '../text/moments.ts'
import { shown } from '../text/shown.ts'

export interface DecodedToken {
  /** A part that cannot be read is undefined. */
  readonly header: unknown
  readonly claims: unknown
  /** These are the times among the claims, in words. */
  readonly times: readonly TimeInWords[]
  /** The reason why the gateway would not even begin to verify the token; undefined when it would. */
  readonly problem: string | undefined
}

interface TimeInWords {
  readonly claim: string
  readonly at: string
  readonly inWords: string
}

const TIME_CLAIMS = ['iat', 'nbf', 'auth_time', 'updated_at', 'exp'] as const

export function decodedToken(token: string, nowMs: number): DecodedToken {
  const [header = '', payload = ''] = token.split('.')
  const claims = jsonPart(payload)
  return shown({ header: jsonPart(header), claims, times: times(claims, nowMs), problem: problemOf(token) })
}

/**
 * Reads to which key a token is bound.
 *
 * @returns undefined for what is no JWT, since nobody can read it; `jkt` is undefined for a token that is bound to none
 */
export function boundKeyOf(token: string): { readonly jkt: string | undefined } | undefined {
  const claims = jsonPart(token.split('.')[1] ?? '')
  if (typeof claims !== 'object' || claims === null) return undefined
  return { jkt: confirmationOf(claims as Claims)?.jkt }
}

function problemOf(token: string): string | undefined {
  try {
    parseJwt(token)
    return undefined
  } catch (error) {
    if (error instanceof Denial) return denialText(error)
    throw error
  }
}

function times(claims: unknown, nowMs: number): readonly TimeInWords[] {
  if (typeof claims !== 'object' || claims === null) return []
  const members = claims as Readonly<Record<string, unknown>>
  return TIME_CLAIMS.flatMap(claim => {
    const seconds = members[claim]
    if (typeof seconds !== 'number') return []
    const date = new Date(seconds * 1000)
    if (Number.isNaN(date.getTime())) return [{ claim, at: String(seconds), inWords: 'not a time in seconds' }]
    return [{ claim, at: exactTime(date.getTime()), inWords: distance(seconds * 1000 - nowMs) }]
  })
}
