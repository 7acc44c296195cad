/**
 * Compares the sections of the configuration that hold for every request: the listeners, the services behind, identity
 * headers and limits.
 *
 * A new key needs a row here.
 */

import { DEFAULT_SOCKET_MODE } from '../../config/schema/address.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import { askedCertificate } from '../../config/schema/certificate-source.ts'
import type {
  Address,
  AdminConfig,
  AuditConfig,
  Config,
  DecideConfig,
  EgressConfig,
  IdentityConfig,
  InternalTokenConfig,
  LimitsConfig,
  ListenConfig,
  PathsConfig,
  ResourceConfig,
  TokenExchangeConfig,
  UpstreamConfig,
} from '../../config/schema/schema.ts'
import { DEFAULT_IDENTITY_HEADERS } from '../../identity/header-lines.ts'
import { foldedFieldName } from '../../lib/field-name.ts'
import { isLoopback } from '../../lib/loopback.ts'
import {
  another,
  anyOf,
  asked,
  type Comparisons,
  type Difference,
  differencesOf,
  limit,
  limitBytes,
  limitMs,
  noMatter,
  otherwise,
  type Pair,
  ranked,
  told,
} from './strictness.ts'

type ListenTls = NonNullable<ListenConfig['tls']>
type AppProbe = AdminConfig['appProbes'][number]

const LISTEN_TLS: Comparisons<Partial<ListenTls>> = {
  clientCaFile: asked<string>(another, file => file),
  clientCertificate: (name, _before, _after, around) =>
    askedDifferences(name, around as Pair<Pick<ListenConfig, 'tls'>>),
  certFile: noMatter('It shows clients who we are and asks nothing of them.'),
  keyFile: noMatter('It belongs to the certificate.'),
}

export const LISTEN: Comparisons<Partial<ListenConfig>> = {
  address: reachDifferences,
  mode: modeDifferences,
  tls: (name, before, after, around) => [
    ...tlsDifferences(name, before, after),
    ...differencesOf(LISTEN_TLS, before ?? {}, after ?? {}, around, `${name}.`),
  ],
  trustedProxies: (name, before = [], after = []) => anyOf(name, before, after),
}

/** Whoever may ask names the client and the request, and is told who a caller is. */
export const DECIDE: Comparisons<Partial<DecideConfig>> = {
  listen: (name, before, after) => [
    ...reachDifferences(name, before?.address, after?.address),
    ...modeDifferences(`${name}.mode`, before?.mode, after?.mode),
  ],
  caller: otherwise,
  trustedProxies: (name, before = [], after = []) => anyOf(name, before, after),
}

/** The admin listener asks nobody for a token, so whoever reaches it may use it. */
export const ADMIN: Comparisons<Partial<AdminConfig>> = {
  listen: (name, before, after) => [
    ...reachDifferences(name, before?.address, after?.address),
    ...modeDifferences(`${name}.mode`, before?.mode, after?.mode),
  ],
  hosts: (name, before = [], after = []) => anyOf(name, before, after),
  appProbes: (name, before = [], after = []) => anyOf(name, before.map(probeText), after.map(probeText)),
  console: (name, before, after) => anyOf(`${name}.from`, before?.from ?? [], after?.from ?? []),
}

/** Where every decision has to be on record, requests are refused while it cannot be. */
export const AUDIT: Comparisons<Partial<AuditConfig>> = {
  file: noMatter('It says where records go.'),
  what: (name, before, after, around) => whatDifferences(name, before, after, around as Pair<Partial<AuditConfig>>),
  onFull: (name, before = 'drop', after = 'drop', around) =>
    ranked({ drop: 0, refuse: 1 })(name, before, after, around),
}

/** Which decisions are recorded decides about none of them, unless what cannot be recorded is refused. */
function whatDifferences(
  name: string,
  before: AuditConfig['what'] = 'all',
  after: AuditConfig['what'] = 'all',
  around: Pair<Partial<AuditConfig>>,
): readonly Difference[] {
  if (around.before.onFull !== 'refuse' || around.after.onFull !== 'refuse') return []
  return ranked({ denied: 0, all: 1 })(name, before, after, around)
}

/**
 * A tunnel leads to a server that proves its name inside it, so that another proxy, or none, lets nobody else in. A
 * fetch over `http:` proves nothing: there a proxy can put in keys of its own, whose tokens then get in.
 */
export const EGRESS: Comparisons<Partial<EgressConfig>, Config> = {
  proxy: proxyDifferences,
  noProxy: (name, before = [], after = [], { after: config }) =>
    (isFetchedInClear(config) ? another : otherwise)(name, before, after),
  caFile: (name, before, after, { after: config }) =>
    (isFetchedInClear(config) ? another : otherwise)(name, before, after),
  credentialsFile: otherwise,
}

