/**
 * Says what follows from a route's being a protected resource: which audiences count, and who issues its tokens.
 *
 * RFC 9728 §2 (`authorization_servers`), RFC 8707 §2 and RFC 9068 §3 (the resource is the audience of the token).
 */
import { issuerTemplate } from '../issuer-template.ts'
import { judgesOn } from './schema/accepted.ts'
import { providerTraits } from './schema/provider-traits.ts'
import type { Config, ProviderConfig, RouteConfig } from './schema/schema.ts'

/** Returns the routes of a resource that look at tokens. */
export function routesOf({ routes }: Pick<Config, 'routes'>, resource: string): readonly RouteConfig[] {
  return routes.filter(route => route.resource === resource && route.access !== 'public')
}

/** Is true when a route of the resource takes tokens of the provider. */
function takes(config: Pick<Config, 'providers' | 'routes'>, resource: string, provider: string): boolean {
  return routesOf(config, resource).some(route => judgesOn(config, route, provider))
}

/**
 * Returns where clients of a resource get tokens. An issuer for each tenant is no address, and a trust domain is no
 * authorization server, so these are left out.
 */
export function authorizationServers(
  config: Pick<Config, 'providers' | 'routes'>,
  resource: string,
): readonly string[] {
  const issuers = Object.entries(config.providers).flatMap(([id, provider]) => {
    const { issuers, trustDomain } = providerTraits(provider)
    const isAddress = trustDomain === undefined && issuerTemplate(issuers.issuer) === undefined
    return isAddress && takes(config, resource, id) ? [issuers.issuer] : []
  })
  return [...new Set(issuers)]
}

/** Returns the URLs of the resources that take tokens of the provider. */
export function resourceUrls(
  config: Pick<Config, 'providers' | 'routes' | 'resources'>,
  id: string,
): readonly string[] {
  const resources = Object.entries(config.resources).filter(([resource]) => takes(config, resource, id))
  return resources.map(([, { url }]) => url)
}

/** Returns what counts as an audience of the provider on some of its routes only. */
function furtherAudiences(
  config: Pick<Config, 'providers' | 'routes' | 'resources'>,
  id: string,
  own: readonly string[],
): readonly string[] {
  return resourceUrls(config, id).filter(url => !own.includes(url))
}

/** Returns the provider as its tokens are verified: whichever of its routes they are for. */
export function withResourceAudiences(
  config: Pick<Config, 'providers' | 'routes' | 'resources'>,
  id: string,
  provider: ProviderConfig,
): ProviderConfig {
  const { audiences } = providerTraits(provider)
  const further = furtherAudiences(config, id, audiences)
  return further.length === 0 || !('audiences' in provider)
    ? provider
    : { ...provider, audiences: [...audiences, ...further] }
}

/**
 * Returns the audiences of those providers whose tokens are verified with more than these, because what is for a
 * resource counts only there.
 */
export function narrowedAudiences(
  config: Pick<Config, 'providers' | 'routes' | 'resources'>,
): ReadonlyMap<string, readonly string[]> {
  const own = Object.entries(config.providers).map(
    ([id, provider]) => [id, providerTraits(provider).audiences] as const,
  )
  return new Map(own.filter(([id, audiences]) => furtherAudiences(config, id, audiences).length > 0))
}
