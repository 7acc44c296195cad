/** Finds what of `exchange` is legal and yet doubtful: tokens that are good for too much, or that others get to see. */
import type { Path } from '../../config/check/findings.ts'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, TokenExchangeConfig } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'

interface DoubtfulExchange {
  readonly code: 'exchange-untargeted' | 'exchange-in-clear' | 'exchange-foreign'
  readonly path: Path
  readonly message: string
}

export function doubtfulExchange(config: Config): readonly DoubtfulExchange[] {
  return Object.entries(config.upstreams).flatMap(([id, { exchange }]) =>
    exchange === undefined
      ? []
      : [...untargeted(id, exchange), ...inClear(id, exchange), ...foreign(id, exchange, config)],
  )
}

function untargeted(id: string, { audience, scope }: TokenExchangeConfig): readonly DoubtfulExchange[] {
  if (audience !== undefined || scope !== undefined) return []
  const message =
    'asks for a token without saying what for, so that the service may get one that is good elsewhere; write `audience`, and `scope` where the server has scopes'
  return [{ code: 'exchange-untargeted', path: ['upstreams', id, 'exchange'], message }]
}

function inClear(id: string, { endpoint }: TokenExchangeConfig): readonly DoubtfulExchange[] {
  const url = endpoint === undefined ? null : URL.parse(endpoint)
  if (url === null || url.protocol === 'https:' || isLoopback(url)) return []
  const message =
    'is `http:` on another machine: who is on the way can read the tokens of callers and those that are issued; use `https:`'
  return [{ code: 'exchange-in-clear', path: ['upstreams', id, 'exchange', 'endpoint'], message }]
}

/** Whoever gets a token can use it here, as its caller. */
function foreign(id: string, { provider: server }: TokenExchangeConfig, config: Config): readonly DoubtfulExchange[] {
  const { upstreams, routes, providers } = config
  const [only] = Object.keys(upstreams)
  const issuerOf = (provider: string) => {
    const known = providers[provider]
    return known && providerTraits(known).issuers.issuer
  }
  return routes.flatMap((route, index): readonly DoubtfulExchange[] => {
    if (route.access === 'public' || (route.upstream ?? only) !== id) return []
    const others = acceptedProviders(config, route).filter(each => issuerOf(each) !== issuerOf(server))
    if (others.length === 0) return []
    const message = `takes tokens of ${others.map(each => `\`${each}\``).join(', ')}, which are sent to the server of \`${server}\` for the exchange; if it is not to have them, name in \`providers\` those of its own, or give the others an upstream of theirs`
    return [{ code: 'exchange-foreign', path: ['routes', index], message }]
  })
}