export const UPSTREAM: Comparisons<UpstreamConfig> = {
  url: noMatter('It is compared at the routes that lead there.'),
  timeouts: noMatter('They bound the answer of the service to a request that got in.'),
  // As with `limits.requests`, a larger number lets more requests reach the service at a time.
  connections: limit,
  keepAlive: noMatter('It says which connection carries a request, not whether one gets in.'),
  connectRetry: noMatter('It says how long a request that got in waits for its service.'),
  headerBytes: noMatter('It bounds the answer of the service to a request that got in.'),
  tls: another,
  exchange: (name, before, after, around) =>
    before === undefined || after === undefined
      ? exchangeDifferences(name, before, after)
      : differencesOf(EXCHANGE, before, after, around, `${name}.`),
}

/** The server refuses callers, too, and the service takes what it issues for more or for less. */
const EXCHANGE: Comparisons<TokenExchangeConfig> = {
  provider: another,
  client: otherwise,
  endpoint: another,
  audience: (name, before = [], after = []) => told(name, before, after),
  scope: (name, before = [], after = []) => told(name, before, after),
  timeout: noMatter('It says how long a request waits that got in.'),
  caFile: another,
}

function exchangeDifferences(
  name: string,
  before: TokenExchangeConfig | undefined,
  after: TokenExchangeConfig | undefined,
): readonly Difference[] {
  if (before !== undefined)
    return [{ direction: 'loosened', text: `${name}: no token has to be issued for callers any more` }]
  if (after === undefined) return []
  return [{ direction: 'tightened', text: `${name}: a token has to be issued for each caller` }]
}

export const RESOURCE: Comparisons<ResourceConfig> = {
  url: noMatter('It is compared with the audiences of the routes.'),
  // A client that is told of fewer gets fewer, whatever the routes ask for.
  scopes: told,
  name: noMatter('It is for people.'),
  documentation: noMatter('It is for people.'),
}

export const IDENTITY: Comparisons<IdentityConfig> = {
  headers: identityDifferences,
  reserved: (_name, _before, _after, around) => strippedDifferences(around as Pair<IdentityConfig>),
  forwardToken: ranked({ asBearer: 0, true: 1, false: 2 }),
  maxBytes: limitBytes,
  // What the service is told lets nobody into the gateway, but may into what the service trusts.
  token: (name, before, after, around) => [
    ...(before === undefined || after === undefined ? otherwise(name, before, after) : []),
    ...(before === undefined || after === undefined
      ? []
      : differencesOf(INTERNAL_TOKEN, before, after, around, `${name}.`)),
  ],
}

const INTERNAL_TOKEN: Comparisons<InternalTokenConfig> = {
  header: otherwise,
  issuer: otherwise,
  audience: (name, before, after) => told(name, [before].flat(), [after].flat()),
  lifetime: limitMs,
  algorithm: otherwise,
  keysDir: otherwise,
  claims: (name, before, after) => told(name, claimTexts(before), claimTexts(after)),
  jwksPath: otherwise,
}

function claimTexts(claims: InternalTokenConfig['claims']): readonly string[] {
  return Object.entries(claims).map(([name, from]) => (name === from ? name : `${name} (of ${from})`))
}

export const LIMITS: Comparisons<LimitsConfig> = {
  tokenBytes: limitBytes,
  headerBytes: limitBytes,
  headers: limit,
  bodyBytes: limitBytes,
  headersTimeout: limitMs,
  bodyIdleTimeout: limitMs,
  connections: limit,
  requests: limit,
}

export const PATHS: Comparisons<PathsConfig> = {
  ignoreCase: ranked({ true: 0, false: 1 }),
}

function proxyDifferences(
  name: string,
  before: string | undefined,
  after: string | undefined,
  { after: config }: Pair<Config>,
): readonly Difference[] {
  if (before === after) return []
  const text = `${name}: ${before ?? 'none'} → ${after ?? 'none'}`
  if (!isFetchedInClear(config)) return [{ direction: 'changed', text }]
  return [{ direction: 'changed', text, witness: `tokens of whoever controls the way by ${after ?? 'no proxy'}` }]
}

/** Says for each type of provider whether what it fetches may come over `http:` from other machines. */
const MAY_FETCH_IN_CLEAR: ByProviderType<boolean> = {
  jwt: ({ keys }) => keys.allowInsecureHttp,
  session: ({ allowInsecureHttp }) => allowInsecureHttp,
  spiffe: ({ bundle }) => bundle.allowInsecureHttp,
  introspection: ({ keys, allowInsecureHttp }) => allowInsecureHttp || keys?.allowInsecureHttp === true,
}

function isFetchedInClear({ providers }: Config): boolean {
  return Object.values(providers).some(provider => byProviderType(MAY_FETCH_IN_CLEAR, provider))
}

type IdentityHeaders = IdentityConfig['headers']

