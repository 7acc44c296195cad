/**
 * Finds routes that no session gets through, and pages that a session is of no use to, though both were probably meant
 * to work.
 */
import type { Path } from '../../config/check/findings.ts'
import { sessionProvider } from '../../config/schema/accepted.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'

interface DoubtfulSessionRoute {
  readonly code: 'session-scope-unasked' | 'session-cors-unlisted'
  readonly path: Path
  readonly message: string
}

interface SessionRoute {
  readonly route: RouteConfig
  readonly at: Path
  readonly login: { readonly id: string; readonly provider: ProviderConfigs['session'] }
}

export function doubtfulSessionRoutes(config: Config): readonly DoubtfulSessionRoute[] {
  const routes = config.routes.flatMap((route, index): readonly SessionRoute[] => {
    const id = route.access === 'public' ? undefined : sessionProvider(config, route)
    const provider = id === undefined ? undefined : config.providers[id]
    return id === undefined || provider?.type !== 'session'
      ? []
      : [{ route, at: ['routes', index], login: { id, provider } }]
  })
  const unlisted = routes.flatMap(each => unlistedOrigins(config, each))
  return [
    ...routes.flatMap(each => unaskedScopes(config, each)),
    // Many routes share one block, and one of them is reason enough.
    ...new Map(unlisted.map(each => [each.path.join('\0'), each])).values(),
  ]
}

/** Some providers grant scopes that nobody has asked for, and many put other things into a claim of their own. */
function unaskedScopes(
  { providers }: Config,
  { route: { id, require }, at, login }: SessionRoute,
): readonly DoubtfulSessionRoute[] {
  const { principal, scopes } = login.provider
  const judge = principal === 'idToken' ? undefined : providers[principal]
  if (judge !== undefined && 'scopeClaim' in judge && judge.scopeClaim !== undefined) return []
  const lacks = (scope: string) => !scopes.some(asked => asked === scope || asked.endsWith(`/${scope}`))
  const remedy = `add it there, unless provider \`${login.id}\` grants it unasked`
  const { scopes: all = [], anyScope = [] } = require ?? {}
  const found = all.flatMap((scope, position): readonly DoubtfulSessionRoute[] => {
    if (!lacks(scope)) return []
    const message = `\`${scope}\` is not among the \`scopes\` that the login asks for, so that sessions get no further than route \`${id}\`; ${remedy}`
    return [{ code: 'session-scope-unasked', path: [...at, 'require', 'scopes', position], message }]
  })
  if (anyScope.length === 0 || !anyScope.every(lacks)) return found
  const message = `has none of the \`scopes\` that the login asks for, so that sessions get no further than route \`${id}\`; ${remedy.replace('it', 'one')}`
  return [...found, { code: 'session-scope-unasked', path: [...at, 'require', 'anyScope'], message }]
}

/** A page needs no cookie for what comes with tokens, so whoever allows cookies here means the session. */
function unlistedOrigins(
  { cors }: Config,
  { route: { id, cors: own }, at, login }: SessionRoute,
): readonly DoubtfulSessionRoute[] {
  const rules = own ?? cors
  if (rules === undefined || rules === 'off' || !rules.credentials) return []
  const { allowOrigins, publicUrl } = login.provider
  const path = own === undefined ? ['cors', 'origins'] : [...at, 'cors', 'origins']
  return rules.origins.flatMap((origin, position): readonly DoubtfulSessionRoute[] => {
    const isListed = origin.includes('*') ? allowOrigins.length > 0 : [publicUrl, ...allowOrigins].includes(origin)
    if (isListed) return []
    const message = `may send cookies to route \`${id}\`, where its session would not be looked at; add the origin to \`allowOrigins\` of \`${login.id}\`, or leave \`credentials\` out`
    return [{ code: 'session-cors-unlisted', path: [...path, position], message }]
  })
}
