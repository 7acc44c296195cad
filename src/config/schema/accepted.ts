/**
 * Says which providers a route asks: those whose tokens or sessions it accepts, and those that judge what sessions
 * bring; and whose tokens are nobody else's, whatever the route accepts.
 */

import type { Claims } from '../../types.ts'
import { providerTraits } from './provider-traits.ts'
import type { Config, RouteConfig } from './schema.ts'
import { takesIssuer } from './tenants.ts'

type Providers = Pick<Config, 'providers'>

/** The ids that a route names. Left out, these are all that take tokens: a session counts only where it is named. */
export function acceptedProviders(
  { providers }: Providers,
  { providers: named }: Pick<RouteConfig, 'providers'>,
): readonly string[] {
  return named ?? Object.keys(providers).filter(id => !isLogin(providers[id]))
}

/** Is true when tokens are judged by the provider on the route, be it that a session brings them. */
export function judgesOn(config: Providers, route: Pick<RouteConfig, 'providers'>, id: string): boolean {
  return acceptedProviders(config, route).some(each => each === id || principalOf(config.providers[each]) === id)
}

/** The id of the provider whose sessions a route takes; undefined: it takes none. */
export function sessionProvider({ providers }: Providers, route: Pick<RouteConfig, 'providers'>): string | undefined {
  return route.providers?.find(id => isLogin(providers[id]))
}

/** Whether a token names the issuer of some provider. A trust domain is the issuer of nothing. */
export function isIssuerConfigured({ providers }: Providers, claims: Claims): boolean {
  return Object.values(providers).some(provider => {
    const { issuers, trustDomain } = providerTraits(provider)
    return trustDomain === undefined && takesIssuer(issuers, claims)
  })
}

/** Is true for a provider whose sessions are taken, and no tokens. */
export function isLogin(provider: Config['providers'][string] | undefined): boolean {
  return provider !== undefined && providerTraits(provider).logsIn !== undefined
}

/** Whether anybody logs in, on whichever route. */
export function hasSessions({ providers }: Providers): boolean {
  return Object.values(providers).some(isLogin)
}

function principalOf(provider: Config['providers'][string] | undefined): string | undefined {
  return provider && providerTraits(provider).logsIn?.principal
}
