/**
 * Finds where a protected resource, or a server of the Model Context Protocol, is less protected than it seems, or
 * cannot be found.
 *
 * RFC 9728 §2 (`authorization_servers`), §7.1 (TLS); MCP 2025-11-25, "Authorization" (no token is passed through).
 */
import type { Path } from '../../config/check/findings.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import { isLoopback } from '../../lib/loopback.ts'

interface DoubtfulResource {
  readonly code: 'resource-in-clear' | 'resource-without-issuer' | 'mcp-others-allowed' | 'mcp-token-forwarded'
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

/** An issuer for each tenant is no address, so that it is told to nobody. */
export function resourcesWithoutIssuer({ resources, routes, providers }: Config): readonly DoubtfulResource[] {
  return Object.keys(resources).flatMap(id => {
    const taken = routes
      .filter(({ resource }) => resource === id)
      .flatMap(({ providers: accepted = Object.keys(providers) }) => accepted)
    const hasIssuer = taken.some(provider => {
      const found = providers[provider]
      return found !== undefined && issuerTemplate(providerTraits(found).issuers.issuer) === undefined
    })
    if (hasIssuer) return []
    const message =
      'tells clients of no authorization server, since the issuers of its routes are one for each tenant; add a provider with one issuer, or tell clients where to log in'
    return [{ code: 'resource-without-issuer' as const, path: ['resources', id], message }]
  })
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
