/**
 * Judges what `exchange` of an upstream means together with the rest of the configuration: whether it is known where
 * tokens are exchanged, and whether the service gets no other token than the one that was issued for it.
 */
import { foldedFieldName } from '../../lib/field-name.ts'
import type { Draft } from '../schema/draft.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import type { TokenExchangeConfig } from '../schema/schema.ts'
import { urlFindings } from './check-keys.ts'
import { unknownText } from './check-routes.ts'
import type { Finding } from './findings.ts'

export function tokenExchangeFindings(draft: Draft): readonly Finding[] {
  const exchanging = [...draft.upstreams].flatMap(([id, { exchange }]) =>
    exchange === undefined ? [] : [[id, exchange] as const],
  )
  if (exchanging.length === 0) return []
  return [
    ...exchanging.flatMap(([id, exchange]) => serverFindings(id, exchange, draft)),
    ...otherTokenFindings(draft),
    ...routeFindings(draft, new Set(exchanging.map(([id]) => id))),
  ]
}

function serverFindings(
  id: string,
  { provider, endpoint }: TokenExchangeConfig,
  { providers, providerIds }: Draft,
): readonly Finding[] {
  const path = ['upstreams', id, 'exchange']
  if (!providerIds.includes(provider))
    return [
      { path: [...path, 'provider'], message: unknownText('provider', provider, providerIds), about: 'providers' },
    ]
  const known = providers.get(provider)
  // What is wrong with it is said there.
  if (known === undefined) return []
  const { authorizationServer: server } = providerTraits(known)
  if (server === undefined) {
    const message =
      'is a SPIFFE trust domain, which issues no tokens for others; name the provider of a server that does'
    return [{ path: [...path, 'provider'], message, about: 'providers' }]
  }
  if (endpoint !== undefined)
    return urlFindings(endpoint, server, [...path, 'endpoint'], `\`${server.toTrust}: true\` of the provider`)
  if (server.isDiscovered) return []
  const message = `is missing: the metadata of provider \`${provider}\` are not discovered; write the URL of its token endpoint`
  return [{ path: [...path, 'endpoint'], message, about: 'providers' }]
}

const REPLACED = 'which carries the token that is issued for the service'

/** Two tokens in one header: whoever reads it could take either. */
function otherTokenFindings({ identity }: Draft): readonly Finding[] {
  if (identity === undefined) return []
  const { forwardToken, token } = identity
  const remedy = `while an upstream has \`exchange\`, because of \`Authorization\`, ${REPLACED}`
  return [
    ...(forwardToken === false
      ? []
      : [
          {
            path: ['identity', 'forwardToken'],
            message: `cannot be set ${remedy}; leave it out`,
            at: 'key',
            about: 'upstreams',
          } as const,
        ]),
    ...(token === undefined || foldedFieldName(token.header) !== 'authorization'
      ? []
      : [
          {
            path: ['identity', 'token', 'header'],
            message: `cannot be \`Authorization\` ${remedy}; choose another one, such as \`X-Auth-Token\``,
            about: 'upstreams',
          } as const,
        ]),
  ]
}

function routeFindings({ routes, upstreamIds }: Draft, exchanging: ReadonlySet<string>): readonly Finding[] {
  return [...routes].flatMap(([index, { passAuthorization, upstream = upstreamIds[0] }]): readonly Finding[] => {
    if (!passAuthorization || upstream === undefined || !exchanging.has(upstream)) return []
    const message = `cannot be set: upstream \`${upstream}\` has \`exchange\`, so that no token of a caller reaches it; leave it out, or name another upstream`
    return [{ path: ['routes', index, 'passAuthorization'], message, at: 'key', about: 'upstreams' }]
  })
}
