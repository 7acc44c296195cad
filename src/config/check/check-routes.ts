/**
 * Judges routes against each other, and what they refer to: providers, upstreams, shapes, methods.
 *
 * The order of routes does not matter, so two routes that could both be meant are refused.
 */
import { coveredMethods, FORWARDED } from '../../route/methods.ts'
import { parsePattern } from '../../route/pattern.ts'
import { laxSegment } from '../../route/readings.ts'
import { judgesOn } from '../schema/accepted.ts'
import type { Draft } from '../schema/draft.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import { CALLER_KEYS } from '../schema/route-keys.ts'
import type { RouteConfig } from '../schema/schema.ts'
import { didYouMean } from '../schema/suggest.ts'
import { shareIssuer } from '../schema/tenants.ts'
import type { Finding } from './findings.ts'

export function routeFindings(draft: Draft): readonly Finding[] {
  const routes = [...draft.routes].map(([index, route]) => ({ index, route }))
  return [
    ...idFindings(routes),
    ...shapeFindings(routes),
    ...routes.flatMap(({ index, route }) => [
      ...allowanceFindings(index, route),
      ...accessFindings(draft, index, route),
      ...issuerFindings(draft, index, route),
      ...opaqueFindings(draft, index, route),
      ...acrFindings(draft, index, route),
      ...upstreamFindings(draft, index, route),
    ]),
  ]
}

interface Indexed {
  readonly index: number
  readonly route: RouteConfig
}

function idFindings(routes: readonly Indexed[]): readonly Finding[] {
  const message = 'is the id of an earlier route too; give each route its own'
  return [...Map.groupBy(routes, ({ route }) => route.id).values()].flatMap(([first, ...later]) =>
    first === undefined
      ? []
      : later.map(({ index }) => ({ path: ['routes', index, 'id'], message, other: ['routes', first.index, 'id'] })),
  )
}

function shapeFindings(routes: readonly Indexed[]): readonly Finding[] {
  return [...Map.groupBy(routes, ({ route }) => shapeOf(route.path, laxSegment)).values()].flatMap(alike =>
    alike.flatMap(({ index, route }, position) => {
      const found = alike.slice(0, position).flatMap(other => {
        const message = shapeProblem(other.route, route)
        return message === undefined ? [] : [{ message, other: ['routes', other.index, 'path'] }]
      })
      return found.slice(0, 1).map(problem => ({ path: ['routes', index, 'path'], ...problem }))
    }),
  )
}

function shapeProblem(other: RouteConfig, route: RouteConfig): string | undefined {
  // A service that ignores case, or decodes more than we do, would serve the path of one under the policy of the other.
  if (shapeOf(other.path, exactly) !== shapeOf(route.path, exactly))
    return `is read like the path of route \`${other.id}\` by services that ignore case; spell both alike`
  const shared = [...methodsOf(route)].filter(method => methodsOf(other).has(method))
  if (shared.length === 0) return undefined
  const both = shared.length === FORWARDED.length ? 'all methods' : shared.join(', ')
  return `matches what route \`${other.id}\` matches (${both}); change a path or the \`methods\``
}

/** Returns the path without the names of its parameters. Routes with the same shape match the same requests. */
export function shapeOf(path: string, spell: (literal: string) => string): string {
  const { segments, extent } = parsePattern(path)
  return JSON.stringify([
    extent,
    ...segments.map(each => (each.kind === 'literal' ? `=${spell(each.text)}` : `:${spell(each.suffix ?? '')}`)),
  ])
}

function exactly(literal: string): string {
  return literal
}

function methodsOf({ methods }: RouteConfig): ReadonlySet<string> {
  return coveredMethods(methods ?? FORWARDED)
}

/** Refuses what a route allows and no request of it can have, since it would pass for a setting that counts. */
function allowanceFindings(index: number, { path, pathAllow }: RouteConfig): readonly Finding[] {
  const { segments, extent } = parsePattern(path)
  const isLiteral = extent === 'exact' && segments.every(({ kind }) => kind === 'literal')
  return pathAllow.flatMap((allowance, position): readonly Finding[] => {
    const message = isLiteral
      ? ALLOWED_IN_PARAMETERS.get(allowance)
      : extent === 'exact' && segments.length === 1 && allowance === 'emptySegment'
        ? 'has no effect on a path of one segment; leave it out'
        : undefined
    return message === undefined ? [] : [{ path: ['routes', index, 'pathAllow', position], message }]
  })
}

const ALLOWED_IN_PARAMETERS: ReadonlyMap<RouteConfig['pathAllow'][number], string> = new Map([
  ['encodedSlash', 'has no effect on a path of literals, which hold no slash; leave it out'],
  ['emptySegment', 'has no effect on a path of literals, of which none is empty; leave it out'],
])

function accessFindings({ providerIds }: Draft, index: number, route: RouteConfig): readonly Finding[] {
  const path = ['routes', index]
  if (route.access === 'public') {
    const asking = CALLER_KEYS.filter(key => route[key] !== undefined)
    const message = 'has no effect with `access: public`, which does not look at tokens; leave out one of them'
    return asking.map(key => ({ path: [...path, key], message, at: 'key' }))
  }
  if (route.passAuthorization) {
    const message = `passes on what the gateway itself reads; write \`access: public\`, or leave it out`
    return [{ path: [...path, 'passAuthorization'], message, at: 'key' }]
  }
  if (providerIds.length === 0) {
    const message = `is \`${route.access}\`, which needs a provider; add one to \`providers\`, or write \`access: public\``
    return [{ path: [...path, 'access'], message, about: 'providers' }]
  }
  return (route.providers ?? []).flatMap((id, position): Finding[] =>
    providerIds.includes(id)
      ? []
      : [
          {
            path: [...path, 'providers', position],
            message: unknownText('provider', id, providerIds),
            about: 'providers',
          },
        ],
  )
}

