/**
 * Compares two policies by what becomes of requests: which get in that did not, which are asked for more or for less.
 *
 * Not a diff of files: every case that the routes of either can tell apart is routed through both compiled matchers, and
 * where the routes differ, what they ask is compared. A route that moves, is renamed or split and asks the same is no
 * change. Not compared: timeouts, logging, listeners, and what only some spellings of a path meet (`pathAllow` aside).
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Policy } from '../../policy.ts'
import { METHODS } from '../../route/methods.ts'
import { resolved, witnessPaths } from '../engine/reach.ts'
import { withOverlaps } from './overlaps.ts'
import { type Difference, type Direction, limit, providerDifferences, routeDifferences } from './strictness.ts'

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
  /** The routes before and after, a provider, or a section of the file. */
  readonly subject: string
  /** Which requests; empty when it concerns all of them. */
  readonly requests:
    | { readonly methods: readonly string[]; readonly path: string; readonly example: string }
    | undefined
  readonly details: readonly string[]
}

export interface ComparedPolicy {
  readonly config: Config
  readonly policy: Policy
}

/** Most dangerous first. */
export function policyDiff(old: ComparedPolicy, next: ComparedPolicy): readonly PolicyChange[] {
  const found = [
    ...routeChanges(old, next),
    ...providerChanges(old.config, next.config),
    ...identityChanges(old.config, next.config),
    ...limitChanges(old.config, next.config),
  ]
  return found.toSorted((a, b) => CHANGE_KINDS.indexOf(a.kind) - CHANGE_KINDS.indexOf(b.kind))
}

interface Meeting {
  readonly before: string | undefined
  readonly after: string | undefined
  readonly methods: Set<string>
  readonly examples: string[]
}

function routeChanges(old: ComparedPolicy, next: ComparedPolicy): readonly PolicyChange[] {
  const routes = [...old.config.routes, ...next.config.routes]
  // A slash at the end is what the matcher may refuse as ambiguous, whatever the patterns.
  const shapes = withOverlaps(routes.flatMap(({ path }) => (/\/(\*\*)?$/.test(path) ? [path] : [path, `${path}/`])))
  const paths = witnessPaths(shapes)
  const meetings = new Map<string, Meeting>()
  for (const path of new Set(shapes.flatMap(paths)))
    for (const method of METHODS) {
      const before = resolved(old.policy.matcher, method, path)?.id
      const after = resolved(next.policy.matcher, method, path)?.id
      if (before === undefined && after === undefined) continue
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
  if (from === undefined || to === undefined) {
    const kind = from === undefined ? 'added' : 'removed'
    const details = from === undefined ? [`was refused; now access: ${to?.access}`] : ['is refused now']
    return [{ kind, subject: from?.id ?? to?.id ?? '', requests, details }]
  }
  const differences = routeDifferences(from, to, old, next)
  const subject = from.id === to.id ? from.id : `${from.id} → ${to.id}`
  return changeOf(subject, requests, differences)
}

function routeNamed({ routes }: Config, name: string | undefined): RouteConfig | undefined {
  return routes.find(({ id }) => id === name)
}

function changeOf(
  subject: string,
  requests: PolicyChange['requests'],
  differences: readonly Difference[],
): readonly PolicyChange[] {
  const [first, ...others] = differences
  if (first === undefined) return []
  const kind = others.every(({ direction }) => direction === first.direction) ? first.direction : 'changed'
  return [{ kind, subject, requests, details: differences.map(({ text }) => text) }]
}

function providerChanges(old: Config, next: Config): readonly PolicyChange[] {
  return Object.entries(next.providers).flatMap(([id, provider]) => {
    const before = old.providers[id]
    return before === undefined ? [] : changeOf(`provider ${id}`, undefined, providerDifferences(before, provider))
  })
}

function identityChanges({ identity: old }: Config, { identity: next }: Config): readonly PolicyChange[] {
  const names = (['headers', 'reserved', 'forwardToken', 'maxBytes'] as const).filter(
    name => !isDeepStrictEqual(old[name], next[name]),
  )
  const differences = names.map((name): Difference => ({ direction: 'changed', text: `${name} is another` }))
  return changeOf('identity', undefined, differences)
}

function limitChanges({ limits: old }: Config, { limits: next }: Config): readonly PolicyChange[] {
  const names = ['tokenBytes', 'headerBytes', 'headers', 'bodyBytes'] as const
  return changeOf(
    'limits',
    undefined,
    names.flatMap(name => limit(name, old[name], next[name])),
  )
}
