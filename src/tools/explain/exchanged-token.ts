/** Says which token the service gets in place of the caller's. Nobody is asked for one. */
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { Trial } from '../engine/trial.ts'
import type { HeaderLine } from './header-changes.ts'

/** @returns no line where the service gets none */
export function exchangedToken({ findings: { route, principal } }: Trial, config: Config): readonly HeaderLine[] {
  const { exchange } = config.upstreams[route?.upstream.id ?? ''] ?? {}
  if (exchange === undefined || principal === undefined) return []
  const { provider: id, endpoint, audience, scope } = exchange
  const provider = config.providers[id]
  const issuer = provider && providerTraits(provider).authorizationServer?.issuer
  const what = [
    `at ${endpoint ?? `the token endpoint of ${issuer}`}`,
    ...(audience === undefined ? [] : [`for ${audience.join(' and ')}`]),
    ...(scope === undefined ? [] : [`with scope ${scope.join(' ')}`]),
  ]
  return [
    {
      name: 'Authorization',
      value: `Bearer (exchanged for the caller’s token ${what.join(', ')}; nobody is asked here)`,
    },
  ]
}
