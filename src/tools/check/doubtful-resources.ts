/**
 * Finds where a protected resource, or a server of the Model Context Protocol, is less protected than it seems, or
 * cannot be found.
 *
 * RFC 9728 §2 (`authorization_servers`), §7.1 (TLS); MCP 2025-11-25, "Authorization" (no token is passed through).
 */

import type { Path } from '../../config/check/findings.ts'
import { authorizationServers, routesOf } from '../../config/resources.ts'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { Policy } from '../../policy.ts'
import { resolved, witnessMethods } from '../engine/reach.ts'

interface DoubtfulResource {
  readonly code:
    | 'resource-in-clear'
    | 'resource-without-issuer'
    | 'resource-elsewhere'
    | 'resource-audience-untold'
    | 'mcp-others-allowed'
    | 'mcp-token-forwarded'
  readonly path: Path
  readonly message: string
}

export function resourcesInClear({ resources }: Config): readonly DoubtfulResource[] {
  return Object.entries(resources).flatMap(([id, { url: text }]) => {
    const url = new URL(text)
    if (url.protocol === 'https:' || isLoopback(url)) return []
    const message =
      'is reached unencrypted: whoever reads along has the token, and can send clients to another issuer; write `https:`'
    return [{ code: 'resource-in-clear' as const, path: ['resources', id, 'url'], message }]
  })
}

export function resourcesWithoutIssuer(config: Config): readonly DoubtfulResource[] {
  return Object.keys(config.resources).flatMap(id => {
    if (authorizationServers(config, id).length > 0) return []
    const message =
      'tells clients of no authorization server, since its routes take the tokens of an issuer for each tenant, or of a trust domain, which is none; add a provider with one issuer, or tell clients where to log in'
    return [{ code: 'resource-without-issuer' as const, path: ['resources', id], message }]
  })
}

/** Clients come to the URL itself, where a server of MCP has to be. Of another API it may be what all paths share. */
export function resourcesElsewhere(config: Config, { matcher }: Policy): readonly DoubtfulResource[] {
  return Object.entries(config.resources).flatMap(([id, { url }]) => {
    const { pathname: path } = new URL(url)
    const routes = routesOf(config, id)
    const servers = routes.filter(({ mcp }) => mcp !== undefined)
    const meant = servers.length > 0 ? servers : routes
    const taking = new Set(witnessMethods(meant).map(method => resolved(matcher, method, path)?.id))
    const shared = path.endsWith('/') ? path : `${path}/`
    const isServed =
      meant.some(route => taking.has(route.id)) ||
      (servers.length === 0 && routes.some(route => route.path.startsWith(shared)))
    const [first] = meant
    if (isServed || first === undefined) return []
    const message = `has a path that none of its routes takes, so that what clients send there is lost, unless a proxy in front changes it; end it like the path of a route, \`${first.path}\``
    return [{ code: 'resource-elsewhere' as const, path: ['resources', id, 'url'], message }]
  })
}

/** What a provider lets pass without an audience, a resource refuses. */
export function audiencesNotTold({ providers, routes }: Config): readonly DoubtfulResource[] {
  return routes.flatMap((route, index) => {
    const { resource } = route
    const silent = acceptedProviders({ providers }, route).find(id => {
      const provider = providers[id]
      return provider !== undefined && byProviderType(LETS_AUDIENCES_BE, provider)
    })
    if (resource === undefined || silent === undefined) return []
    const message = `asks for \`aud\`, so that what provider \`${silent}\` lets pass without one (\`audienceCheckedByServer\`) is refused here; have its server send \`aud\``
    return [{ code: 'resource-audience-untold' as const, path: ['routes', index, 'resource'], message }]
  })
}

const LETS_AUDIENCES_BE: ByProviderType<boolean> = {
  jwt: () => false,
  introspection: ({ audienceCheckedByServer }) => audienceCheckedByServer,
  session: () => false,
  spiffe: () => false,
}

export function otherToolsAllowed({ routes }: Config): readonly DoubtfulResource[] {
  return routes.flatMap(({ mcp }, index) => {
    if (mcp?.tools === undefined || mcp.others !== 'allow') return []
    const message =
      'lets tools be called that are not listed, also those that the server gets tomorrow; list them, by `name.*` if need be'
    return [{ code: 'mcp-others-allowed' as const, path: ['routes', index, 'mcp', 'others'], message }]
  })
}

export function tokensForwardedToTools({ identity, routes }: Config): readonly DoubtfulResource[] {
  const [first] = routes.filter(({ mcp }) => mcp !== undefined)
  if (identity.forwardToken === false || first === undefined) return []
  const message = `hands the caller’s token to the server of route \`${first.id}\`, which could act as the caller elsewhere, and must not pass it on (MCP, “Authorization”); identity headers usually suffice`
  return [{ code: 'mcp-token-forwarded', path: ['identity', 'forwardToken'], message }]
}
