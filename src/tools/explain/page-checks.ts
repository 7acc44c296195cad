/**
 * Shows what a route says about pages of other origins, of a preflight and of a request that a page has sent.
 *
 * A check that fails need not refuse anything: a page may be kept from reading an answer that it gets, and a browser
 * does not send what the answer to its preflight does not name.
 */
import type { Denial } from '../../errors.ts'
import { fieldValues } from '../../lib/field-lines.ts'
import type { Policy } from '../../policy.ts'
import { FORWARDED } from '../../route/methods.ts'
import { type Preflight, preflightOf } from '../../route/preflight.ts'
import type { RequestFacts } from '../../types.ts'
import { type AskedPreflight, headersRefused } from '../engine/asked-preflight.ts'
import type { Trial } from '../engine/trial.ts'
import { denialText } from './denial-text.ts'
import type { ExplainedCheck } from './explained-check.ts'

/** Shows why a page may send the request, or may not. */
export function preflightChecks(preflight: AskedPreflight, tried: Trial): readonly ExplainedCheck[] {
  const { findings, denial } = tried
  const { cors } = findings.route ?? {}
  if (cors === undefined) return []
  const { origin, method, headers } = preflight
  const refused = headersRefused(preflight, tried)
  return [
    {
      check: 'cors.origins',
      result: cors.grants(origin) ? 'ok' : 'fails',
      wanted: cors.rules.origins.join(' or '),
      saw: origin,
    },
    ...(denial?.evidence?.requirement === 'method' ? [methodCheck(method)] : []),
    ...(headers.length === 0
      ? []
      : [
          {
            check: 'cors.headers',
            result: refused.length === 0 ? ('ok' as const) : ('fails' as const),
            wanted: cors.rules.headers.join(' ') || 'none',
            saw: refused.length === 0 ? headers.join(' ') : `${refused.join(' ')}, so that the browser sends nothing`,
          },
        ]),
    { check: 'token', result: 'skipped', wanted: 'nothing: a preflight brings none', saw: 'not looked at' },
  ]
}

function methodCheck(method: string): ExplainedCheck {
  const upper = method.toUpperCase()
  const hint = upper !== method && FORWARDED.includes(upper) ? `, and not ${upper}: a page has to write it so` : ''
  return { check: 'method', result: 'fails', wanted: 'a method that is ever forwarded', saw: `${method}${hint}` }
}

/** Shows of an ordinary request whether a page may read the answer, and whether its origin is let in. */
export function pageChecks(
  request: RequestFacts,
  { findings, denial }: Trial,
  policy: Policy,
): readonly ExplainedCheck[] {
  const { route } = findings
  if (route?.cors === undefined) return ordinaryOptions(request, policy)
  const { grants, rules } = route.cors
  const [origin, ...others] = fieldValues(request.rawHeaders, 'origin')
  if (origin === undefined) return []
  const saw = denial === undefined ? '' : denialText(denial)
  if (others.length > 0) return [{ check: 'cors', result: 'fails', wanted: 'one Origin at most', saw }]
  const isGranted = grants(origin)
  return [
    {
      check: rules.enforceOrigin ? 'cors.enforceOrigin' : 'cors.origins',
      result: isGranted ? 'ok' : 'fails',
      wanted: rules.origins.join(' or '),
      saw: `${origin}, whose pages ${isGranted ? 'may' : 'may not'} read the answer`,
    },
  ]
}

/** Whether the request is refused for its origin, so that nobody has asked who is calling. */
export function isOfPage(refusal: Denial | undefined, request: RequestFacts): boolean {
  if (refusal?.code === 'origin_forbidden') return true
  return refusal?.code === 'request_malformed' && fieldValues(request.rawHeaders, 'origin').length > 1
}

/** Says why a preflight is none for the gateway, and goes the way of any request. */
function ordinaryOptions(request: RequestFacts, { matcher }: Policy): readonly ExplainedCheck[] {
  const preflight = meantBy(request)
  if (preflight === undefined) return []
  const meant = matcher.match(preflight.method, request.target.split('?', 1)[0] ?? '')
  const saw = meant === undefined ? 'no route' : `${meant.id}, which has none, so this is an ordinary request`
  return [{ check: 'cors', result: 'skipped', wanted: `\`cors\` on the route of ${preflight.method}`, saw }]
}

/** Returns the request that a page has in mind; undefined for what is no preflight, or is a malformed one. */
export function meantBy({ method, rawHeaders }: RequestFacts): Preflight | undefined {
  const isTwice = (name: string) => fieldValues(rawHeaders, name).length > 1
  if (method !== 'OPTIONS' || isTwice('origin') || isTwice('access-control-request-method')) return undefined
  return preflightOf(rawHeaders)
}