/** Refuses two providers with one issuer on one route, since `iss` has to tell which of them a token is from. */
function issuerFindings({ providers }: Draft, index: number, route: RouteConfig): readonly Finding[] {
  if (route.access === 'public') return []
  const accepted = [...providers].filter(([id]) => route.providers?.includes(id) ?? true)
  const takers = accepted.flatMap(([id, provider]) => {
    const { takesJwts } = providerTraits(provider)
    return takesJwts === undefined ? [] : [{ id, takesJwts }]
  })
  return takers.flatMap(({ id, takesJwts }, position): Finding[] => {
    const twin = takers.slice(0, position).find(other => shareIssuer(other.takesJwts, takesJwts))
    if (twin === undefined) return []
    const asked = [twin, { id, takesJwts }].find(each => isAskedAbout(providers, each.id))
    const remedy =
      asked === undefined
        ? 'name one of the two here'
        : `name one of the two here, or set \`tokens.jwts: false\` in \`${asked.id}\`, which then takes opaque tokens only`
    return [
      {
        path: ['routes', index, 'providers'],
        message: `has \`${twin.id}\` and \`${id}\`, whose issuer is the same; ${remedy}`,
      },
    ]
  })
}

function isAskedAbout(providers: Draft['providers'], id: string): boolean {
  const provider = providers.get(id)
  return provider !== undefined && providerTraits(provider).takesOpaque !== undefined
}

/** Refuses two providers that could both be asked about one opaque token, which does not say whose it is. */
function opaqueFindings({ providers }: Draft, index: number, route: RouteConfig): readonly Finding[] {
  if (route.access === 'public') return []
  const takers = [...providers].flatMap(([id, provider]) => {
    const { takesOpaque } = providerTraits(provider)
    return takesOpaque !== undefined && (route.providers?.includes(id) ?? true) ? [{ id, ...takesOpaque }] : []
  })
  return takers.flatMap(({ id, prefixes }, position): Finding[] => {
    const twin = takers.slice(0, position).find(other => shareBeginning(other.prefixes, prefixes))
    if (twin === undefined) return []
    const message = `has \`${twin.id}\` and \`${id}\`, which could both be asked about one token; name one of the two here, or tell them apart by \`tokens.prefixes\``
    return [{ path: ['routes', index, 'providers'], message }]
  })
}

/** No prefix at all is any beginning. */
function shareBeginning(some: readonly string[], others: readonly string[]): boolean {
  const [a, b] = [some, others].map(prefixes => (prefixes.length === 0 ? [''] : prefixes))
  return a?.some(one => b?.some(other => one.startsWith(other) || other.startsWith(one))) === true
}

/** Refuses a value that the issuer, by its order, never sends: it would be a slip, or of another issuer. */
function acrFindings({ providers }: Draft, index: number, route: RouteConfig): readonly Finding[] {
  if (route.access === 'public') return []
  const config = { providers: Object.fromEntries(providers) }
  const ordered = [...providers].flatMap(([id, provider]) => {
    const { acrOrder } = providerTraits(provider)
    return acrOrder !== undefined && judgesOn(config, route, id) ? [{ id, acrOrder }] : []
  })
  return (route.require?.acr ?? []).flatMap((value, position): Finding[] => {
    const lacking = ordered.find(({ acrOrder }) => !acrOrder.includes(value))
    if (lacking === undefined) return []
    const { id, acrOrder } = lacking
    const message = `is not in \`acrOrder\` of provider \`${id}\`, which has ${acrOrder.join(', ')}.${didYouMean(value, acrOrder)}`
    return [{ path: ['routes', index, 'require', 'acr', position], message }]
  })
}

function upstreamFindings(
  { written, upstreamIds }: Draft,
  index: number,
  { upstream }: RouteConfig,
): readonly Finding[] {
  // Where nobody listens for traffic, nothing is forwarded.
  if (upstream === undefined && upstreamIds.length === 0 && written?.has('listen') === false && written.has('decide'))
    return []
  const message = upstreamProblem(upstreamIds, upstream)
  return message === undefined ? [] : [{ path: ['routes', index, 'upstream'], message, about: 'upstreams' }]
}

/** Says why a reference to an upstream leads nowhere. It may be left out when there is only one upstream. */
export function upstreamProblem(upstreamIds: readonly string[], upstream: string | undefined): string | undefined {
  if (upstream !== undefined)
    return upstreamIds.includes(upstream) ? undefined : unknownText('upstream', upstream, upstreamIds)
  if (upstreamIds.length === 1) return undefined
  const remedy = upstreamIds.length === 0 ? 'add one to `upstreams`' : `write one of ${upstreamIds.join(', ')}`
  return `is missing; ${remedy}`
}

const SECTION_OF = { provider: 'providers', upstream: 'upstreams', resource: 'resources', limit: 'rateLimits' } as const

export function unknownText(kind: keyof typeof SECTION_OF, id: string, ids: readonly string[]): string {
  if (ids.length === 0) return `names no ${kind}; add it to \`${SECTION_OF[kind]}\``
  return `names no ${kind}; there ${ids.length === 1 ? 'is' : 'are'} ${ids.join(', ')}.${didYouMean(id, ids)}`
}
