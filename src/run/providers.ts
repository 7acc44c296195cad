/**
 * Makes the parts that judge tokens out of the section `providers`, for each type of provider in its own way.
 *
 * A new type of provider needs an entry in {@link FACTORIES}, or nothing compiles. A provider leases what it shares
 * with the configuration before it, so it is cheap to make when little has changed, and its release leaves no trace.
 */
import { eventVerifier } from '../authenticate/jwt/event-verifier.ts'
import { type JwtRules, jwtVerifier } from '../authenticate/jwt/jwt.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../config/schema/by-provider-type.ts'
import type { EgressConfig, ProviderConfig } from '../config/schema/schema.ts'
import { tenantsOf } from '../config/schema/tenants.ts'
import type { EventVerifier } from '../types.ts'
import { keySourceDefinition } from './key-source.ts'
import type { Services } from './services.ts'

export interface LeasedProvider {
  readonly verifier: TokenVerifier
  /** Undefined for a provider that signs nothing. */
  readonly events: EventVerifier | undefined
  /** Resolves when the provider has what it takes to judge tokens, or has tried to get it. */
  ready(): Promise<void>
  /** Only the first call counts. */
  release(): void
}

/** What providers of any type are made with. */
type ProviderServices = Pick<Services, 'clock' | 'keySets' | 'verifiers'> & {
  /** The proxy for what providers fetch; a caller without one says so. */
  readonly egress: EgressConfig | undefined
}

const FACTORIES: ByProviderType<LeasedProvider, [id: string, services: ProviderServices]> = { jwt: jwtProvider }

/**
 * Begins to get what the provider needs, and does not wait for it.
 *
 * @throws {Error} a file that it needs cannot be used; nothing stays leased
 */
export function leaseProvider(id: string, config: ProviderConfig, services: ProviderServices): LeasedProvider {
  return byProviderType(FACTORIES, config, id, services)
}

function jwtProvider(
  config: ProviderConfigs['jwt'],
  id: string,
  { clock, keySets, verifiers, egress }: ProviderServices,
): LeasedProvider {
  const { type, issuer, keys } = config
  const keySetLease = keySets.acquire({ provider: id, issuer, source: keySourceDefinition(keys, egress) })
  try {
    const verifierLease = verifiers.acquire({
      type,
      rules: jwtRules(id, config),
      base: keySetLease,
      make: (rules, keySet) => jwtVerifier({ ...rules, keySet, clock }),
    })
    return {
      verifier: verifierLease.value,
      events: eventVerifier({ ...jwtRules(id, config), keySet: keySetLease.value }),
      ready: keySetLease.ready,
      release() {
        verifierLease.release()
        keySetLease.release()
      },
    }
  } catch (error) {
    keySetLease.release()
    throw error
  }
}

export function jwtRules(id: string, config: ProviderConfigs['jwt']): JwtRules {
  const { issuer, issuerAliases, audiences, audienceClaim, algorithms, clockTolerance, maxLifetime } = config
  const { tokenType, requiredClaims, scopeClaim, rolesClaim, numericSubject, ignoredHeaders } = config
  return {
    provider: id,
    issuer,
    issuerAliases,
    tenants: tenantsOf(config),
    audiences,
    audienceClaim,
    numericSubject,
    ignoredHeaders,
    algorithms,
    clockToleranceSeconds: clockTolerance / 1000,
    maxLifetimeSeconds: maxLifetime === undefined ? undefined : maxLifetime / 1000,
    tokenType,
    requiredClaims,
    scopeClaim,
    rolesClaim,
  }
}
