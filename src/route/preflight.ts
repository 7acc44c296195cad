/**
 * Reads and answers preflights: what a browser asks before it sends a request that a page may not send unasked.
 *
 * Fetch Standard (CORS-preflight fetch). A preflight brings no token, so it is answered before anybody looks for one,
 * by the rules of the route that the *real* request will meet. Attack: whoever lets everything pass that looks like a
 * preflight, or takes it to the service, has a way around its policy (istio#45716, envoy#38556).
 */
import { Denial } from '../errors.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import type { Cors } from './cors.ts'
import type { Resolution } from './match.ts'
import { FORWARDED } from './methods.ts'

export interface Preflight {
  readonly origin: string
  /** The method that the real request will have. */
  readonly method: string
}

/**
 * @returns undefined for an OPTIONS that is no preflight, and an ordinary request
 * @throws {Denial} `request_malformed`: a line is there twice
 */
export function preflightOf(rawHeaders: readonly string[]): Preflight | undefined {
  const origin = only(rawHeaders, 'origin')
  const method = only(rawHeaders, 'access-control-request-method')
  return origin === undefined || method === undefined ? undefined : { origin, method }
}

function only(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== name) continue
    if (found !== undefined) throw new Denial('request_malformed', { evidence: { what: `more than one ${name}` } })
    found = rawHeaders[i + 1]
  }
  return found
}

interface Routes<R> {
  /** @throws {Denial} */
  resolve(method: string): Resolution<R>
  corsOf(route: R): Cors | undefined
}

/**
 * Finds the route that the real request will meet. Where that route has no `cors`, the preflight is an ordinary OPTIONS
 * request, and is refused if it would then meet another route that has `cors`.
 *
 * @throws {Denial} `cors_refused`, or what the matcher throws
 */
export function preflightRoute<R extends { readonly path: string }>(
  { method }: Preflight,
  { resolve, corsOf }: Routes<R>,
): Resolution<R> {
  const meant = resolved(() => resolve(method))
  if (meant !== undefined && corsOf(meant.route) !== undefined) return meant
  const ordinary = resolved(() => resolve('OPTIONS'))
  if (ordinary !== undefined && corsOf(ordinary.route) === undefined) return ordinary
  // The rules of the route of OPTIONS are about that route alone.
  if (ordinary === undefined || meant === undefined)
    throw new Denial('route_unknown', { evidence: { preflight_for: evidenceText(method) } })
  throw refused({ requirement: 'cors', wanted: `cors on ${meant.route.path}`, seen: 'none' })
}

/** @returns undefined when no route takes the request */
function resolved<T>(resolve: () => T): T | undefined {
  try {
    return resolve()
  } catch (error) {
    if (error instanceof Denial && error.code === 'route_unknown') return undefined
    throw error
  }
}

/** The methods that a browser is told of, where their routes let a page send as much: nearly all that pages use. */
const TOLD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/**
 * @param corsOf what the route of a method on this path says; undefined without a route, or where it says nothing
 * @returns the lines of the answer, flat names and values
 * @throws {Denial} `cors_refused`
 */
export function preflightLines(
  { origin, method }: Preflight,
  rules: Cors,
  corsOf: (method: string) => Cors | undefined,
): readonly string[] {
  // The gateway never forwards any other method, CONNECT and TRACE among them.
  if (!FORWARDED.includes(method)) throw refused({ requirement: 'method', seen: evidenceText(method) })
  if (!rules.grants(origin))
    throw refused({ requirement: 'cors.origins', accepted: rules.rules.origins, seen: evidenceText(origin) })
  const others = TOLD.filter(told => told !== method && grantsAsMuch(corsOf(told), rules, origin))
  return rules.preflightLines(origin, [method, ...others])
}

/** Browsers keep the methods with the headers and with the leave to send cookies, as if each held for all of them. */
function grantsAsMuch(other: Cors | undefined, { rules }: Cors, origin: string): boolean {
  if (other === undefined || !other.grants(origin)) return false
  const { credentials, headers } = other.rules
  return (credentials || !rules.credentials) && rules.headers.every(name => headers.includes(name))
}

function refused(evidence: Readonly<Record<string, unknown>>): Denial {
  return new Denial('cors_refused', { evidence })
}
