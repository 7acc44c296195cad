/**
 * Compares two versions of a provider: which of them accepts more tokens, before any route is asked.
 *
 * A new key needs a row here, and a new type of provider a table of its own.
 */
import type { ProviderConfigs, ProviderType } from '../../config/schema/by-provider-type.ts'
import type { DecryptionConfig, KeysConfig, ProviderConfig } from '../../config/schema/schema.ts'
import { tenantsOf } from '../../config/schema/tenants.ts'
import { issuerTemplate } from '../../issuer-template.ts'
import {
  allOf,
  another,
  anyOf,
  anyOfOrAnything,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  noMatter,
  otherwise,
  type Pair,
  ranked,
} from './strictness.ts'

export function providerDifferences(before: ProviderConfig, after: ProviderConfig): readonly Difference[] {
  if (before.type !== after.type)
    return [{ direction: 'changed', text: `type: ${before.type} → ${after.type}`, witness: TAKEN_BY[after.type] }]
  return differencesOfType(after.type, { before, after })
}

/** What a type of provider takes that another may not. */
const TAKEN_BY: { readonly [Type in ProviderType]: string } = {
  jwt: 'JWTs that its keys verify, also those that the server calls inactive',
  introspection: 'tokens of which the server says that they are active, opaque ones, too',
  session: 'browsers that have logged in, by a cookie',
  spiffe: 'JWT-SVIDs of the workloads of its trust domain, whatever issuer they name',
}

function differencesOfType<Type extends ProviderType>(
  type: Type,
  both: Pair<ProviderConfigs[Type]>,
): readonly Difference[] {
  return differencesOf(PROVIDER[type], both.before, both.after, both)
}

/** Compares where keys come from: keys from another place verify other tokens, which is neither looser nor tighter. */
const KEYS: Comparisons<KeysConfig> = {
  jwksUri: another,
  jwksFile: another,
  jwks: another,
  secretFile: another,
  // A key that its issuer has withdrawn is believed until the set is fetched again, or becomes too old to be used.
  refresh: limitMs,
  maxStale: limitMs,
  // Each of these decides at which moments a key is at hand; without one its tokens are refused.
  cooldown: otherwise,
  timeout: otherwise,
  maxBytes: otherwise,
  bearerFile: otherwise,
  // Each of these decides whose answer is believed.
  caFile: another,
  cacheFile: another,
  hosts: (name, before = [], after = []) => anyOf(name, before, after),
  allowInsecureHttp: ranked({ true: 0, false: 1 }),
}

type Bundle = ProviderConfigs['spiffe']['bundle']

/** What is fetched as a key set is, is compared as one. */
const { jwksUri: _uri, jwksFile: _file, jwks: _jwks, secretFile: _secret, hosts: _hosts, ...FETCH } = KEYS

const BUNDLE: Comparisons<Bundle> = { ...FETCH, url: another, file: another }

