/** Tries the request of `sallyport explain` as a browser with a session sends it. */
import type { Config, RouteConfig } from '../config/schema/schema.ts'
import { FETCH_SITES, type FetchSite, fromBrowser, siteOf, takesSessions } from '../tools/engine/browser-request.ts'
import type { StandIn } from '../tools/engine/stand-in.ts'
import type { Claims, RequestFacts } from '../types.ts'
import { UsageError } from './command.ts'

/** What the options say of the browser and of the page that sends the request. */
export interface AskedBrowser {
  readonly site: FetchSite | undefined
  readonly origin: string | undefined
  readonly mode: 'navigate' | 'fetch'
}

/** @throws {UsageError} there is no such site */
export function fetchSite(given: string | undefined): FetchSite | undefined {
  const site = FETCH_SITES.find(each => each === given)
  if (given !== undefined && site === undefined)
    throw new UsageError(`--fetch-site takes ${FETCH_SITES.slice(0, -1).join(', ')} or ${FETCH_SITES.at(-1)}`)
  return site
}

/**
 * Puts the cookie of a session into the request; none where no route takes it.
 *
 * @throws {UsageError} the route takes no sessions
 */
export async function withSession(
  trusted: StandIn,
  config: Config,
  route: RouteConfig | undefined,
  {
    claims,
    request,
    browser,
  }: { readonly claims: Claims; readonly request: RequestFacts; readonly browser: AskedBrowser },
): Promise<{ readonly request: RequestFacts; readonly filledIn: Claims }> {
  const session = await trusted.session(claims, route)
  if (route !== undefined && !takesSessions(route, config))
    throw new UsageError(`--session has no effect: ${route.id} takes no sessions; ${whichDo(config)}`)
  const site = browser.site ?? siteOf(browser.origin, route, config)
  return {
    request: fromBrowser(request, { ...browser, site, cookie: session?.cookie }),
    filledIn: session?.filledIn ?? {},
  }
}

function whichDo(config: Config): string {
  const routes = config.routes.filter(route => takesSessions(route, config))
  return routes.length === 0 ? 'no route does' : `these do: ${routes.map(({ id }) => id).join(', ')}`
}
