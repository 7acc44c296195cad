/**
 * Compares two policies by what becomes of requests: which get in that did not, which are asked for more or for less.
 *
 * It is no diff of files: every case that the routes of either can tell apart is routed through both compiled matchers,
 * and where the routes differ, the sets of callers that they let in are compared (`callers.ts`). A route that moves, is
 * renamed or split and asks the same is no change. What holds for every request is compared setting by setting. The
 * tables (`*-strictness.ts`) say of every key how it compares or why it does not matter.
 *
 * Paths are tried in one spelling only: what the matcher makes of encoded characters is compared by `pathAllow` alone.
 */
import { BARE_METADATA_PATH, metadataPath } from '../../config/schema/metadata-path.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { sessionPaths } from '../../config/schema/session-paths.ts'
import type { Policy } from '../../policy.ts'
import { OTHER_METHODS, resolved, witnessMethods, witnessPaths } from '../engine/reach.ts'
import { otherPlaces, sourceText } from '../text/credential-text.ts'
import { gapBetween, type Witness } from './callers.ts'
import { includeDifferences } from './include-strictness.ts'
import { limitDifferences, othersAtRoutes } from './limit-strictness.ts'
import { withOverlaps } from './overlaps.ts'
import { certificateDifferences, dpopDifferences, workerDifferences } from './proof-strictness.ts'
import { providerDifferences } from './provider-strictness.ts'
import { revocationDifferences, storeDifferences } from './revocation-strictness.ts'
import {
  callerDifferences,
  type RouteInConfig,
  requestDifferences,
  routeStreamDifferences,
  STREAMS,
} from './route-strictness.ts'
import {
  ADMIN,
  AUDIT,
  DECIDE,
  EGRESS,
  IDENTITY,
  LIMITS,
  LISTEN,
  PATHS,
  RESOURCE,
  UPSTREAM,
} from './settings-strictness.ts'
import {
  allOf,
  type Comparisons,
  type Difference,
  type Direction,
  differencesOf,
  noMatter,
  type Pair,
} from './strictness.ts'

export type ChangeKind = 'added' | 'removed' | Direction

export const CHANGE_KINDS = [
  'added',
  'loosened',
  'changed',
  'tightened',
  'removed',
] as const satisfies readonly ChangeKind[]

export interface PolicyChange {
  readonly kind: ChangeKind
  /** It is `settings` for what holds for every request, whatever its route asks. */
  readonly section: 'routes' | 'settings'
  /** It names the routes before and after, a provider, an upstream, or a section of the file. */
  readonly subject: string
  /**
   * The requests that are treated otherwise; undefined when it concerns all of them. The method `OTHER` stands for
   * every one that neither policy lists.
   */
  readonly requests:
    | { readonly methods: readonly string[]; readonly path: string; readonly example: string }
    | undefined
  readonly details: readonly string[]
  /**
   * Names something that gets in now and did not before: a caller by its claims, or in words. It is undefined where
   * nothing does, and of a change that is `added`, which lets in whatever its route lets in.
   */
  readonly witness: Witness | undefined
}

interface ComparedPolicy {
  readonly config: Config
  readonly policy: Policy
}

/** Lists the changes, the most dangerous first. */
export function policyDiff(old: ComparedPolicy, next: ComparedPolicy): readonly PolicyChange[] {
  const found = Object.values(SECTIONS).flatMap(changes => changes(old, next))
  return found.toSorted((a, b) => CHANGE_KINDS.indexOf(a.kind) - CHANGE_KINDS.indexOf(b.kind))
}

type SectionChanges = (old: ComparedPolicy, next: ComparedPolicy) => readonly PolicyChange[]