const PROVIDER: { readonly [Type in ProviderType]: Comparisons<ProviderConfigs[Type], ProviderConfigs[Type]> } = {
  jwt: {
    type: noMatter('Providers of two types are told apart before their keys are compared.'),
    issuer: issuerDifferences,
    issuerAliases: (name, before = [], after = []) => anyOf(name, before, after),
    tenants: tenantDifferences,
    keys: (name, before, after, around) => differencesOf(KEYS, before, after, around, `${name}.`),
    scopeClaim: another,
    rolesClaim: another,
    audiences: anyOf,
    audienceClaim: audienceClaimDifferences,
    numericSubject: ranked({ true: 0, false: 1 }),
    ignoredHeaders: (name, before = [], after = []) => anyOf(name, before, after),
    algorithms: anyOfOrAnything,
    requiredClaims: allOf,
    maxLifetime: limitMs,
    clockTolerance: limitMs,
    acrOrder: acrOrderDifferences,
    tokenType: ranked({ compatible: 0, 'at+jwt': 1 }),
    decryption: decryptionDifferences,
  },
  introspection: {
    type: noMatter('Providers of two types are told apart before their keys are compared.'),
    issuer: another,
    endpoint: another,
    audiences: anyOf,
    audienceCheckedByServer: ranked({ true: 0, false: 1 }),
    response: ranked({ json: 0, jwt: 1 }),
    keys: (name, before, after, around) =>
      before === undefined || after === undefined ? [] : differencesOf(KEYS, before, after, around, `${name}.`),
    decryption: decryptionDifferences,
    // Who asks decides what the server tells.
    client: another,
    tokens: (name, before, after, around) => differencesOf(TOKENS, before, after, around, `${name}.`),
    cache: (name, before, after, around) => differencesOf(CACHE, before, after, around, `${name}.`),
    // Each of these decides when there is no answer; without one a token is refused.
    timeout: otherwise,
    concurrency: otherwise,
    queue: otherwise,
    clockTolerance: limitMs,
    maxLifetime: limitMs,
    acrOrder: acrOrderDifferences,
    requiredClaims: allOf,
    scopeClaim: another,
    rolesClaim: another,
    caFile: another,
    allowInsecureHttp: ranked({ true: 0, false: 1 }),
  },
  session: {
    type: noMatter('Providers of two types are told apart before their keys are compared.'),
    issuer: (name, before, after) => otherWith(name, { before, after, witness: `people who log in at ${after}` }),
    client: (name, before, after) =>
      before.id === after.id
        ? otherwise(name, before, after)
        : otherWith(`${name}.id`, {
            before: before.id,
            after: after.id,
            witness: `people who log in for the client ${after.id}`,
          }),
    scopes: askedScopes,
    resource: another,
    // It decides who somebody is.
    principal: (name, before, after) =>
      otherWith(name, { before, after, witness: `sessions that count for ${principalText(after)}` }),
    publicUrl: (name, before, after) => otherWith(name, { before, after, witness: `pages of ${after}` }),
    paths: otherwise,
    keyFiles: keyFileDifferences,
    // Records are sealed, so that whoever controls the store makes none up.
    store: otherwise,
    lifetime: (name, before, after, around) => differencesOf(LIFETIME, before, after, around, `${name}.`),
    allowOrigins: anyOf,
    afterLogout: noMatter('It is a page that is shown when a session is over.'),
    parameters: another,
    timeout: otherwise,
    clockTolerance: limitMs,
    hosts: (name, before = [], after = []) => anyOf(name, before, after),
    caFile: another,
    allowInsecureHttp: ranked({ true: 0, false: 1 }),
  },
  spiffe: {
    type: noMatter('Providers of two types are told apart before their keys are compared.'),
    trustDomain: (name, before, after) => otherWith(name, { before, after, witness: `workloads of ${after}` }),
    audiences: anyOf,
    bundle: (name, before, after, around) => differencesOf(BUNDLE, before, after, around, `${name}.`),
    clockTolerance: limitMs,
    maxLifetime: limitMs,
    requiredClaims: allOf,
    scopeClaim: another,
    rolesClaim: another,
  },
}

const LIFETIME: Comparisons<ProviderConfigs['session']['lifetime']> = {
  idle: limitMs,
  absolute: limitMs,
  refreshBefore: otherwise,
  grace: limitMs,
}

/** Compares values that have no order, and says what gets in by the other. */
function otherWith(
  name: string,
  { before, after, witness }: Pair<string> & { readonly witness: string },
): readonly Difference[] {
  return before === after ? [] : [{ direction: 'changed', text: `${name}: ${before} → ${after}`, witness }]
}

function principalText(principal: string): string {
  return principal === 'idToken' ? 'their ID tokens' : `their access tokens at ${principal}`
}

/** What a login asks for, its session may have. */
function askedScopes(name: string, before: readonly string[], after: readonly string[]): readonly Difference[] {
  return anyOf(name, before, after).map(({ direction, text }) => ({
    direction,
    text,
    ...(direction === 'loosened' && {
      witness: `sessions with ${after.filter(each => !before.includes(each)).join(' ')}`,
    }),
  }))
}

