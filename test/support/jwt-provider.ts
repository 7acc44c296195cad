/**
 * Takes the provider of JWTs out of a configuration, for tests that are about this type: a further type of provider is
 * then none of their business.
 */
import type { ProviderConfigs } from '../../src/config/schema/by-provider-type.ts'
import type { Config } from '../../src/config/schema/schema.ts'

export type JwtProvider = ProviderConfigs['jwt']

/** The provider of this id, which is one of JWTs. */
export function jwtOf({ providers }: Config, id = 'main'): JwtProvider {
  const provider = providers[id]
  if (provider?.type !== 'jwt') throw new Error(`no provider of JWTs is called ${id}`)
  return provider
}

/** The configuration with other settings of its provider of JWTs, which is called `main` and is its only one. */
export function withJwt(config: Config, rest: Partial<JwtProvider>): Config {
  return { ...config, providers: { main: { ...jwtOf(config), ...rest } } }
}
