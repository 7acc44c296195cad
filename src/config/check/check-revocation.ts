/**
 * Judges what `revocation` and `store` mean together with the other sections: whether somebody can tell of revocations,
 * whether they are kept as long as tokens live, and whether the endpoints have providers and paths of their own.
 *
 * The store is shared by everybody who needs one. A new user of it belongs into {@link unusedStoreFindings}.
 */
import { laxSegment } from '../../route/readings.ts'
import type { Draft } from '../schema/draft.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import type { RevocationConfig } from '../schema/schema.ts'
import { durationText } from '../schema/units.ts'
import { shapeOf, unknownText } from './check-routes.ts'
import { loginsOf, servedLogoutProblem } from './check-session-peers.ts'
import type { Finding, Path } from './findings.ts'
import { pathText } from './report.ts'

export function revocationFindings(draft: Draft): readonly Finding[] {
  const { revocation } = draft
  return [
    ...unusedStoreFindings(draft),
    ...routeFindings(draft),
    ...(revocation === undefined
      ? []
      : [
          ...sourceFindings(draft, revocation),
          ...staleFindings(draft, revocation),
          ...neededFindings(draft, revocation),
          ...keepFindings(draft, revocation),
          ...endpointFindings(draft, revocation),
        ]),
  ]
}

function unusedStoreFindings(draft: Draft): readonly Finding[] {
  const { store, revocation, dpop, providers, providerIds, rateLimits } = draft
  if (store === undefined || revocation?.store !== undefined || dpop?.replay.store === true) return []
  // Where one of the limits is wrong, it may be one that is shared.
  if (rateLimits === undefined || Object.values(rateLimits).some(limit => limit.store)) return []
  // A provider that is left out because of a problem of its own may be one that shares its sessions.
  if (hasSharedSessions(draft) || providers.size < providerIds.length) return []
  const [login] = loginsOf(draft)
  const uses = [
    '`revocation.store: {}`',
    ...(login === undefined ? [] : [`\`store: shared\` in provider \`${login.id}\``]),
    '`dpop.replay.store: true`',
    '`store: true` in one of `rateLimits`',
  ]
  const message = `has no effect: nothing uses it; write ${uses.slice(0, -1).join(', ')} or ${uses.at(-1)}, or leave it out`
  return [{ path: ['store'], message, at: 'key', about: 'revocation' }]
}

function hasSharedSessions(draft: Draft): boolean {
  return loginsOf(draft).some(({ provider }) => provider.store === 'shared')
}

/** Is true, too, where a provider is left out because of a problem of its own, and may be one. */
function hasSessions(draft: Draft): boolean {
  return loginsOf(draft).length > 0 || draft.providers.size < draft.providerIds.length
}

function routeFindings(draft: Draft): readonly Finding[] {
  const { revocation, routes } = draft
  const isShared = hasSharedSessions(draft)
  return [...routes].flatMap(([index, { access, revocation: own }]): readonly Finding[] => {
    if (own === undefined) return []
    const path = ['routes', index, 'revocation']
    if (access === 'public') {
      const message = 'has no effect with `access: public`, which does not look at tokens; leave it out'
      return [{ path, message, at: 'key' }]
    }
    // The ends of shared sessions are heard of by the store, whatever is written.
    if (isShared) return []
    if (revocation === undefined) {
      const message = 'has no effect without the section `revocation`; add that, or leave it out'
      return [{ path, message, at: 'key', about: 'revocation' }]
    }
    if (own.whenStale === undefined || revocation.store !== undefined) return []
    return [{ path: [...path, 'whenStale'], message: withoutStore('whenStale'), at: 'key' }]
  })
}

/** The sources that can tell of a revocation while the gateway runs. */
const TELLING = ['store', 'api', 'backchannelLogout', 'signals'] as const satisfies ReadonlyArray<
  keyof RevocationConfig
>

function isTold(revocation: RevocationConfig): boolean {
  return TELLING.some(source => revocation[source] !== undefined)
}

function sourceFindings(draft: Draft, revocation: RevocationConfig): readonly Finding[] {
  // Every provider of sessions tells of logouts.
  const isKnown = isTold(revocation) || hasSessions(draft)
  if (!isKnown && revocation.file === undefined) {
    const message =
      'has no source, so that nothing is ever revoked; add `file`, `store`, `api`, `backchannelLogout` or `signals`'
    return [{ path: ['revocation'], message, at: 'key' }]
  }
  if (isKnown || revocation.cacheFile === undefined) return []
  const message = 'has no effect with `file` alone, which is read at each start; leave it out'
  return [{ path: ['revocation', 'cacheFile'], message, at: 'key' }]
}

function withoutStore(key: string): string {
  return `has no effect without \`revocation.store\`: nothing else falls silent; leave \`${key}\` out`
}

