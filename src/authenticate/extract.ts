/**
 * Takes the token out of a request: `Authorization: Bearer <token68>`, or `DPoP` in place of `Bearer` where proofs are
 * judged, exactly once, and nowhere else.
 *
 * RFC 6750 §2.1 (syntax), §2 (one method per request); RFC 9449 §7.1 (DPoP); RFC 9110 §11.1 (schemes ignore case),
 * §11.4 (credentials). The token itself is not looked at: the authenticator does that, unless it remembers the token.
 * Tokens in query or body (§2.2, §2.3) are ignored.
 */
import { Denial } from '../errors.ts'
import { isToken } from '../lib/field-name.ts'
import { isToken68 } from '../lib/token68.ts'
import type { AuthScheme, Credential, CredentialRules } from '../types.ts'

/**
 * @param rawHeaders flat names and values, as received
 * @returns undefined when there is no `Authorization` line at all
 * @throws {Denial} `request_malformed`, `scheme_unsupported`, or `token_too_large` for a token over the limit. Its
 *   evidence never holds what was sent, because a client that forgot the scheme has put its token there.
 */
export function extractCredential(rawHeaders: readonly string[], rules: CredentialRules): Credential | undefined {
  const value = onlyAuthorization(rawHeaders)
  if (value === undefined) return undefined
  const blank = value.indexOf(' ')
  const schemeEnd = blank === -1 ? value.length : blank
  const scheme = schemeOf(value.slice(0, schemeEnd), rules)
  const token = after(value, schemeEnd)
  if (token.length <= rules.tokenBytes) return { token, scheme }
  if (!isToken68(token)) throw malformed('the token is not token68')
  throw tokenTooLarge(token, rules.tokenBytes)
}

/** Refuses a token for its length alone, wherever it came from. */
export function tokenTooLarge({ length }: string, maxTokenBytes: number): Denial {
  return new Denial('token_too_large', { evidence: { token_bytes: length, limit_bytes: maxTokenBytes } })
}

/** Two lines are refused even when they agree: a service that reads the other one could see another caller. */
function onlyAuthorization(rawHeaders: readonly string[]): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 13 || name.toLowerCase() !== 'authorization') continue
    if (value !== undefined) throw malformed('more than one Authorization line')
    value = rawHeaders[i + 1] as string
  }
  return value
}

function schemeOf(written: string, { takesProofs }: CredentialRules): AuthScheme {
  if (written === 'Bearer') return 'Bearer'
  if (!isToken(written)) throw malformed('no authentication scheme')
  const lower = written.toLowerCase()
  if (lower === 'bearer') return 'Bearer'
  if (lower === 'dpop' && takesProofs) return 'DPoP'
  throw new Denial('scheme_unsupported')
}

function after(value: string, schemeEnd: number): string {
  let tokenStart = schemeEnd
  while (value[tokenStart] === ' ') tokenStart++
  return value.slice(tokenStart)
}

function malformed(reason: string): Denial {
  return new Denial('request_malformed', { evidence: { reason } })
}