/** Tells of headers that come, go, or say something else: the service then takes a caller for somebody else. */
function identityDifferences(name: string, before: IdentityHeaders, after: IdentityHeaders): readonly Difference[] {
  const [from, to] = [saidBy(before), saidBy(after)]
  return [...new Set([...from.keys(), ...to.keys()])].flatMap((header): readonly Difference[] => {
    const [was, is] = [from.get(header), to.get(header)]
    if (was === is) return []
    if (is === undefined) return [{ direction: 'changed', text: `${name}: no longer ${header}` }]
    if (was === undefined) return [{ direction: 'changed', text: `${name}: also ${header}` }]
    const text = `${name}: ${header} says something else`
    return [{ direction: 'changed', text, witness: `who is somebody by ${header}: ${is}` }]
  })
}

function saidBy(headers: IdentityHeaders): ReadonlyMap<string, string> {
  return headers === undefined
    ? new Map(DEFAULT_IDENTITY_HEADERS.map(({ name }) => [name, 'the default']))
    : new Map(Object.entries(headers).map(([name, { claim, join }]) => [name, [claim, join].join(' ').trim()]))
}

/** Compares what is taken out of incoming requests: names of identity headers, and whatever is reserved. */
function strippedDifferences({ before, after }: Pair<IdentityConfig>): readonly Difference[] {
  const [from, to] = [stripped(before), stripped(after)]
  return [
    ...without(from, to).map(name => ({ direction: 'loosened' as const, text: `reserved: no longer ${name}` })),
    ...without(to, from).map(name => ({ direction: 'tightened' as const, text: `reserved: also ${name}` })),
  ]
}

function stripped({ headers, reserved, token }: IdentityConfig): readonly string[] {
  return [...saidBy(headers).keys(), ...reserved, ...(token === undefined ? [] : [token.header])]
}

/** Lists the names and patterns that match something which none of the others matches. */
function without(patterns: readonly string[], others: readonly string[]): readonly string[] {
  return patterns.filter(pattern => !others.some(other => isCovered(foldedPattern(pattern), foldedPattern(other))))
}

function isCovered(pattern: string, other: string): boolean {
  return other.endsWith('*') ? pattern.startsWith(other.slice(0, -1)) : pattern === other
}

function foldedPattern(pattern: string): string {
  return pattern.endsWith('*') ? `${foldedFieldName(pattern.slice(0, -1))}*` : foldedFieldName(pattern)
}

/** Tells when TLS goes or comes: without it, whoever is on the way can read a token and use it. */
function tlsDifferences(name: string, before: unknown, after: unknown): readonly Difference[] {
  if ((before === undefined) === (after === undefined)) return []
  return after === undefined
    ? [{ direction: 'loosened', text: `no longer asks for ${name}` }]
    : [{ direction: 'tightened', text: `now asks for ${name}` }]
}

/**
 * Tells of the certificates that clients are asked for. `clientCaFile` tells of those that they must show by default.
 */
function askedDifferences(name: string, around: Pair<Pick<ListenConfig, 'tls'>>): readonly Difference[] {
  const [from, to] = [askedCertificate(around.before.tls), askedCertificate(around.after.tls)]
  if (from === to) return []
  if (from !== undefined && to !== undefined)
    return ranked({ any: 0, optional: 1, required: 2 })(name, from, to, around)
  if ((from ?? to) === 'required') return []
  return from === undefined
    ? [{ direction: 'loosened', text: `${name}: now takes tokens that are bound to a certificate` }]
    : [{ direction: 'tightened', text: `${name}: no longer takes tokens that are bound to a certificate` }]
}

function reachDifferences(
  name: string,
  before: Address | undefined,
  after: Address | undefined,
): readonly Difference[] {
  const [from, to] = [placeOf(before), placeOf(after)]
  if (from.name === to.name) return []
  const text = `${name}: ${from.name} → ${to.name}`
  if (from.reach === to.reach) return [{ direction: 'changed', text, witness: `who can reach ${to.name}` }]
  return [{ direction: from.reach < to.reach ? 'loosened' : 'tightened', text }]
}

/** Tells who may connect to a Unix socket, and could not before. */
function modeDifferences(
  name: string,
  before: string = DEFAULT_SOCKET_MODE,
  after: string = DEFAULT_SOCKET_MODE,
): readonly Difference[] {
  const [from, to] = [Number.parseInt(before, 8), Number.parseInt(after, 8)]
  if (from === to) return []
  const direction = (to & ~from) === 0 ? 'tightened' : (from & ~to) === 0 ? 'loosened' : 'changed'
  return [{ direction, text: `${name}: ${before} → ${after}` }]
}

/** Says where a listener is, without its port. The larger the reach, the more machines and users can connect to it. */
function placeOf(address: Address | undefined): { readonly name: string; readonly reach: number } {
  if (address === undefined) return { name: 'nowhere', reach: 0 }
  if ('socketPath' in address) return { name: `unix:${address.socketPath}`, reach: 1 }
  const { host: name } = address
  if (name === '0.0.0.0' || name === '::') return { name, reach: 4 }
  const url = URL.parse(`http://${name.includes(':') ? `[${name}]` : name}`)
  return { name, reach: url !== null && isLoopback(url) ? 2 : 3 }
}

function probeText({ path, upstream }: AppProbe): string {
  return upstream === undefined ? path : `${path} of ${upstream}`
}