/** Holds how each section of a configuration is compared, in the order in which their changes are listed. */
const SECTIONS: { readonly [Section in keyof Config]-?: SectionChanges } = {
  routes: routeChanges,
  providers: (old, next) =>
    inBoth(old.config.providers, next.config.providers).flatMap(([id, before, after]) =>
      jointChange(`provider ${id}`, undefined, providerDifferences(before, after)),
    ),
  credentials: (old, next) => {
    const [before, after] = [old, next].map(({ config }) => [...new Set(otherPlaces(config).map(sourceText))])
    // Where a token may come from is compared at the routes. What is named here is also removed on all of them.
    return changesByDirection('credentials', undefined, allOf('removed before forwarding', before ?? [], after ?? []))
  },
  cors: noMatter('It is compared at the routes.'),
  // Whom a token is for is compared at the routes. What clients are told to ask for lets nobody in.
  resources: (old, next) =>
    inBoth(old.config.resources, next.config.resources).flatMap(([id, before, after]) =>
      changesByDirection(`resource ${id}`, undefined, differencesOf(RESOURCE, before, after, { before, after })),
    ),
  identity: settings('identity', IDENTITY, config => config.identity),
  limits: settings('limits', LIMITS, config => config.limits),
  paths: settings('paths', PATHS, config => config.paths),
  listen: settings('listen', LISTEN, config => config.listen ?? {}),
  decide: settings('decide', DECIDE, config => config.decide ?? {}),
  admin: settings('admin', ADMIN, config => config.admin ?? {}),
  upstreams: (old, next) =>
    inBoth(old.config.upstreams, next.config.upstreams).flatMap(([id, before, after]) =>
      changesByDirection(`upstream ${id}`, undefined, differencesOf(UPSTREAM, before, after, { before, after })),
    ),
  egress({ config: before }, { config: after }) {
    const found = differencesOf(EGRESS, before.egress ?? {}, after.egress ?? {}, { before, after })
    return changesByDirection('egress', undefined, found)
  },
  revocation: (old, next) =>
    changesByDirection('revocation', undefined, revocationDifferences(old.config, next.config)),
  dpop: (old, next) => changesByDirection('dpop', undefined, dpopDifferences(old.config.dpop, next.config.dpop)),
  clientCertificate: (old, next) =>
    changesByDirection('clientCertificate', undefined, certificateDifferences(old.config, next.config)),
  store: (old, next) => changesByDirection('store', undefined, storeDifferences(old.config.store, next.config.store)),
  streams: settings('streams', STREAMS, config => config.streams),
  tokenCache: noMatter('A token is judged the same whether its verdict is remembered or not.'),
  workers: (old, next) => changesByDirection('workers', undefined, workerDifferences(old.config, next.config)),
  drain: noMatter('It bounds how long requests that got in may take once the gateway stops.'),
  include: (old, next) =>
    changesByDirection('include', undefined, includeDifferences(old.config.include, next.config.include)),
  log: noMatter('What is written about a request does not decide about it.'),
  // Which limits a route has is compared at the routes. One that none has lets nothing through.
  rateLimits: (old, next) =>
    inBoth(old.config.rateLimits, next.config.rateLimits).flatMap(([id, before, after]) => {
      const others = othersAtRoutes(id, old.config, next.config)
      return others.length === 0
        ? []
        : changesByDirection(`limit ${id}`, undefined, limitDifferences(before, after, others))
    }),
  traces: noMatter('What is recorded of a request does not decide about it.'),
  audit: settings('audit', AUDIT, config => config.audit ?? {}),
}

function settings<Block>(
  subject: string,
  comparisons: Comparisons<Block>,
  of: (config: Config) => Block,
): SectionChanges {
  return (old, next) => {
    const [before, after] = [of(old.config), of(next.config)]
    return changesByDirection(subject, undefined, differencesOf(comparisons, before, after, { before, after }))
  }
}

/** Leaves out what only one of the two has: that shows at the routes that use it. */
function inBoth<Entry>(
  old: Readonly<Record<string, Entry>>,
  next: Readonly<Record<string, Entry>>,
): ReadonlyArray<readonly [string, Entry, Entry]> {
  return Object.entries(next).flatMap(([id, after]) => {
    const before = old[id]
    return before === undefined ? [] : [[id, before, after] as const]
  })
}

/** The gateway answers there itself, whatever routes there are. */
function metadataPaths(resources: Config['resources']): readonly string[] {
  const own = Object.values(resources).map(metadataPath)
  return own.length === 0 ? [] : [BARE_METADATA_PATH, ...own]
}

interface Meeting {
  readonly before: string | undefined
  readonly after: string | undefined
  readonly methods: Set<string>
  readonly examples: string[]
}

