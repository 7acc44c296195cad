/**
 * Says of a provider of any type what those want to know who do not care about its type.
 *
 * A new type of provider needs an entry in each table here. What a trait means is judged where it is asked for.
 */

import { issuerTemplate } from '../../issuer-template.ts'
import { trustDomainId } from '../../lib/spiffe-id.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from './by-provider-type.ts'
import { KEY_SOURCES } from './keys-schema.ts'
import type { DecryptionConfig, KeysConfig, ProviderConfig } from './schema.ts'
import type { TakenIssuers } from './tenants.ts'

interface ProviderTraits {
  /** Whose tokens it takes, whatever form they have: revocations name these. */
  readonly issuers: TakenIssuers
  /** Of which a token must hold one; empty where only its server judges that. */
  readonly audiences: readonly string[]
  /** Which JWTs are its own by their issuer; undefined for a provider that takes none by that. */
  readonly takesJwts: TakenIssuers | undefined
  /** Whose workloads' JWTs are its own, if they name no issuer that is configured; undefined for one that has none. */
  readonly trustDomain: string | undefined
  /** Which tokens that are no JWTs are its own; undefined for a provider that takes none. */
  readonly takesOpaque: { readonly prefixes: readonly string[] } | undefined
  /** Whether it verifies what is signed about what has happened, such as logout tokens. */
  readonly signsEvents: boolean
  /** Whether a server is asked about its tokens. */
  readonly asksServer: boolean
  /** Whether it has keys of others, for tokens or for answers about them. */
  readonly fetchesKeys: boolean
  /** The provider that judges what its logins bring, undefined where it does; undefined for one that logs nobody in. */
  readonly logsIn: { readonly principal: string | undefined } | undefined
  /** Milliseconds, written under `maxLifetime`; undefined where it takes tokens however long they live. */
  readonly maxLifetime: number | undefined
  /** How far its clock may be off ours. */
  readonly clockToleranceMs: number
  /** The values of `acr`, the weakest first; undefined where none is stronger than another. */
  readonly acrOrder: readonly string[] | undefined
  /** The keys for what is encrypted; undefined where nothing may be. */
  readonly decryption: DecryptionConfig | undefined
  /** Where tokens can be exchanged for others; undefined where the provider is no authorization server. */
  readonly authorizationServer: AuthorizationServer | undefined
  /** Where it keeps what it has fetched for the next start, and the key that names it. */
  readonly cacheFile: { readonly path: string; readonly at: readonly string[] } | undefined
  /** Files that are read with every use and change often, which is no new configuration. */
  readonly filesReadAnew: readonly string[]
}

interface AuthorizationServer {
  readonly issuer: string
  /** Whether the issuer stands for many. */
  readonly isTemplate: boolean
  /** Whether its metadata are looked for. */
  readonly isDiscovered: boolean
  /** Further hosts whose addresses in the metadata are used. */
  readonly hosts: readonly string[]
  readonly caFile: string | undefined
  readonly allowInsecureHttp: boolean
  /** The key that allows `http:`, below the provider. */
  readonly toTrust: string
}