/** No default is right for everybody: one choice stops all traffic with the store, the other lets the revoked in. */
function staleFindings(draft: Draft, { store, whenStale, shortLived }: RevocationConfig): readonly Finding[] {
  if (store === undefined && hasSharedSessions(draft)) return []
  if (store === undefined)
    return Object.entries({ whenStale, shortLived }).flatMap(([key, value]): Finding[] =>
      value === undefined ? [] : [{ path: ['revocation', key], message: withoutStore(key), at: 'key' }],
    )
  if (whenStale !== undefined) return []
  const message =
    'is missing; write `refuse` (503 while the store is away) or `allow` (whoever was revoked meanwhile gets in)'
  return [{ path: ['revocation', 'whenStale'], message }]
}

function neededFindings({ admin, store }: Draft, revocation: RevocationConfig): readonly Finding[] {
  const found: Finding[] = []
  if (revocation.store !== undefined && store === undefined)
    found.push({
      path: ['revocation', 'store'],
      message: 'needs the section `store`, which says where the store is; add it',
      at: 'key',
      about: 'store',
    })
  if (revocation.api !== undefined && admin === undefined)
    found.push({
      path: ['revocation', 'api'],
      message: 'is served on the admin listener; add the section `admin`',
      at: 'key',
      about: 'admin',
    })
  return found
}

/** Refuses an entry that may be forgotten before the last token that it is about expires: that token would revive. */
function keepFindings({ providers }: Draft, revocation: RevocationConfig): readonly Finding[] {
  const { keep } = revocation
  return [...providers].flatMap(([id, provider]): readonly Finding[] => {
    const { maxLifetime, signsEvents, logsIn } = providerTraits(provider)
    if (logsIn !== undefined) return keepOfSessions(id, maxLifetime ?? 0, keep)
    // What a server is asked about, it has to call inactive itself once it is revoked there.
    if (!isTold(revocation) || !signsEvents) return []
    const path = ['providers', id, 'maxLifetime']
    if (maxLifetime === undefined) {
      const message = `is missing; set it, to \`${durationText(keep)}\` at most: a token that outlives \`revocation.keep\` is revoked for a time only`
      return [{ path, message }]
    }
    if (maxLifetime <= keep) return []
    const message = `must be at least \`${durationText(maxLifetime)}\`, the \`maxLifetime\` of provider \`${id}\`: its tokens are revoked for a time only; raise it, or lower that`
    return [{ path: ['revocation', 'keep'], message }]
  })
}

function keepOfSessions(id: string, lifetime: number, keep: number): readonly Finding[] {
  if (lifetime <= keep) return []
  const message = `must be at least \`${durationText(lifetime)}\`, the \`lifetime.absolute\` of provider \`${id}\`: the end of a session would be forgotten before it; raise it, or lower that`
  return [{ path: ['revocation', 'keep'], message }]
}

interface OwnEndpoint {
  readonly at: Path
  readonly provider: string
  readonly path: string
}

function endpointFindings(draft: Draft, revocation: RevocationConfig): readonly Finding[] {
  const endpoints: readonly OwnEndpoint[] = (['backchannelLogout', 'signals'] as const).flatMap(kind =>
    (revocation[kind] ?? []).map(({ provider, path }, index) => ({ at: ['revocation', kind, index], provider, path })),
  )
  return endpoints.flatMap((endpoint, index) => [
    ...ofProvider(draft, endpoint),
    ...ofPath(draft, endpoint, endpoints.slice(0, index)),
  ])
}

function ofProvider(draft: Draft, { at, provider: id }: OwnEndpoint): readonly Finding[] {
  const { providers, providerIds } = draft
  const path = [...at, 'provider']
  const served = at.includes('backchannelLogout') ? servedLogoutProblem(draft, id) : undefined
  if (served !== undefined) return [{ path, message: served }]
  if (!providerIds.includes(id))
    return [{ path, message: unknownText('provider', id, providerIds), about: 'providers' }]
  const provider = providers.get(id)
  if (provider === undefined || providerTraits(provider).signsEvents) return []
  return [{ path, message: 'names a provider that signs no events; name one of `type: jwt`' }]
}

/** An endpoint takes every method, if only to refuse it, so that a route of the same path would get no request. */
function ofPath(
  { routes }: Draft,
  { at, path: own }: OwnEndpoint,
  earlier: readonly OwnEndpoint[],
): readonly Finding[] {
  const path = [...at, 'path']
  const lax = shapeOf(own, laxSegment)
  const twin = earlier.find(each => shapeOf(each.path, laxSegment) === lax)
  if (twin !== undefined) return [{ path, message: `is the path of \`${pathText(twin.at)}\`, too; give each its own` }]
  const route = [...routes.values()].find(each => shapeOf(each.path, laxSegment) === lax)
  if (route === undefined) return []
  const message =
    route.path === own
      ? `is the path of route \`${route.id}\`, which would get no request; change one of them`
      : `is read like the path of route \`${route.id}\` by services that ignore case; change one of them`
  return [{ path, message }]
}
