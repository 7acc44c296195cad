/**
 * Reads a `sub` that is a number as its decimal text, for issuers that number their users.
 *
 * RFC 7519 §4.1.2 has a string there. A number is taken only where nobody could read it as another one: from 0 to
 * 2^53 - 1, past which doubles skip integers, and in plain digits, since `1e3` and `1.0` have more than one text.
 */
import { Denial } from '../../errors.ts'
import type { Claims } from '../../types.ts'
import type { Jwt } from './parse-jwt.ts'

/**
 * @returns the claims, in which `sub` is text wherever it was a number
 * @throws {Denial} `claim_invalid`: the number has more than one text, or stands for more than one number
 */
export function withSubjectText({ claims, payload }: Pick<Jwt, 'claims' | 'payload'>): Claims {
  const { sub } = claims
  if (typeof sub !== 'number') return claims
  if (Number.isSafeInteger(sub) && digitsOf(payload) === String(sub))
    return Object.freeze({ ...claims, sub: String(sub) })
  const reason = 'a number, but not from 0 to 2^53 - 1 in plain digits'
  throw new Denial('claim_invalid', { evidence: { claim: 'sub', reason } })
}

/** What a reviver is told since ECMAScript 2026: how a number or string is written. */
interface ReviverContext {
  readonly source?: string
}

/** @returns how the `sub` of the outermost object is written, if that is in digits only */
function digitsOf(payload: Buffer): string | undefined {
  const written = new Map<unknown, string | undefined>()
  const note = function (this: unknown, name: string, value: unknown, { source }: ReviverContext): unknown {
    if (name === 'sub') written.set(this, source)
    return value
  }
  const outermost: unknown = JSON.parse(
    payload.toString('utf8'),
    note as (this: unknown, name: string, value: unknown) => unknown,
  )
  const source = written.get(outermost)
  return source !== undefined && /^\d+$/.test(source) ? source : undefined
}