function routeChanges(old: ComparedPolicy, next: ComparedPolicy): readonly PolicyChange[] {
  const routes = [...old.config.routes, ...next.config.routes]
  // The matcher may refuse a path as ambiguous for a slash at its end, so each pattern is tried with one, too.
  const shapes = withOverlaps(routes.flatMap(({ path }) => (/\/(\*\*)?$/.test(path) ? [path] : [path, `${path}/`])))
  const paths = witnessPaths(shapes)
  const ofGateway = [old, next].flatMap(({ config }) => [
    ...metadataPaths(config.resources),
    ...pathsOfSessions(config),
  ])
  const methods = witnessMethods(routes)
  const meetings = new Map<string, Meeting>()
  for (const path of new Set([...shapes.flatMap(paths), ...ofGateway]))
    for (const method of methods) {
      const before = resolved(old.policy.matcher, method, path)?.id
      const after = resolved(next.policy.matcher, method, path)?.id
      if (before === undefined && after === undefined) continue
      // Who lists all the usual methods means all that are used, so that nothing is missed of the others.
      if (after === undefined && method === OTHER_METHODS) continue
      const key = JSON.stringify([before, after])
      const meeting = meetings.get(key) ?? { before, after, methods: new Set(), examples: [] }
      meetings.set(key, meeting)
      meeting.methods.add(method)
      meeting.examples.push(path)
    }
  return [...meetings.values()].flatMap(meeting => changesOf(meeting, old.config, next.config))
}

function changesOf({ before, after, methods, examples }: Meeting, old: Config, next: Config): readonly PolicyChange[] {
  const from = routeNamed(old, before)
  const to = routeNamed(next, after)
  const [example = ''] = examples
  const path = to !== undefined && (from === undefined || to.path.length >= from.path.length) ? to.path : from?.path
  const requests = { methods: [...methods], path: path ?? '', example }
  if (from === undefined && to === undefined) return []
  if (from !== undefined && to === undefined && after !== undefined) {
    const details = ['is answered by the gateway itself now']
    return [
      { kind: 'changed', section: 'routes', subject: `${from.id} → ${after}`, requests, details, witness: undefined },
    ]
  }
  if (from === undefined || to === undefined) {
    const kind = from === undefined ? 'added' : 'removed'
    const details =
      from === undefined
        ? [`${before === undefined ? 'was refused' : 'was answered by the gateway itself'}; now access: ${to?.access}`]
        : ['is refused now']
    return [{ kind, section: 'routes', subject: from?.id ?? to?.id ?? '', requests, details, witness: undefined }]
  }
  const subject = from.id === to.id ? from.id : `${from.id} → ${to.id}`
  const both: Pair<RouteInConfig> = { before: { route: from, config: old }, after: { route: to, config: next } }
  return [
    ...callersChange(subject, requests, both),
    ...changesByDirection(subject, requests, [...requestDifferences(both), ...routeStreamDifferences(both)]),
  ]
}

/** Compares the callers that the routes let in, as sets: another way of asking for the same is no change. */
function callersChange(
  subject: string,
  requests: PolicyChange['requests'],
  both: Pair<RouteInConfig>,
): readonly PolicyChange[] {
  const gained = gapBetween(both.after, both.before)
  const isTighter = gapBetween(both.before, both.after) !== undefined
  if (gained === undefined && !isTighter) return []
  const kind = gained === undefined ? 'tightened' : isTighter ? 'changed' : 'loosened'
  const details = callerDifferences(both).map(({ text }) => text)
  return [{ kind, section: 'routes', subject, requests, details, witness: gained?.witness }]
}

function routeNamed({ routes }: Config, name: string | undefined): RouteConfig | undefined {
  return routes.find(({ id }) => id === name)
}

/** Makes a change for each direction of differences that are independent, so that no tighter one hides a looser one. */
function changesByDirection(
  subject: string,
  requests: PolicyChange['requests'],
  differences: readonly Difference[],
): readonly PolicyChange[] {
  const byDirection = Map.groupBy(differences, ({ direction }) => direction)
  return [...byDirection.values()].flatMap(alike => jointChange(subject, requests, alike))
}

/**
 * Makes one change of differences that concern the same tokens or requests. They are independent of each other, so one
 * that is looser lets something in that did not get in, however much tighter the others are.
 */
function jointChange(
  subject: string,
  requests: PolicyChange['requests'],
  differences: readonly Difference[],
): readonly PolicyChange[] {
  const [first, ...others] = differences
  if (first === undefined) return []
  const kind = others.every(({ direction }) => direction === first.direction) ? first.direction : 'changed'
  const [witness] = differences.flatMap(({ direction, text, witness: found }) =>
    found !== undefined ? [found] : direction === 'loosened' ? [text] : [],
  )
  const section = requests === undefined ? 'settings' : 'routes'
  return [{ kind, section, subject, requests, details: differences.map(({ text }) => text), witness }]
}

function pathsOfSessions({ providers }: Config): readonly string[] {
  return Object.values(providers).flatMap(provider => (provider.type === 'session' ? sessionPaths(provider) : []))
}
