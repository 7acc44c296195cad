/**
 * Says to a refused client, in the header and in the body, what to do about it.
 *
 * RFC 6750 §3 (`WWW-Authenticate: Bearer`), §3.1 (when to name an error); RFC 9110 §5.6.4 (quoted-string), §11.6.1;
 * RFC 9457 (problem details). Texts are fixed per code: nothing from the request gets in here but its checked id.
 */
import { DENIALS, type DenialCode, type DenialSpec } from '../errors.ts'

export interface ChallengeOptions {
  readonly realm: string
  /** What the route asks for, space-separated; undefined when it asks for no scope or no route was found. */
  readonly scope?: string | undefined
}

/**
 * The value of `WWW-Authenticate`: for every 401 and wherever a credential was rejected.
 * Undefined for the rest: our own outage is not the caller's to mend by logging in.
 */
export function challenge(code: DenialCode, { realm, scope }: ChallengeOptions): string | undefined {
  const { status, error, title }: DenialSpec = DENIALS[code]
  if (status !== 401 && error === undefined) return undefined
  let value = `Bearer realm=${quoted(realm)}`
  if (scope !== undefined && scope !== '') value += `, scope=${quoted(scope)}`
  if (error !== undefined) value += `, error=${quoted(error)}, error_description=${quoted(title)}`
  return value
}

/** The body, `application/problem+json`. */
export function problem(code: DenialCode, requestId: string): string {
  const { status, title }: DenialSpec = DENIALS[code]
  return JSON.stringify({ type: `urn:sallyport:denial:${code}`, title, status, code, request_id: requestId })
}

/** Realm and scopes come from the configuration; what no header may carry is replaced rather than left to throw. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
