/**
 * Tells a refused client, in a header and in the body, why it was refused and what to do about it.
 *
 * RFC 6750 §3 (`WWW-Authenticate: Bearer`), §3.1 (when to name an error); RFC 9449 §7.1 and §9 (`DPoP`); RFC 9470 §3
 * (step-up); RFC 9728 §5.1 (`resource_metadata`); RFC 9110 §5.6.4 (quoted-string), §11.6.1; RFC 9457 (problem details).
 * Texts are fixed per code: nothing from the request gets in here but its checked id.
 */
import { DENIALS, type DenialCode, type DenialSpec } from '../errors.ts'
import { fieldValue } from '../lib/field-lines.ts'
import type { RouteChallenge } from '../policy.ts'
import type { AuthScheme } from '../types.ts'

interface ChallengeOptions {
  readonly realm: string
  /** Undefined when no route was found. */
  readonly route: RouteChallenge | undefined
  /** Undefined when the request has brought neither. */
  readonly used: AuthScheme | undefined
  /** Scopes that are needed in place of the route's, space-separated. */
  readonly scope?: string | undefined
}

/**
 * Returns the values of `WWW-Authenticate` for every 401, and for every other refusal of a credential: one for each
 * scheme that may get in, of which only the one that was used names the error.
 *
 * @returns none for all other refusals: a caller cannot mend an outage of ours by logging in
 */
export function challenges(code: DenialCode, { realm, route, used, scope }: ChallengeOptions): readonly string[] {
  const { status, error, title }: DenialSpec = DENIALS[code]
  if (status !== 401 && error === undefined) return []
  const schemes = schemesOf(route)
  const told = schemes.find(scheme => scheme === used) ?? schemes[0]
  return schemes.map(scheme => {
    const parameters: ReadonlyArray<readonly [name: string, value: string | undefined]> = [
      ['realm', realm],
      ['scope', scope ?? route?.scope],
      ...(scheme === told && error !== undefined ? errorParameters({ error, title }, route) : []),
      ['resource_metadata', route?.resourceMetadata],
      ['algs', scheme === 'DPoP' ? route?.proofAlgorithms : undefined],
    ]
    const written = parameters.flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [`${name}=${quoted(value)}`],
    )
    return `${scheme} ${written.join(', ')}`
  })
}

function schemesOf(route: RouteChallenge | undefined): ReadonlyArray<AuthScheme | 'Session'> {
  if (route?.takesTokens === false) return ['Session']
  if (route?.proofAlgorithms === undefined) return ['Bearer']
  return route.takesBearer ? ['Bearer', 'DPoP'] : ['DPoP']
}

function errorParameters(
  { error, title }: Pick<DenialSpec, 'error' | 'title'>,
  route: RouteChallenge | undefined,
): ReadonlyArray<readonly [name: string, value: string | undefined]> {
  const stepUp = error === 'insufficient_user_authentication'
  return [
    ['error', error],
    ['error_description', title],
    ['acr_values', stepUp ? route?.acrValues : undefined],
    ['max_age', stepUp ? route?.maxAgeSeconds?.toString() : undefined],
  ]
}

/** Returns the scheme of the credential that a request has brought, for the challenge that names its error. */
export function usedScheme(rawHeaders: readonly string[]): AuthScheme | undefined {
  const value = fieldValue(rawHeaders, 'authorization')
  if (value === undefined) return undefined
  return /^dpop(?: |$)/i.test(value) ? 'DPoP' : 'Bearer'
}

/** Returns what the body says, as in `application/problem+json`. */
export function problem(code: DenialCode, requestId: string): Readonly<Record<string, string | number>> {
  const { status, title }: DenialSpec = DENIALS[code]
  return { type: `urn:sallyport:denial:${code}`, title, status, code, request_id: requestId }
}

/** Realm and scopes come from the configuration. What no header may carry becomes `?`, so that nothing throws. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
