/**
 * Tells a refused client, in a header and in the body, why it was refused and what to do about it.
 *
 * RFC 6750 §3 (`WWW-Authenticate: Bearer`), §3.1 (when to name an error); RFC 9110 §5.6.4 (quoted-string), §11.6.1;
 * RFC 9457 (problem details). Texts are fixed per code: nothing from the request gets in here but its checked id.
 */
import { DENIALS, type DenialCode, type DenialSpec } from '../errors.ts'

interface ChallengeOptions {
  readonly realm: string
  /** What the route asks for, space-separated; undefined when it asks for no scope or no route was found. */
  readonly scope?: string | undefined
}

/**
 * Returns the value of `WWW-Authenticate` for every 401, and for every other refusal of a credential.
 *
 * @returns undefined for all other refusals: a caller cannot mend an outage of ours by logging in
 */
export function challenge(code: DenialCode, { realm, scope }: ChallengeOptions): string | undefined {
  const { status, error, title }: DenialSpec = DENIALS[code]
  if (status !== 401 && error === undefined) return undefined
  let value = `Bearer realm=${quoted(realm)}`
  if (scope !== undefined && scope !== '') value += `, scope=${quoted(scope)}`
  if (error !== undefined) value += `, error=${quoted(error)}, error_description=${quoted(title)}`
  return value
}

/** Returns the body, which is `application/problem+json`. */
export function problem(code: DenialCode, requestId: string): string {
  const { status, title }: DenialSpec = DENIALS[code]
  return JSON.stringify({ type: `urn:sallyport:denial:${code}`, title, status, code, request_id: requestId })
}

/** Realm and scopes come from the configuration. What no header may carry becomes `?`, so that nothing throws. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
