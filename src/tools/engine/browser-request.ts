/**
 * Makes a request what a browser would send: with the cookie of a session, and with what it says of the page that it
 * comes from.
 *
 * Fetch Metadata Request Headers §2 (Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Fetch-Site). What the request says already
 * stays as it is.
 */
import { sessionProvider } from '../../config/schema/accepted.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { fieldValues } from '../../lib/field-lines.ts'
import { isWebSocketHandshake } from '../../lib/websocket-handshake.ts'
import { originRulesOf } from '../../run/session-routes.ts'
import { SESSION_COOKIE } from '../../session/cookie-names.ts'
import { type OriginRules, type SessionUseByOrigin, sessionUseByOrigin } from '../../session/request-origin.ts'
import type { RequestFacts } from '../../types.ts'

/** Where the page is that sends the request; `none` is what the user begins, `absent` a browser that does not say. */
export const FETCH_SITES = ['same-origin', 'same-site', 'cross-site', 'none', 'absent'] as const
export type FetchSite = (typeof FETCH_SITES)[number]

interface BrowserRequest {
  /** Undefined: the browser has none. */
  readonly cookie: string | undefined
  readonly site: FetchSite
  /** The origin of the page; undefined where the browser sends none. */
  readonly origin: string | undefined
  /** `navigate`: the browser is about to show a page in a tab. */
  readonly mode: 'navigate' | 'fetch'
}

export function fromBrowser(facts: RequestFacts, { cookie, site, origin, mode }: BrowserRequest): RequestFacts {
  const asked: ReadonlyArray<readonly [string, string]> = [
    ...(origin === undefined ? [] : [['Origin', origin] as const]),
    ...(site === 'absent' ? [] : ([['Sec-Fetch-Site', site], ...modeLines(facts, mode)] as const)),
    ...(mode === 'navigate' ? [['Accept', 'text/html'] as const] : []),
  ]
  const added = asked.filter(([name]) => fieldValues(facts.rawHeaders, name.toLowerCase()).length === 0)
  const cookies = cookie === undefined ? [] : ['Cookie', `${SESSION_COOKIE}=${cookie}`]
  return { ...facts, rawHeaders: [...facts.rawHeaders, ...added.flat(), ...cookies] }
}

function modeLines(facts: RequestFacts, mode: BrowserRequest['mode']): ReadonlyArray<readonly [string, string]> {
  if (mode === 'navigate')
    return [
      ['Sec-Fetch-Mode', 'navigate'],
      ['Sec-Fetch-Dest', 'document'],
    ]
  return [['Sec-Fetch-Mode', isWebSocketHandshake(facts) ? 'websocket' : 'cors']]
}

export function takesSessions(route: RouteConfig, config: Config): boolean {
  return route.access !== 'public' && sessionProvider(config, route) !== undefined
}

/**
 * Returns what a browser says of a page with this origin. Cookies are sent for pages of the same site at most, whatever
 * their port. Which names are registered for whom is not known here, so of other hosts those count that are listed.
 */
export function siteOf(origin: string | undefined, route: RouteConfig | undefined, config: Config): FetchSite {
  const provider = config.providers[(route && sessionProvider(config, route)) ?? '']
  if (origin === undefined || provider?.type !== 'session' || origin === provider.publicUrl) return 'same-origin'
  return provider.allowOrigins.includes(origin) || isOtherPort(origin, provider.publicUrl) ? 'same-site' : 'cross-site'
}

function isOtherPort(origin: string, publicUrl: string): boolean {
  if (!URL.canParse(origin)) return false
  const [page, own] = [new URL(origin), new URL(publicUrl)]
  return page.protocol === own.protocol && page.hostname === own.hostname
}

/**
 * Says whether the request may use the session of its browser, as the gateway judges it.
 *
 * @returns undefined for a route that takes no sessions
 */
export function originJudged(
  facts: RequestFacts,
  route: RouteConfig,
  config: Config,
): { readonly rules: OriginRules; readonly use: SessionUseByOrigin } | undefined {
  const provider = config.providers[sessionProvider(config, route) ?? '']
  if (provider?.type !== 'session') return undefined
  const rules = originRulesOf(provider)
  return { rules, use: sessionUseByOrigin(facts, rules) }
}
