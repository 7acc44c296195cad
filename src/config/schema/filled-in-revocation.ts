/**
 * Fills in what sessions of browsers need besides: that their ends are heard of, in every process that may know them.
 *
 * A session ends everywhere by an entry among the revocations, so a file with sessions has the section `revocation`,
 * written or not. There the provider's logout tokens arrive, too (OpenID Connect Back-Channel Logout 1.0).
 */
import { isDeepStrictEqual } from 'node:util'
import type { ProviderConfigs } from './by-provider-type.ts'
import { revocationSchema } from './revocation-schema.ts'
import type { Config, RevocationConfig } from './schema.ts'
import { sessionPath } from './session-paths.ts'

export function withFilledInRevocation(config: Config): Config {
  const logins = loginsOf(config)
  if (logins.length === 0) return config
  const written = withStore(config.revocation ?? filledIn(logins), logins)
  const revocation: RevocationConfig = {
    ...written,
    backchannelLogout: [...(written.backchannelLogout ?? []), ...logins.map(logoutEndpoint)],
  }
  return { ...config, revocation }
}

/**
 * Returns the section without what sessions have filled in, for whoever compares what people have written.
 *
 * @returns undefined for a section that is there for sessions alone
 */
export function writtenRevocation(config: Config): RevocationConfig | undefined {
  const { revocation } = config
  const logins = loginsOf(config)
  if (revocation === undefined || logins.length === 0) return revocation
  const section = withoutSessionEndpoints(config)
  return isDeepStrictEqual(section, withStore(filledIn(logins), logins)) ? undefined : section
}

/** Returns the section without the endpoints that sessions have, wherever the rest comes from. */
export function withoutSessionEndpoints(config: Config): RevocationConfig | undefined {
  if (config.revocation === undefined) return undefined
  const { backchannelLogout = [], ...rest } = config.revocation
  const own = loginsOf(config).map(logoutEndpoint)
  const others = backchannelLogout.filter(each => !own.some(endpoint => isDeepStrictEqual(each, endpoint)))
  return others.length === 0 ? rest : { ...rest, backchannelLogout: others }
}

interface Login {
  readonly id: string
  readonly provider: ProviderConfigs['session']
}

function loginsOf({ providers }: Config): readonly Login[] {
  return Object.entries(providers).flatMap(([id, provider]) => (provider.type === 'session' ? [{ id, provider }] : []))
}

function filledIn(logins: readonly Login[]): RevocationConfig {
  return { ...revocationSchema.parse({}), keep: Math.max(...logins.map(({ provider }) => provider.lifetime.absolute)) }
}

/** Whoever has a session is asked about it in the store, so that silence of the stream hides little. */
function withStore(section: RevocationConfig, logins: readonly Login[]): RevocationConfig {
  const isShared = logins.some(({ provider }) => provider.store === 'shared')
  if (!isShared || section.store !== undefined) return section
  return { ...section, store: STREAM, whenStale: section.whenStale ?? 'allow' }
}

function logoutEndpoint({ id, provider }: Login) {
  return {
    provider: id,
    clientId: provider.client.id,
    path: sessionPath(provider, 'backchannel-logout'),
    covers: 'session' as const,
  }
}

const STREAM = { stream: 'revocations' } as const
