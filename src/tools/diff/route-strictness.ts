/**
 * Compares two routes that take the same requests: which of them lets more callers through.
 *
 * A new key of a route needs a row here. What ends a stream is compared apart from what lets a request in, since the one
 * does not make up for the other.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ClaimRequirement, Config, RequireConfig, RouteConfig, StreamsConfig } from '../../config/schema/schema.ts'
import { wantedOfClaim } from '../text/requirement-text.ts'
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

/** A route with the configuration it is part of, which holds the defaults of some of its keys. */
export interface RouteInConfig {
  readonly route: RouteConfig
  readonly config: Config
}

/** The keys that decide whether a request gets in. */
type Entry = Omit<RouteConfig, 'streams'>

/** What decides whether a request gets in. */
export function routeDifferences(around: Pair<RouteInConfig>): readonly Difference[] {
  return differencesOf(ROUTE, around.before.route, around.after.route, around)
}

/** How long what got in may go on. */
export function routeStreamDifferences({ before, after }: Pair<RouteInConfig>): readonly Difference[] {
  if (before.route.access === 'public' || after.route.access === 'public') return []
  // What both routes leave to the section `streams` is reported once, of that section.
  if (before.route.streams === undefined && after.route.streams === undefined) return []
  return differencesOf(STREAMS, streamsOf(before), streamsOf(after), { before, after }, 'streams.')
}

const ROUTE: Comparisons<Entry, RouteInConfig> = {
  access: ranked({ public: 0, optional: 1, required: 2 }),
  mode: ranked({ report: 0, enforce: 1 }),
  audiences: ofCallers(asked(anyOf, joined(' or '))),
  require: ofCallers((_name, before = {}, after = {}, around) => differencesOf(REQUIRE, before, after, around)),
  providers: ofCallers((name, before, after, around) =>
    anyOf(
      name,
      before ?? Object.keys(around.before.config.providers),
      after ?? Object.keys(around.after.config.providers),
    ),
  ),
  pathAllow: anyOf,
  upstream: (name, _before, _after, around) => upstreamDifferences(name, around),
  id: noMatter('It names the route in logs and metrics.'),
  path: noMatter('Which requests a route takes is found by routing them.'),
  methods: noMatter('Which requests a route takes is found by routing them.'),
  timeout: noMatter('It bounds the answer of the service to a request that got in.'),
}

const REQUIRE: Comparisons<RequireConfig> = {
  scopes: asked(allOf, joined(' and ')),
  anyScope: asked(anyOf, joined(' or ')),
  roles: asked(allOf, joined(' and ')),
  anyRole: asked(anyOf, joined(' or ')),
  claims: (name, before = {}, after = {}, around) =>
    [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(claim =>
      askedOfClaim(`${name}.${claim}`, before[claim], after[claim], around),
    ),
}

const askedOfClaim = asked(claimDifferences, wantedOfClaim)

/** The comparisons of the section `streams`, which routes may override. */
export const STREAMS: Comparisons<StreamsConfig> = {
  onExpiry: ranked({ keep: 0, close: 1 }),
  grace: limitMs,
  idleTimeout: noMatter('It ends what is silent, whoever the caller is.'),
}

/** What a public route asks is not asked of anybody, and what a closed one asks is part of its being closed. */
function ofCallers<Value>(compare: Compare<Value, RouteInConfig>): Compare<Value, RouteInConfig> {
  return (name, before, after, around) =>
    around.before.route.access === 'public' || around.after.route.access === 'public'
      ? []
      : compare(name, before, after, around)
}

function joined(word: string): (values: readonly string[]) => string {
  return values => values.join(word)
}

function claimDifferences(name: string, before: ClaimRequirement, after: ClaimRequirement): readonly Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  if ('anyOf' in before && 'anyOf' in after) return anyOf(name, before.anyOf, after.anyOf)
  if ('all' in before && 'all' in after) return allOf(name, before.all, after.all)
  // Any value at all is the least that can be asked.
  if ('exists' in before) return [{ direction: 'tightened', text: `${name}: not any value any more` }]
  if ('exists' in after) return [{ direction: 'loosened', text: `${name}: any value will do` }]
  return [{ direction: 'changed', text: `${name} is asked for in another way` }]
}

function upstreamDifferences(name: string, { before, after }: Pair<RouteInConfig>): readonly Difference[] {
  const [from, to] = [upstreamId(before), upstreamId(after)]
  const [fromUrl, toUrl] = [before.config.upstreams[from]?.url, after.config.upstreams[to]?.url]
  if (isDeepStrictEqual(fromUrl, toUrl)) return []
  const text = `${name}: ${from} → ${to}${from === to ? ' with another address' : ''}`
  return [{ direction: 'changed', text }]
}

/** The route's own, else the only one of the configuration. */
function upstreamId({ route, config }: RouteInConfig): string {
  return route.upstream ?? Object.keys(config.upstreams)[0] ?? ''
}

function streamsOf({ route: { streams }, config: { streams: general } }: RouteInConfig): StreamsConfig {
  return {
    onExpiry: streams?.onExpiry ?? general.onExpiry,
    grace: streams?.grace ?? general.grace,
    idleTimeout: streams?.idleTimeout ?? general.idleTimeout,
  }
}
