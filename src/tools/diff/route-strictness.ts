/**
 * Compares two routes that take the same requests: which of them lets more callers through.
 *
 * A new key of a route needs a row here. When a stream is ended is compared apart from what lets a request in, since
 * being stricter in one does not make up for being looser in the other.
 */

import { isDeepStrictEqual } from 'node:util'
import { secondsText } from '../../authorize/age.ts'
import { corsRules } from '../../config/cors.ts'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type {
  ClaimRequirement,
  Config,
  ProviderConfig,
  RequireConfig,
  RouteConfig,
  StreamsConfig,
} from '../../config/schema/schema.ts'
import type { CorsRules } from '../../route/cors.ts'
import { sourcesOf, sourceText } from '../text/credential-text.ts'
import { wantedOfClaim } from '../text/requirement-text.ts'
import { routeLimitDifferences } from './limit-strictness.ts'
import { pageDifferences } from './page-strictness.ts'
import { WHEN_STALE, whenStaleIn } from './revocation-strictness.ts'
import {
  allOf,
  anyOf,
  asked,
  type Compare,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  noMatter,
  type Pair,
  ranked,
} from './strictness.ts'
import { toolDifferences } from './tool-strictness.ts'

/** Pairs a route with its configuration, which holds the defaults of some of the route's keys. */
export interface RouteInConfig {
  readonly route: RouteConfig
  readonly config: Config
}

/** The keys that decide whether a request gets in. */
type Entry = Omit<RouteConfig, 'streams'>

/** The keys that decide which callers get in, all of them together. */
type CallerKey = 'access' | 'mode' | 'audiences' | 'require' | 'providers'

/** Says in words how the demands on callers differ. Which callers that concerns is compared in `callers.ts`. */
export function callerDifferences(around: Pair<RouteInConfig>): readonly Difference[] {
  const { access, mode, audiences, require, providers } = ROUTE
  const comparisons: Comparisons<Pick<Entry, CallerKey>, RouteInConfig> = {
    access,
    mode,
    audiences,
    require,
    providers,
  }
  return differencesOf(comparisons, around.before.route, around.after.route, around)
}

/** Compares what decides whether a request gets in, whoever its caller is. */
export function requestDifferences(around: Pair<RouteInConfig>): readonly Difference[] {
  const { access, mode, audiences, require, providers, ...rest } = ROUTE
  const comparisons: Comparisons<Omit<Entry, CallerKey>, RouteInConfig> = rest
  return differencesOf(comparisons, around.before.route, around.after.route, around)
}

/** Compares how long a stream may go on that got in. */
export function routeStreamDifferences({ before, after }: Pair<RouteInConfig>): readonly Difference[] {
  if (before.route.access === 'public' || after.route.access === 'public') return []
  // Where both routes leave it to the section `streams`, a difference is reported once, under that section.
  if (before.route.streams === undefined && after.route.streams === undefined) return []
  return differencesOf(STREAMS, streamsOf(before), streamsOf(after), { before, after }, 'streams.')
}

