/**
 * Says what a caller who is refused on a route is told to bring.
 *
 * RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1. `refusal/challenge.ts` writes it.
 */
import type { RouteChallenge } from '../policy.ts'
import type { CredentialSource } from '../types.ts'
import { named } from './named.ts'
import { isLogin } from './schema/accepted.ts'
import { metadataUrl } from './schema/metadata-path.ts'
import type { Config, RequireConfig, RouteConfig } from './schema/schema.ts'

export function challengeOf(
  { require, resource, providers, anonymous }: RouteConfig,
  { dpop, resources, providers: all }: Config,
  sources: readonly CredentialSource[],
  login: string | undefined,
): RouteChallenge {
  return Object.freeze({
    scope: challengeScope(require),
    acrValues: require?.acr?.join(' '),
    // Whoever logged in that many whole seconds ago gets in.
    maxAgeSeconds: require?.authAge === undefined ? undefined : Math.floor(require.authAge / 1000),
    // Scheme DPoP comes in `Authorization` alone.
    proofAlgorithms: sources.includes('authorization') ? dpop?.algorithms.join(' ') : undefined,
    takesBearer: require?.proof !== 'dpop',
    takesTokens: providers?.some(id => !isLogin(all[id])) ?? true,
    login: login === undefined ? undefined : { path: login, isForNavigations: anonymous === 'login' },
    resourceMetadata:
      resource === undefined ? undefined : metadataUrl(named(new Map(Object.entries(resources)), resource)),
  })
}

/** RFC 6750 §3: the scopes needed to get in. Of several alternatives the first is a way in. */
function challengeScope(require: RequireConfig | undefined): string | undefined {
  const scopes = [...(require?.scopes ?? []), ...(require?.anyScope?.slice(0, 1) ?? [])]
  return scopes.length === 0 ? undefined : scopes.join(' ')
}