/** Whoever has one of these can make a cookie up. */
function keyFileDifferences(name: string, before: readonly string[], after: readonly string[]): readonly Difference[] {
  const added = after.filter(each => !before.includes(each))
  return anyOf(name, before, after).map(({ direction, text }) => ({
    direction,
    text,
    ...(direction === 'loosened' && { witness: `cookies of whoever has ${added.join(' or ')}` }),
  }))
}

type Introspection = ProviderConfigs['introspection']

/** What is not asked about is refused. */
const TOKENS: Comparisons<Introspection['tokens']> = {
  prefixes: (name, before, after) => anyOfOrAnything(name, listOrNone(before), listOrNone(after)),
  minBytes: otherwise,
  jwts: ranked({ true: 0, false: 1 }),
}

/** A token that was revoked at the server is accepted until it is asked about again. */
const CACHE: Comparisons<Introspection['cache']> = {
  ttl: limitMs,
  inactiveTtl: otherwise,
  refreshAhead: otherwise,
  maxStale: limitMs,
}

function listOrNone(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values
}

/** Encryption proves nothing about a token, so its keys let nobody in; that it is required keeps plain ones out. */
const DECRYPTION: Comparisons<DecryptionConfig> = {
  keyFiles: anyOf,
  algorithms: anyOf,
  encryptions: anyOf,
  required: ranked({ false: 0, true: 1 }),
}

function decryptionDifferences(
  name: string,
  before: DecryptionConfig | undefined,
  after: DecryptionConfig | undefined,
): readonly Difference[] {
  return differencesOf(DECRYPTION, before ?? NO_DECRYPTION, after ?? NO_DECRYPTION, { before, after }, `${name}.`)
}

const NO_DECRYPTION: DecryptionConfig = { keyFiles: [], algorithms: [], encryptions: [], required: false }

/** An issuer that becomes many lets more in; of many others, others are let in. */
function issuerDifferences(name: string, before: string, after: string): readonly Difference[] {
  const [from, to] = [issuerTemplate(before), issuerTemplate(after)]
  if ((from === undefined) === (to === undefined)) return another(name, before, after)
  return [{ direction: to === undefined ? 'tightened' : 'loosened', text: `${name}: ${before} → ${after}` }]
}

/** Where only one of the two has tenants, the issuer tells. */
function tenantDifferences(
  name: string,
  before: ProviderConfigs['jwt']['tenants'],
  after: ProviderConfigs['jwt']['tenants'],
  { before: from, after: to }: Pair<ProviderConfigs['jwt']>,
): readonly Difference[] {
  const [old, next] = [tenantsOf(from), tenantsOf(to)]
  if (before === undefined || after === undefined || old === undefined || next === undefined) return []
  return Object.keys(next).flatMap(claim =>
    anyOfOrAnything(`${name}.${claim}`, listOrAnything(old[claim]), listOrAnything(next[claim])),
  )
}

/** A claim that the old tenants lack is a change of the issuer. */
function listOrAnything(values: 'any' | readonly string[] = []): readonly string[] | undefined {
  return values === 'any' ? undefined : values
}

/** A value gets in wherever a weaker one is asked for, so each pair of them is compared by itself. */
function acrOrderDifferences(
  name: string,
  before: readonly string[] = [],
  after: readonly string[] = [],
): readonly Difference[] {
  return anyOf(name, standIns(before), standIns(after))
}

function standIns(order: readonly string[]): readonly string[] {
  return order.flatMap((weaker, index) => order.slice(index + 1).map(stronger => `${stronger} for ${weaker}`))
}

/** What stands in for `aud` says less than `aud`: for whom a token is meant, and not only who asked for it. */
function audienceClaimDifferences(name: string, before: string, after: string): readonly Difference[] {
  if (before === after) return []
  const direction = before === 'aud' ? 'loosened' : after === 'aud' ? 'tightened' : 'changed'
  return [{ direction, text: `${name}: ${before} → ${after}` }]
}
