/**
 * Judges what `resources` mean together with the routes: whether each is one, and whether its metadata have a place of
 * their own.
 *
 * RFC 9728 §3.1 (the well-known path). An endpoint takes every method, if only to refuse it, so that nothing else can
 * have its path.
 */
import { laxSegment } from '../../route/readings.ts'
import type { Draft } from '../schema/draft.ts'
import { BARE_METADATA_PATH, metadataPath } from '../schema/metadata-path.ts'
import type { ResourceConfig } from '../schema/schema.ts'
import { shapeOf, unknownText } from './check-routes.ts'
import type { Finding, Path } from './findings.ts'

export function resourceFindings(draft: Draft): readonly Finding[] {
  const { resources } = draft
  if (resources === undefined) return []
  const entries = Object.entries(resources)
  return [
    ...referenceFindings(draft, Object.keys(resources)),
    ...unusedFindings(draft, Object.keys(resources)),
    ...entries.flatMap((entry, index) => twinFindings(entry, entries.slice(0, index))),
    ...placeFindings(draft, entries),
  ]
}

function referenceFindings({ routes }: Draft, ids: readonly string[]): readonly Finding[] {
  return [...routes].flatMap(([index, { resource }]): readonly Finding[] => {
    if (resource === undefined || ids.includes(resource)) return []
    const path = ['routes', index, 'resource']
    return [{ path, message: unknownText('resource', resource, ids), about: 'resources' }]
  })
}

/** Of a route that is left out because of a problem of its own, or names none that is there, it is not known. */
function unusedFindings({ routes, routeCount }: Draft, ids: readonly string[]): readonly Finding[] {
  if (routes.size < routeCount) return []
  const used = new Set([...routes.values()].flatMap(({ resource }) => (resource === undefined ? [] : [resource])))
  if ([...used].some(id => !ids.includes(id))) return []
  return ids.flatMap((id): readonly Finding[] => {
    if (used.has(id)) return []
    const message = `has no effect: no route is this resource; write \`resource: ${id}\` in one, or leave it out`
    return [{ path: ['resources', id], message, at: 'key', about: 'routes' }]
  })
}

type Entry = readonly [id: string, resource: ResourceConfig]

/** Metadata are told apart by path and, where that is the same, by the host that is asked for. */
function twinFindings([id, resource]: Entry, earlier: readonly Entry[]): readonly Finding[] {
  const path = ['resources', id, 'url']
  const place = metadataPath(resource)
  const alike = earlier.filter(([, each]) => laxShape(metadataPath(each)) === laxShape(place))
  const [twin] = alike.find(([, each]) => metadataPath(each) === place && hostOf(each) === hostOf(resource)) ?? []
  if (twin !== undefined) {
    const message = `has the host and the path of resource \`${twin}\`; give each its own, or let routes share one`
    return [{ path, message }]
  }
  const [other] = alike.find(([, each]) => metadataPath(each) !== place) ?? []
  if (other === undefined) return []
  const message = `is read like the path of resource \`${other}\` by services that ignore case; spell both alike`
  return [{ path, message }]
}

function hostOf({ url }: ResourceConfig): string {
  return new URL(url).host
}

function laxShape(path: string): string {
  return shapeOf(path, laxSegment)
}

interface Place {
  readonly at: Path
  readonly path: string
  /** Continues the sentence that begins with the place. */
  readonly remedy: string
}

function placeFindings({ routes, revocation }: Draft, entries: readonly Entry[]): readonly Finding[] {
  const [only] = entries
  const taken: ReadonlyArray<readonly [path: string, id: string]> = [
    ...entries.map(([id, resource]) => [metadataPath(resource), id] as const),
    ...(only !== undefined && entries.length === 1 ? [[BARE_METADATA_PATH, only[0]] as const] : []),
  ]
  const places: readonly Place[] = [
    ...[...routes].map(([index, { path }]) => ({
      at: ['routes', index, 'path'],
      path,
      remedy: 'which the gateway serves itself, so that this route would get no request; leave it out',
    })),
    ...(['backchannelLogout', 'signals'] as const).flatMap(kind =>
      (revocation?.[kind] ?? []).map(({ path }, index) => ({
        at: ['revocation', kind, index, 'path'],
        path,
        remedy: 'which the gateway serves there; change it',
      })),
    ),
  ]
  return places.flatMap(({ at, path, remedy }): readonly Finding[] => {
    const [, id] = taken.find(([own]) => laxShape(own) === laxShape(path)) ?? []
    return id === undefined ? [] : [{ path: at, message: `is where the metadata of resource \`${id}\` are, ${remedy}` }]
  })
}