const ROUTE: Comparisons<Entry, RouteInConfig> = {
  access: ranked({ public: 0, optional: 1, required: 2 }),
  mode: ranked({ report: 0, enforce: 1 }),
  audiences: ofCallers((name, _before, _after, around) => {
    const [before, after] = isOfResource(around) ? [counting(around.before), counting(around.after)] : []
    if (before !== undefined && after !== undefined) return anyOf(name, before, after)
    return asked(anyOf<string>, joined(' or '))(name, audiencesOf(around.before), audiencesOf(around.after), around)
  }),
  require: ofCallers((_name, before = {}, after = {}, around) => differencesOf(REQUIRE, before, after, around)),
  providers: ofCallers((name, _before, _after, { before, after }) =>
    anyOf(name, acceptedProviders(before.config, before.route), acceptedProviders(after.config, after.route)),
  ),
  credentials: ofCallers((name, _before, _after, { before, after }) => anyOf(name, placesOf(before), placesOf(after))),
  passAuthorization: ranked({ true: 0, false: 1 }),
  pathAllow: anyOf,
  upstream: (name, _before, _after, around) => upstreamDifferences(name, around),
  // Where both routes leave it to the section `revocation`, a difference is reported once, under that section.
  revocation: ofCallers((name, before, after, around) =>
    before?.whenStale === undefined && after?.whenStale === undefined
      ? []
      : WHEN_STALE(`${name}.whenStale`, whenStaleOf(around.before), whenStaleOf(around.after), around),
  ),
  // It says how a person is told who may not pass, and lets nobody in.
  anonymous: ofCallers((name, before = 'refuse', after = 'refuse') =>
    before === after ? [] : [{ direction: 'changed', text: `${name}: ${before} → ${after}` }],
  ),
  cors: (name, _before, _after, { before, after }) => pageDifferences(name, pagesOf(before), pagesOf(after)),
  resource: noMatter('Its URL is compared with the audiences.'),
  mcp: (name, before, after, around) => [
    ...TOOLS_OF_CALLERS(name, before, after, around),
    ...unauthorizedDifferences(name, before, after),
  ],
  rateLimits: (name, _before, _after, around) => routeLimitDifferences(name, around),
  id: noMatter('It names the route in logs and metrics.'),
  path: noMatter('Which requests a route takes is found by routing them.'),
  methods: noMatter('Which requests a route takes is found by routing them.'),
  timeout: noMatter('It bounds the answer of the service to a request that got in.'),
}

const TOOLS_OF_CALLERS = ofCallers<RouteConfig['mcp']>((name, _before, _after, { before, after }) =>
  toolDifferences(name, { before: before.route, after: after.route }),
)

/** A client that sees a 401 throws its session away, so the gateway hides those of a server that stands behind it. */
function unauthorizedDifferences(
  name: string,
  before: RouteConfig['mcp'],
  after: RouteConfig['mcp'],
): readonly Difference[] {
  if ((before === undefined) === (after === undefined)) return []
  const becomes = after === undefined ? 'passes as it is' : 'is 502 upstream_unauthorized'
  return [{ direction: 'changed', text: `${name}: a 401 of the service ${becomes}` }]
}

