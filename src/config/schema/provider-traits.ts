/**
 * Says of a provider of any type what those want to know who do not care about its type.
 *
 * A new type of provider needs an entry in each table here. What a trait means is judged where it is asked for.
 */
import type { ProviderHealth } from '../../types.ts'
import { type ByProviderType, byProviderType } from './by-provider-type.ts'
import type { ProviderConfig } from './schema.ts'
import type { TakenIssuers } from './tenants.ts'

interface ProviderTraits {
  /** Which JWTs are its own; undefined for a provider that takes none. */
  readonly takesJwts: TakenIssuers | undefined
  /** Whether it verifies by keys, and so has series and a status of them. */
  readonly verifiesBy: ProviderHealth['kind']
  /** Milliseconds, written under `maxLifetime`; undefined where it takes tokens however long they live. */
  readonly maxLifetime: number | undefined
  /** How far its clock may be off ours. */
  readonly clockToleranceMs: number
  /** The values of `acr`, the weakest first; undefined where none is stronger than another. */
  readonly acrOrder: readonly string[] | undefined
  /** Where it keeps what it has fetched for the next start, and the key that names it. */
  readonly cacheFile: { readonly path: string; readonly at: readonly string[] } | undefined
  /** Files that are read with every use and change often, which is no new configuration. */
  readonly filesReadAnew: readonly string[]
}

const TRAITS: ByProviderType<ProviderTraits> = {
  jwt: provider => ({
    takesJwts: provider,
    verifiesBy: 'keys',
    maxLifetime: provider.maxLifetime,
    clockToleranceMs: provider.clockTolerance,
    acrOrder: provider.acrOrder,
    cacheFile:
      provider.keys.cacheFile === undefined ? undefined : { path: provider.keys.cacheFile, at: ['keys', 'cacheFile'] },
    filesReadAnew: provider.keys.bearerFile === undefined ? [] : [provider.keys.bearerFile],
  }),
}

/** The provider without the files that belong to the gateway that runs with it, and that nobody else may touch. */
const WITHOUT_FILES_OF_ITS_GATEWAY: ByProviderType<ProviderConfig> = {
  jwt: provider => ({ ...provider, keys: { ...provider.keys, cacheFile: undefined } }),
}

export function providerTraits(provider: ProviderConfig): ProviderTraits {
  return byProviderType(TRAITS, provider)
}

export function withoutFilesOfItsGateway(provider: ProviderConfig): ProviderConfig {
  return byProviderType(WITHOUT_FILES_OF_ITS_GATEWAY, provider)
}
