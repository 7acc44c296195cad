/** Shows how the session of a request was judged: whether its page may use it, and whether it counts. */
import { isLogin, sessionProvider } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Denial } from '../../errors.ts'
import { fieldValues } from '../../lib/field-lines.ts'
import type { RequestFacts } from '../../types.ts'
import { originJudged } from '../engine/browser-request.ts'
import type { Trial } from '../engine/trial.ts'
import { denialText } from './denial-text.ts'
import type { ExplainedCheck } from './explained-check.ts'

/** @param request it has the cookie of a session */
export function sessionChecks(
  tried: Trial,
  request: RequestFacts,
  routeConfig: RouteConfig,
  config: Config,
): readonly ExplainedCheck[] {
  const judged = originJudged(request, routeConfig, config)
  const id = sessionProvider(config, routeConfig)
  if (judged === undefined || id === undefined) return []
  const { rules, use } = judged
  const own = [rules.publicOrigin, ...rules.allowOrigins].join(' or ')
  const isIgnored = use.verdict === 'ignored'
  const origin: ExplainedCheck = {
    check: 'origin',
    result: use.verdict === 'yes' ? 'ok' : 'fails',
    wanted: isIgnored ? `a page of ${own}, or a navigation` : `a page of ${own}`,
    saw: `${saidBy(request)}${isIgnored ? ', so that the session is not looked at' : ''}`,
  }
  return [origin, sessionCheck(tried, id, use.verdict === 'yes')]
}

function sessionCheck({ findings, denial }: Trial, id: string, isLookedAt: boolean): ExplainedCheck {
  const common = { check: 'session', wanted: `a session of ${id}` }
  if (!isLookedAt) return { ...common, result: 'skipped', saw: 'not looked at' }
  const refusal = denial ?? findings.reported
  if (refusal !== undefined && isOfSession(refusal)) return { ...common, result: 'fails', saw: denialText(refusal) }
  // Where nobody has to log in, whoever has a session that is over is nobody.
  if (refusal === undefined && findings.principal === undefined)
    return { ...common, result: 'fails', saw: 'one that is over' }
  return { ...common, result: 'ok', saw: 'one that lives' }
}

/** What a browser has said of the page. */
function saidBy({ rawHeaders }: RequestFacts): string {
  const said = ['Sec-Fetch-Site', 'Sec-Fetch-Mode', 'Origin'].flatMap(name => {
    const values = fieldValues(rawHeaders, name.toLowerCase())
    return values.length === 0 ? [] : [`${name}: ${values.join(', ')}`]
  })
  return said.join(', ') || 'nothing about the page'
}

/** Whether the request is refused for its session, so that nobody has looked at the token in it. */
export function isOfSession({ spec: { stage } }: Denial): boolean {
  return stage === 'session'
}

/** Says who may come, in words: whoever has one of these. */
export function wantedCredential(config: Config, accepted: readonly string[]): string {
  const tokens = accepted.filter(id => !isLogin(config.providers[id]))
  const logins = accepted.filter(id => isLogin(config.providers[id]))
  return [
    ...(logins.length === 0 ? [] : [`a session of ${logins.join(' or ')}`]),
    ...(tokens.length === 0 ? [] : [`a valid token of ${tokens.join(' or ')}`]),
  ].join(', or ')
}

/** Says whose token it is that a session of the route brings. */
export function wantedInSession(routeConfig: RouteConfig, config: Config): string {
  const provider = config.providers[sessionProvider(config, routeConfig) ?? '']
  const principal = provider && providerTraits(provider).logsIn?.principal
  return principal === undefined ? 'the ID token of the session' : `a valid token of ${principal} in the session`
}
