/**
 * Judges what providers of `type: session` refer to, and what they share with the rest of the file: the provider that
 * judges what they bring, the store, the processes, the host of the cookie, and the paths of the traffic listener.
 *
 * RFC 6265bis §8.5 (a cookie does not know of ports). An endpoint takes every method, if only to refuse it, so that
 * nothing else can have its path.
 */
import { laxSegment } from '../../route/readings.ts'
import { isLogin } from '../schema/accepted.ts'
import type { ProviderConfigs } from '../schema/by-provider-type.ts'
import type { Draft } from '../schema/draft.ts'
import { BARE_METADATA_PATH, metadataPath } from '../schema/metadata-path.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import type { ProviderConfig } from '../schema/schema.ts'
import { sessionPath, sessionPaths } from '../schema/session-paths.ts'
import { didYouMean } from '../schema/suggest.ts'
import { shapeOf } from './check-routes.ts'
import type { Finding } from './findings.ts'
import { pathText } from './report.ts'

type Session = ProviderConfigs['session']

interface Login {
  readonly id: string
  readonly provider: Session
}

export function sessionPeerFindings(draft: Draft): readonly Finding[] {
  const logins = loginsOf(draft)
  return logins.flatMap((login, index) => [
    ...principalFindings(draft, login),
    ...storeFindings(draft, login),
    ...hostFindings(login, logins.slice(0, index)),
    ...placeFindings(draft, login, logins.slice(0, index)),
  ])
}

/** The providers of sessions that are right by themselves. */
export function loginsOf({ providers }: Pick<Draft, 'providers'>): readonly Login[] {
  return [...providers].flatMap(([id, provider]) => (provider.type === 'session' ? [{ id, provider }] : []))
}

function principalFindings({ providers, providerIds }: Draft, { id, provider }: Login): readonly Finding[] {
  const { principal } = provider
  if (principal === 'idToken') return []
  const path = ['providers', id, 'principal']
  const judges = providerIds.filter(each => !isLogin(providers.get(each)) && !isOfWorkloads(providers.get(each)))
  const remedy =
    judges.length === 0 ? '`idToken`, or add a provider of `type: jwt`' : `${judges.join(', ')} or \`idToken\``
  if (principal === id)
    return [{ path, message: `cannot be this provider, which judges no access token; write ${remedy}` }]
  if (isLogin(providers.get(principal)))
    return [{ path, message: `names another login, which judges no access token; write ${remedy}` }]
  if (isOfWorkloads(providers.get(principal)))
    return [{ path, message: `names a trust domain of workloads, where nobody logs in; write ${remedy}` }]
  if (providerIds.includes(principal)) return []
  const message =
    judges.length === 0
      ? `names no provider; write ${remedy}.${didYouMean(principal, ['idToken'])}`
      : `names no provider that judges tokens; there ${judges.length === 1 ? 'is' : 'are'} ${judges.join(', ')}, and \`idToken\`.${didYouMean(principal, [...judges, 'idToken'])}`
  return [{ path, message, about: 'providers' }]
}

function isOfWorkloads(provider: ProviderConfig | undefined): boolean {
  return provider !== undefined && providerTraits(provider).trustDomain !== undefined
}

function storeFindings({ store, workers = 1 }: Draft, { id, provider }: Login): readonly Finding[] {
  const path = ['providers', id, 'store']
  if (provider.store === 'memory') {
    if (workers === 1) return []
    const message = `must be \`shared\` with ${workers} \`workers\`: each has a memory of its own, and knows nobody who logged in at another; write that, with the section \`store\`, or \`workers: 1\``
    return [{ path, message }]
  }
  if (store !== undefined) return []
  return [{ path, message: 'needs the section `store`, which says where the store is; add it', about: 'store' }]
}

function hostFindings({ id, provider }: Login, earlier: readonly Login[]): readonly Finding[] {
  const twin = earlier.find(each => hostOf(each.provider) === hostOf(provider))
  if (twin === undefined) return []
  const message = `has the host of provider \`${twin.id}\`, and a browser keeps one cookie for a host, whatever the port; give each a host of its own, or leave one out`
  return [{ path: ['providers', id, 'publicUrl'], message }]
}

function hostOf({ publicUrl }: Session): string {
  return new URL(publicUrl).hostname
}

interface Place {
  readonly path: string
  /** Continues a sentence: `/auth/login` "is the path of …". */
  readonly problem: string
}

function placeFindings(draft: Draft, { id, provider }: Login, earlier: readonly Login[]): readonly Finding[] {
  const own = endpointPaths(provider)
  const places = [
    ...routePlaces(draft, own),
    ...revocationPlaces(draft),
    ...metadataPlaces(draft),
    ...placesOf(earlier, id),
  ]
  for (const path of own) {
    const taken = places.find(place => laxShape(place.path) === laxShape(path))
    if (taken !== undefined)
      return [{ path: ['providers', id, 'paths'], message: `has \`${path}\` below it, which ${taken.problem}` }]
  }
  return []
}

function endpointPaths({ paths }: Session): readonly string[] {
  return sessionPaths({ paths: paths.replace(/\/$/, '') })
}

function routePlaces({ routes }: Draft, own: readonly string[]): readonly Place[] {
  return [...routes.values()].map(({ id, path }) => ({
    path,
    problem: own.includes(path)
      ? `is the path of route \`${id}\`, which would get no request; change one of them`
      : `is read like the path of route \`${id}\` by services that ignore case; change one of them`,
  }))
}

/** What an operator writes for this provider is told to be needless, wherever it is. */
function revocationPlaces({ revocation, providers }: Draft): readonly Place[] {
  return (['backchannelLogout', 'signals'] as const).flatMap(kind =>
    (revocation?.[kind] ?? []).flatMap(({ provider, path }, index) =>
      kind === 'backchannelLogout' && isLogin(providers.get(provider))
        ? []
        : [{ path, problem: `is the path of \`${pathText(['revocation', kind, index])}\`, too; change one of them` }],
    ),
  )
}

function metadataPlaces({ resources = {} }: Draft): readonly Place[] {
  const entries = Object.entries(resources)
  return [
    ...entries.map(([id, resource]) => ({ path: metadataPath(resource), id })),
    ...entries.slice(0, 1).map(([id]) => ({ path: BARE_METADATA_PATH, id })),
  ].map(({ path, id }) => ({ path, problem: `is where the metadata of resource \`${id}\` are; change it` }))
}

function placesOf(logins: readonly Login[], own: string): readonly Place[] {
  return logins.flatMap(({ id, provider }) =>
    endpointPaths(provider).map(path => ({
      path,
      problem: `provider \`${id}\` has, too; give each \`paths\` of its own, like \`/auth/${own}\``,
    })),
  )
}

function laxShape(path: string): string {
  return shapeOf(path, laxSegment)
}

/** Says that an endpoint for the logout tokens of such a provider is there already; undefined: it is not. */
export function servedLogoutProblem({ providers }: Pick<Draft, 'providers'>, id: string): string | undefined {
  const provider = providers.get(id)
  if (provider?.type !== 'session') return undefined
  return `names a provider that serves \`${sessionPath(provider, 'backchannel-logout')}\` by itself; leave this endpoint out, and tell that path to the issuer`
}