const REQUIRE: Comparisons<RequireConfig> = {
  scopes: asked(allOf, joined(' and ')),
  anyScope: asked(anyOf, joined(' or ')),
  roles: asked(allOf, joined(' and ')),
  anyRole: asked(anyOf, joined(' or ')),
  proof: asked(ranked({ any: 0, dpop: 1, certificate: 1 }), proof => proof),
  acr: asked(anyOf, joined(' or ')),
  authAge: asked(limitMs, secondsText),
  tokenAge: asked(limitMs, secondsText),
  when: (name, before, after) => conditionDifferences(name, before, after),
  claims: (name, before = {}, after = {}, around) =>
    [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(claim =>
      askedOfClaim(`${name}.${claim}`, before[claim], after[claim], around),
    ),
}

/** Conditions of different texts may say the same, or let others in: nobody can tell. */
function conditionDifferences(
  name: string,
  before: RequireConfig['when'] = [],
  after: RequireConfig['when'] = [],
): readonly Difference[] {
  const [were, are] = [before, after].map(all => all.map(({ text }) => text))
  const differences = allOf(name, were ?? [], are ?? [])
  const isChanged = new Set(differences.map(({ direction }) => direction)).size > 1
  return isChanged
    ? differences.map(({ text }) => ({ direction: 'changed', text: `${text}: may differ` }))
    : differences
}

const askedOfClaim = asked(claimDifferences, wantedOfClaim)

/** Compares the section `streams`, and also what a route says in its place. */
export const STREAMS: Comparisons<StreamsConfig> = {
  onExpiry: ranked({ keep: 0, close: 1 }),
  grace: limitMs,
  idleTimeout: noMatter('It ends what is silent, whoever the caller is.'),
}

/**
 * Compares only where both routes look at tokens. A public route asks nobody for anything, and when a route becomes
 * public or ceases to be, `access` tells of that.
 */
function ofCallers<Value>(compare: Compare<Value, RouteInConfig>): Compare<Value, RouteInConfig> {
  return (name, before, after, around) =>
    around.before.route.access === 'public' || around.after.route.access === 'public'
      ? []
      : compare(name, before, after, around)
}

/** A report-only route refuses no origin. */
function pagesOf({ route, config }: RouteInConfig): CorsRules | undefined {
  const rules = corsRules(route, config, sourcesOf(route, config))
  return rules && { ...rules, enforceOrigin: rules.enforceOrigin && route.mode === 'enforce' }
}

/** Returns the audiences of which a token needs one besides those of its provider; undefined where any will do. */
export function audiencesOf({ route, config }: RouteInConfig): readonly string[] | undefined {
  const url = urlOf({ route, config })
  return url === undefined ? route.audiences : [url, ...(route.audiences ?? [])]
}

/** The URL of a resource comes beside what its providers take, or in its place, and is no further demand. */
function isOfResource({ before, after }: Pair<RouteInConfig>): boolean {
  return (urlOf(before) ?? urlOf(after)) !== undefined
}

/** Returns the audiences that count on the route, be it for its providers; undefined where those take any. */
function counting(side: RouteInConfig): readonly string[] | undefined {
  const ofProviders = providersOf(side).map(provider => providerTraits(provider).audiences)
  const own = audiencesOf(side)
  return own ?? (ofProviders.every(each => each.length > 0) ? [...new Set(ofProviders.flat())] : undefined)
}

function providersOf({ route, config: { providers } }: RouteInConfig): readonly ProviderConfig[] {
  return acceptedProviders({ providers }, route).flatMap(id => providers[judgeOf({ providers }, id)] ?? [])
}

/** Returns the id of the provider that judges the tokens of this one: what a session brings is judged by another. */
export function judgeOf({ providers }: Pick<Config, 'providers'>, id: string): string {
  const provider = providers[id]
  return (provider && providerTraits(provider).logsIn?.principal) ?? id
}

/** Returns the URL of the route's resource, which counts as one of its provider's audiences there. */
export function urlOf({ route: { resource }, config: { resources } }: RouteInConfig): string | undefined {
  return resource === undefined ? undefined : resources[resource]?.url
}

/** Lists each use of a query parameter by itself: a parameter for every request has more of them. */
function placesOf({ route, config }: RouteInConfig): readonly string[] {
  return sourcesOf(route, config).flatMap(source => {
    const text = sourceText(source)
    if (typeof source === 'string' || !('query' in source)) return [text]
    return (source.only ?? ['websocket', 'eventStream', 'every request']).map(use => `${text} (${use})`)
  })
}

function joined(word: string): (values: readonly string[]) => string {
  return values => values.join(word)
}

function claimDifferences(name: string, before: ClaimRequirement, after: ClaimRequirement): readonly Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  if ('anyOf' in before && 'anyOf' in after) return anyOf(name, before.anyOf, after.anyOf)
  if ('all' in before && 'all' in after) return allOf(name, before.all, after.all)
  // That a claim has any value at all is the least that can be asked of it.
  if ('exists' in before) return [{ direction: 'tightened', text: `${name}: not any value any more` }]
  if ('exists' in after) return [{ direction: 'loosened', text: `${name}: any value will do` }]
  return [{ direction: 'changed', text: `${name} is asked for in another way` }]
}

function upstreamDifferences(name: string, { before, after }: Pair<RouteInConfig>): readonly Difference[] {
  const [from, to] = [upstreamId(before), upstreamId(after)]
  const [fromUrl, toUrl] = [before.config.upstreams[from]?.url, after.config.upstreams[to]?.url]
  if (isDeepStrictEqual(fromUrl, toUrl)) return []
  const text = `${name}: ${from || 'none'} → ${to || 'none'}${from === to ? ' with another address' : ''}`
  return [{ direction: 'changed', text }]
}

/** Returns the upstream that the route names, else the only one of the configuration. */
function upstreamId({ route, config }: RouteInConfig): string {
  return route.upstream ?? Object.keys(config.upstreams)[0] ?? ''
}

function whenStaleOf({ route, config: { revocation } }: RouteInConfig): 'refuse' | 'allow' {
  return whenStaleIn(revocation, route.revocation?.whenStale)
}

function streamsOf({ route: { streams }, config: { streams: general } }: RouteInConfig): StreamsConfig {
  return {
    onExpiry: streams?.onExpiry ?? general.onExpiry,
    grace: streams?.grace ?? general.grace,
    idleTimeout: streams?.idleTimeout ?? general.idleTimeout,
  }
}