const TRAITS: ByProviderType<ProviderTraits> = {
  jwt: provider => ({
    issuers: provider,
    audiences: provider.audiences,
    takesJwts: provider,
    trustDomain: undefined,
    takesOpaque: undefined,
    signsEvents: true,
    asksServer: false,
    fetchesKeys: true,
    logsIn: undefined,
    maxLifetime: provider.maxLifetime,
    clockToleranceMs: provider.clockTolerance,
    acrOrder: provider.acrOrder,
    decryption: provider.decryption,
    authorizationServer: {
      issuer: provider.issuer,
      isTemplate: issuerTemplate(provider.issuer) !== undefined,
      isDiscovered:
        issuerTemplate(provider.issuer) === undefined &&
        KEY_SOURCES.every(source => provider.keys[source] === undefined),
      hosts: provider.keys.hosts ?? [],
      caFile: provider.keys.caFile,
      allowInsecureHttp: provider.keys.allowInsecureHttp,
      toTrust: 'keys.allowInsecureHttp',
    },
    cacheFile: cacheFileIn(provider.keys),
    filesReadAnew: provider.keys.bearerFile === undefined ? [] : [provider.keys.bearerFile],
  }),
  introspection: provider => ({
    issuers: { issuer: provider.issuer },
    audiences: provider.audiences,
    takesJwts: provider.tokens.jwts ? { issuer: provider.issuer } : undefined,
    trustDomain: undefined,
    takesOpaque: provider.tokens,
    signsEvents: false,
    asksServer: true,
    fetchesKeys: provider.response === 'jwt',
    logsIn: undefined,
    maxLifetime: provider.maxLifetime,
    clockToleranceMs: provider.clockTolerance,
    acrOrder: provider.acrOrder,
    decryption: provider.decryption,
    authorizationServer: {
      issuer: provider.issuer,
      isTemplate: false,
      isDiscovered: provider.endpoint === undefined,
      hosts: [],
      caFile: provider.caFile,
      allowInsecureHttp: provider.allowInsecureHttp,
      toTrust: 'allowInsecureHttp',
    },
    cacheFile: cacheFileIn(provider.keys),
    filesReadAnew: [
      ...clientFiles(provider.client.auth, provider.client),
      ...(provider.keys?.bearerFile === undefined ? [] : [provider.keys.bearerFile]),
    ],
  }),
  session: provider => ({
    issuers: { issuer: provider.issuer },
    audiences: [],
    takesJwts: undefined,
    trustDomain: undefined,
    takesOpaque: undefined,
    signsEvents: true,
    asksServer: false,
    fetchesKeys: true,
    logsIn: { principal: provider.principal === 'idToken' ? undefined : provider.principal },
    maxLifetime: provider.lifetime.absolute,
    clockToleranceMs: provider.clockTolerance,
    acrOrder: undefined,
    decryption: undefined,
    authorizationServer: {
      issuer: provider.issuer,
      isTemplate: false,
      isDiscovered: true,
      hosts: provider.hosts ?? [],
      caFile: provider.caFile,
      allowInsecureHttp: provider.allowInsecureHttp,
      toTrust: 'allowInsecureHttp',
    },
    cacheFile: undefined,
    filesReadAnew: clientFiles(provider.client.auth, provider.client),
  }),
  spiffe: ({ trustDomain, audiences, bundle, ...provider }) => ({
    // Nothing but their keys says who has signed JWT-SVIDs, so they are named by whom these are of.
    issuers: { issuer: trustDomainId(trustDomain) },
    audiences,
    takesJwts: undefined,
    trustDomain,
    takesOpaque: undefined,
    signsEvents: false,
    asksServer: false,
    fetchesKeys: true,
    logsIn: undefined,
    maxLifetime: provider.maxLifetime,
    clockToleranceMs: provider.clockTolerance,
    acrOrder: undefined,
    decryption: undefined,
    // A trust domain vouches for workloads, and issues nothing for others.
    authorizationServer: undefined,
    cacheFile: bundle.cacheFile === undefined ? undefined : { path: bundle.cacheFile, at: ['bundle', 'cacheFile'] },
    filesReadAnew: bundle.bearerFile === undefined ? [] : [bundle.bearerFile],
  }),
}

function cacheFileIn(keys: KeysConfig | undefined): ProviderTraits['cacheFile'] {
  return keys?.cacheFile === undefined ? undefined : { path: keys.cacheFile, at: ['keys', 'cacheFile'] }
}

type ClientConfig = ProviderConfigs['introspection']['client']
type ClientConfigs = { readonly [C in ClientConfig as C['auth']]: C }

/** What says who the gateway is, for each way to say it. */
const CLIENT_FILES: { readonly [A in keyof ClientConfigs]: (client: ClientConfigs[A]) => readonly string[] } = {
  basic: ({ secretFile }) => [secretFile],
  post: ({ secretFile }) => [secretFile],
  private_key_jwt: ({ keyFile }) => [keyFile],
  tls: ({ certFile, keyFile }) => [certFile, keyFile],
  bearer: ({ tokenFile }) => [tokenFile],
}

/** They are read with every question, so that they can be replaced at any time. */
export function clientFiles<A extends keyof ClientConfigs>(auth: A, client: ClientConfigs[A]): readonly string[] {
  return CLIENT_FILES[auth](client)
}

/** The provider without the files that belong to the gateway that runs with it, and that nobody else may touch. */
const WITHOUT_FILES_OF_ITS_GATEWAY: ByProviderType<ProviderConfig> = {
  jwt: provider => ({ ...provider, keys: { ...provider.keys, cacheFile: undefined } }),
  introspection: provider => ({ ...provider, keys: provider.keys && { ...provider.keys, cacheFile: undefined } }),
  session: provider => provider,
  spiffe: provider => ({ ...provider, bundle: { ...provider.bundle, cacheFile: undefined } }),
}

export function providerTraits(provider: ProviderConfig): ProviderTraits {
  return byProviderType(TRAITS, provider)
}

export function withoutFilesOfItsGateway(provider: ProviderConfig): ProviderConfig {
  return byProviderType(WITHOUT_FILES_OF_ITS_GATEWAY, provider)
}
