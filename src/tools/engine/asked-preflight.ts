/**
 * Says what a browser makes of the answer to a preflight: whether a page may send the request that it has in mind.
 *
 * Fetch Standard (CORS-preflight fetch, steps 7 on). The gateway names in its answer what may be sent, and does not
 * refuse a preflight for a header that it does not name; the browser does.
 */
import { fieldValues } from '../../lib/field-lines.ts'
import { type Preflight, preflightOf } from '../../route/preflight.ts'
import type { RequestFacts } from '../../types.ts'
import type { Trial } from './trial.ts'

export interface AskedPreflight extends Preflight {
  /** The headers that the page wants to send, in lower case. */
  readonly headers: readonly string[]
}

/**
 * What the gateway answers itself although it has found a route for it is a preflight, and nothing else is.
 *
 * @returns undefined for a request that the gateway has not judged as a preflight
 */
export function preflightIn({ rawHeaders }: RequestFacts, tried: Trial): AskedPreflight | undefined {
  const { findings, answer, denial } = tried
  if (findings.route === undefined || (answer === undefined && denial?.code !== 'cors_refused')) return undefined
  const preflight = preflightOf(rawHeaders)
  return preflight && { ...preflight, headers: listed(fieldValues(rawHeaders, 'access-control-request-headers')) }
}

/** Returns the headers that the page wants to send and may not; none where the preflight is refused anyway. */
export function headersRefused({ headers }: AskedPreflight, { answer }: Trial): readonly string[] {
  if (answer === undefined) return []
  const granted = listed(fieldValues(answer.headers, 'access-control-allow-headers'))
  return headers.filter(name => !granted.includes(name))
}

function listed(lines: readonly string[]): readonly string[] {
  return lines.flatMap(line => line.split(',')).flatMap(name => name.trim().toLowerCase() || [])
}
