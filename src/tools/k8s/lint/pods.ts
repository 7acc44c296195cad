/**
 * Finds what makes pods, which container of them is the gateway, and what the others are.
 *
 * Anything that has a pod template counts, whatever its kind is. The gateway is known by the name of its container, by
 * its image, or by the file that it is started with.
 */

import { CONFIG_MAP_LABEL, SIDECAR_LABEL, SIDECAR_NAME } from '../sidecar-container.ts'
import type { KubernetesObject } from './documents.ts'
import type { Labels } from './selector.ts'
import type { Position } from './spot.ts'
import { at, isBlock, items, labelsAt, numberAt, type Spot, scalarAt, textAt, textsAt } from './spot.ts'

/** `native` is an init container that is always restarted: a sidecar in Kubernetes' own words. */
type Role = 'ordinary' | 'native' | 'init'

export interface Container {
  readonly spot: Spot
  readonly name: string
  readonly role: Role
}

export interface Workload {
  readonly object: KubernetesObject
  /** How it is named in findings: `Deployment orders`. */
  readonly title: string
  /** Has `metadata` and `spec` of the pods. */
  readonly template: Spot
  readonly spec: Spot
  readonly labels: Labels
  readonly namespace: string | undefined
  readonly containers: readonly Container[]
  /** Its pods end by themselves. */
  readonly isJob: boolean
}

/** @returns undefined for what makes no pods, and for a patch that has no containers */
export function workloadOf(object: KubernetesObject): Workload | undefined {
  const template = object.kind === 'Pod' ? object.root : templateIn(object.root, 0)
  if (template === undefined) return undefined
  const spec = at(template, 'spec')
  const containers = [
    ...items(at(spec, 'initContainers')).map(spot => containerOf(spot, initRole(spot))),
    ...items(at(spec, 'containers')).map(spot => containerOf(spot, 'ordinary')),
  ]
  const restart = textAt(spec, 'restartPolicy')
  return {
    ...{ object, template, spec, containers },
    title: `${object.kind} ${object.name || '(without a name)'}`,
    labels: labelsAt(template, 'metadata', 'labels'),
    namespace: object.namespace,
    isJob: object.kind.endsWith('Job') || restart === 'Never' || restart === 'OnFailure',
  }
}

/** The one with the usual name comes first. */
export function gatewaysIn({ containers }: Workload): readonly Container[] {
  const found = containers.filter(isGateway)
  return [...found.filter(({ name }) => name === SIDECAR_NAME), ...found.filter(({ name }) => name !== SIDECAR_NAME)]
}

export function isLabelled({ labels, object }: Workload): boolean {
  const { name, value } = SIDECAR_LABEL
  return labels.get(name) === value || labelsAt(object.root, 'metadata', 'labels').get(name) === value
}

/** The ConfigMap that a pod asks for, where the gateway is put into it when it is made. */
export function askedConfigMap({ labels }: Workload): string {
  return labels.get(CONFIG_MAP_LABEL) ?? SIDECAR_NAME
}

/** The words that a container is started with, as far as the manifest says. */
export function wordsOf({ spot }: Container): readonly string[] {
  return [...textsAt(spot, 'command'), ...textsAt(spot, 'args')]
}

export interface DeclaredPort {
  readonly spot: Spot
  readonly number: number
  readonly name: string | undefined
}

export function portsOf({ spot }: Container): readonly DeclaredPort[] {
  return items(at(spot, 'ports')).flatMap(each => {
    const number = numberAt(each, 'containerPort')
    return number === undefined ? [] : [{ spot: each, number, name: textAt(each, 'name') }]
  })
}

/** Which container has a port of this name. As Kubernetes does, it looks at ordinary containers first. */
export function ownerOfPort(
  { containers }: Workload,
  name: string,
): { readonly container: Container; readonly port: DeclaredPort } | undefined {
  const inOrder = [
    ...containers.filter(({ role }) => role === 'ordinary'),
    ...containers.filter(({ role }) => role === 'native'),
  ]
  for (const container of inOrder) {
    const port = portsOf(container).find(each => each.name === name)
    if (port !== undefined) return { container, port }
  }
  return undefined
}

export function isSameNamespace(one: string | undefined, other: string | undefined): boolean {
  return one === undefined || other === undefined || one === other
}

/** Sorts by file and place, so that findings come in the order of the text. */
export function byPlace(
  one: Position & { readonly file: string },
  other: Position & { readonly file: string },
): number {
  if (one.file !== other.file) return one.file < other.file ? -1 : 1
  return one.line - other.line || one.column - other.column
}

function containerOf(spot: Spot, role: Role): Container {
  return { spot, role, name: textAt(spot, 'name') ?? '' }
}

function initRole(spot: Spot): Role {
  return textAt(spot, 'restartPolicy') === 'Always' ? 'native' : 'init'
}

/** Commands that somebody may run in an init container with the image of the gateway. */
const OTHER_COMMANDS: ReadonlySet<string> = new Set(['doctor', 'check', 'bundle', 'test', 'explain', 'schema', 'dev'])

function isGateway(container: Container): boolean {
  const words = wordsOf(container)
  const image = textAt(container.spot, 'image') ?? ''
  const isIt =
    container.name === SIDECAR_NAME ||
    /(?:^|\/)sallyport(?:[:@]|$)/.test(image) ||
    words.some(word => /(?:^|[/=])sallyport(?:\.js|\.ya?ml)?$/.test(word))
  const command = words.find(word => /^[a-z]+$/.test(word) && word !== 'node' && word !== 'sallyport')
  return isIt && !OTHER_COMMANDS.has(command ?? '')
}

/** No kind has its template deeper, `CronJob` included. */
const MAX_DEPTH = 6

function templateIn(spot: Spot, depth: number): Spot | undefined {
  if (depth > MAX_DEPTH || !isBlock(spot.value)) return undefined
  if (isBlock(spot.value.spec) && Array.isArray(spot.value.spec.containers)) return spot
  for (const key of Object.keys(spot.value)) {
    const found = templateIn(at(spot, key), depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** Of a list of settings of the pod and of a container, that of the container counts. */
export function settingOf(pod: Workload, container: Container, name: string): string | undefined {
  return scalarAt(container.spot, 'securityContext', name) ?? scalarAt(pod.spec, 'securityContext', name)
}
