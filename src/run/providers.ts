/**
 * Makes the parts that judge tokens out of the section `providers`, for each type of provider in its own way.
 *
 * A new type of provider needs an entry in {@link FACTORIES}, or nothing compiles. A provider leases what it shares
 * with the configuration before it, so it is cheap to make when little has changed, and its release leaves no trace.
 */
import type { DecrypterOf } from '../authenticate/decryption.ts'
import { introspectionVerifier } from '../authenticate/introspection/introspection.ts'
import { type JwtRules, jwtVerifier } from '../authenticate/jwt/jwt.ts'
import { type JwtSvidRules, jwtSvidVerifier } from '../authenticate/jwt/jwt-svid.ts'
import { statementVerifier } from '../authenticate/jwt/statement-verifier.ts'
import { takesNoTokens } from '../authenticate/takes-no-tokens.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../config/schema/by-provider-type.ts'
import { keysSchema } from '../config/schema/keys-schema.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { ProviderConfig } from '../config/schema/schema.ts'
import { tenantsOf } from '../config/schema/tenants.ts'
import type { Lease } from '../lib/leases.ts'
import type { StatementVerifier } from '../types.ts'
import { type ReadDecryption, readDecryption } from './decryption.ts'
import { introspectionDefinition, introspectionRules, type QuestionSettings } from './introspection.ts'
import { bundleSourceDefinition, keySourceDefinition } from './key-source.ts'
import type { Services } from './services.ts'

export interface LeasedProvider {
  readonly verifier: TokenVerifier
  /** Undefined for a provider that signs nothing. */
  readonly events: StatementVerifier | undefined
  /** Resolves when the provider has what it takes to judge tokens, or has tried to get it. */
  ready(): Promise<void>
  /** Only the first call counts. */
  release(): void
}

/** What providers of any type are made with. */
type ProviderServices = Pick<Services, 'clock' | 'keySets' | 'verifiers' | 'introspectors' | 'answerDecrypterOf'> &
  QuestionSettings

const FACTORIES: ByProviderType<LeasedProvider, [id: string, services: ProviderServices]> = {
  jwt: jwtProvider,
  introspection: introspectionProvider,
  session: sessionProvider,
  spiffe: spiffeProvider,
}

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
  return byKeys(keySetLease, () => {
    const read = readDecryption(config.decryption)
    const verifierLease = verifiers.acquire({
      type,
      // The identity of the keys is no rule, but tells this verifier from one with others.
      rules: { ...jwtRules(id, config), decryption: read?.identity },
      base: keySetLease,
      make: ({ decryption: _, ...rules }, keySet) =>
        jwtVerifier({ ...rules, decryption: read?.decryption, keySet, clock }),
    })
    return { verifierLease, events: statementVerifier({ ...jwtRules(id, config), keySet: keySetLease.value }) }
  })
}

interface MadeVerifier {
  readonly verifierLease: Lease<TokenVerifier>
  readonly events: StatementVerifier | undefined
}

/** The keys go with what verifies by them, also where that cannot be made. */
function byKeys(keySetLease: ReturnType<Services['keySets']['acquire']>, make: () => MadeVerifier): LeasedProvider {
  try {
    const { verifierLease, events } = make()
    return {
      verifier: verifierLease.value,
      events,
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

/** Answers that are not signed come from nobody but who is asked, so no keys are leased for them. */
function introspectionProvider(
  config: ProviderConfigs['introspection'],
  id: string,
  { clock, keySets, verifiers, introspectors, answerDecrypterOf, ...settings }: ProviderServices,
): LeasedProvider {
  const { type, issuer, keys, response } = config
  const leased: Array<{ release(): void }> = []
  const release = (): void => {
    for (const each of leased.splice(0).toReversed()) each.release()
  }
  const held = <T extends { release(): void }>(lease: T): T => {
    leased.push(lease)
    return lease
  }
  try {
    const read = readDecryption(config.decryption)
    const keySetDefinition =
      response === 'jwt' && keys !== undefined
        ? { provider: id, issuer, source: keySourceDefinition(keys, settings.egress) }
        : undefined
    const keySet = keySetDefinition && held(keySets.acquire(keySetDefinition))
    const introspector = held(
      introspectors.acquire(
        introspectionDefinition(id, config, settings),
        keySet &&
          keySetDefinition && {
            keySet,
            holdKeySet: () => keySets.acquire(keySetDefinition),
            decryption: read && {
              decrypt: answerDecrypter(id, read, answerDecrypterOf),
              identity: read.identity,
              required: read.decryption.required,
            },
          },
      ),
    )
    const verifier = held(
      verifiers.acquire({
        type,
        rules: introspectionRules(id, config),
        base: introspector,
        make: (rules, base) => introspectionVerifier({ ...rules, introspector: base, clock }),
      }),
    )
    return {
      verifier: verifier.value,
      events: undefined,
      async ready() {
        await Promise.all([keySet?.ready(), introspector.ready()])
      },
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

/** Its sessions are made when all providers are there, since another one may judge what they bring (`sessions.ts`). */
function sessionProvider(
  config: ProviderConfigs['session'],
  id: string,
  { keySets, egress }: ProviderServices,
): LeasedProvider {
  const { issuer, caFile, allowInsecureHttp, hosts, clockTolerance } = config
  const source = keySourceDefinition(keysSchema.parse({ caFile, allowInsecureHttp, hosts }), egress)
  const keySet = keySets.acquire({ provider: id, issuer, source })
  const rules = { issuer, keySet: keySet.value, clockToleranceSeconds: clockTolerance / 1000 }
  return {
    verifier: takesNoTokens(id, () => {
      const { usable, lastError } = keySet.value.status()
      return { kind: 'keys', usable, lastError, keySet: keySet.value.status() }
    }),
    events: statementVerifier(rules),
    ready: keySet.ready,
    release: keySet.release,
  }
}

/** A trust domain signs nothing but JWT-SVIDs with the keys that are for them, so it has no events. */
function spiffeProvider(
  config: ProviderConfigs['spiffe'],
  id: string,
  { clock, keySets, verifiers, egress }: ProviderServices,
): LeasedProvider {
  const { type, bundle } = config
  const { issuer } = providerTraits(config).issuers
  const keySetLease = keySets.acquire({ provider: id, issuer, source: bundleSourceDefinition(bundle, egress) })
  return byKeys(keySetLease, () => {
    const verifierLease = verifiers.acquire({
      type,
      rules: jwtSvidRules(id, config),
      base: keySetLease,
      make: (rules, keySet) => jwtSvidVerifier({ ...rules, keySet, clock }),
    })
    return { verifierLease, events: undefined }
  })
}

function answerDecrypter(provider: string, { decryption }: ReadDecryption, decrypterOf: DecrypterOf) {
  const decrypt = decrypterOf([{ provider, decryption }])
  return async (jwe: string): Promise<string> => (await decrypt(jwe)).jws
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

export function jwtSvidRules(id: string, config: ProviderConfigs['spiffe']): JwtSvidRules {
  const { trustDomain, audiences, clockTolerance, maxLifetime, requiredClaims, scopeClaim, rolesClaim } = config
  return {
    provider: id,
    trustDomain,
    audiences,
    clockToleranceSeconds: clockTolerance / 1000,
    maxLifetimeSeconds: maxLifetime === undefined ? undefined : maxLifetime / 1000,
    requiredClaims,
    scopeClaim,
    rolesClaim,
  }
}
