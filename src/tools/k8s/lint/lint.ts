/**
 * Lints Kubernetes manifests: finds the classic mistakes of running the gateway as a sidecar, each with its place.
 *
 * Only what is in the input is known: nothing is asked of a cluster, and no file is read that the manifests name. Where
 * something is not shown, no mistake is assumed, unless a row of the table says so.
 */
import type { Config } from '../../../config/schema/schema.ts'
import type { InputFile, Unreadable } from './documents.ts'
import { FINDING_IDS, type FindingId, type FindingSpec, findingSpec } from './finding-table.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { ignoredIds } from './ignored.ts'
import { byPlace } from './pods.ts'
import type { Verdict } from './rule.ts'
import { RULES } from './rules.ts'
import { isInjected, readScene } from './scene.ts'
import { at, type Position, type Spot, textAt } from './spot.ts'

export interface LintFinding extends Position, Omit<FindingSpec, 'title'> {
  readonly id: FindingId
  readonly file: string
  /** The object that it is in: `Deployment orders`. */
  readonly object: string
  readonly what: string
  readonly wanted?: string
  readonly seen?: string
  /** The document of the file that has the place, for its frame. */
  readonly source: { readonly text: string; readonly firstLine: number }
}

export interface LintReport {
  readonly findings: readonly LintFinding[]
  readonly problems: readonly Unreadable[]
  /** How many workloads have the gateway, or will have it. */
  readonly gateways: number
  readonly others: number
}

interface LintOptions {
  readonly files: readonly InputFile[]
  /** The configuration of every gateway; undefined to take those of the input. */
  readonly config: Config | undefined
  readonly ignored: ReadonlySet<FindingId>
}

export function lint({ files, config, ignored }: LintOptions): LintReport {
  const scene = readScene(files, config)
  const found = FINDING_IDS.filter(id => !ignored.has(id)).flatMap(id =>
    RULES[id](scene)
      .filter(verdict => !isIgnored(id, verdict.at, verdict.pod))
      .map(verdict => placedFinding(id, verdict)),
  )
  // Several pods behind one Service tell of it several times.
  const distinct = new Map(found.map(each => [identity(each), each]))
  const isSeen = (pod: GatewayPod): boolean =>
    pod.gateway !== undefined ||
    isInjected(pod, scene) ||
    ignored.has('never-injected') ||
    isIgnored('never-injected', pod.object.root, pod)
  return {
    findings: [...distinct.values()].toSorted(byPlace),
    problems: scene.problems,
    gateways: scene.pods.filter(isSeen).length,
    others: scene.others,
  }
}

/** Of an annotation, that of the object with the place counts, that of the workload, and that of its pods. */
function isIgnored(id: FindingId, place: Spot, pod: GatewayPod | undefined): boolean {
  const roots = [rootOf(place), ...(pod === undefined ? [] : [pod.object.root, pod.template])]
  // What is wrong with the annotation cannot be silenced by the annotation.
  return id !== 'ignore-unknown' && roots.some(root => ignoredIds(root).ids.includes(id))
}

function placedFinding(id: FindingId, verdict: Verdict): LintFinding {
  const { at: spot, part, inside, what, wanted, seen, pod } = verdict
  const { severity, remedy, link } = findingSpec(id)
  const { document } = spot
  const root = rootOf(spot)
  const title = `${textAt(root, 'kind') ?? ''} ${textAt(root, 'metadata', 'name') ?? ''}`.trim()
  return {
    ...{ id, severity, link, what },
    ...(wanted !== undefined && { wanted }),
    ...(seen !== undefined && { seen }),
    ...(inside ?? document.positionOf(spot.path, part ?? 'value')),
    file: document.file,
    object: title === '' ? (pod?.title ?? '') : title,
    remedy: verdict.remedy ?? remedy,
    source: document,
  }
}

/** The object that a place is in: the whole document, or the item of a list. */
function rootOf({ document, path }: Spot): Spot {
  const depth = path[0] === 'items' && typeof path[1] === 'number' ? 2 : 0
  return at({ document, path: [], value: document.value }, ...path.slice(0, depth))
}

function identity({ id, file, line, column, what }: LintFinding): string {
  return JSON.stringify([id, file, line, column, what])
}
