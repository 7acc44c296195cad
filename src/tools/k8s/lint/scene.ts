/**
 * Puts together what the rules look at: the pods with the gateway, and the objects around them.
 *
 * Workloads come first, since their namespaces and ConfigMaps say which other documents are worth parsing.
 */
import type { Config } from '../../../config/schema/schema.ts'
import {
  type Chunk,
  chunksOf,
  type InputFile,
  type KubernetesObject,
  mayHavePods,
  mayNameGateway,
  parsed,
  templateHint,
  type Unreadable,
} from './documents.ts'
import { mayBeMap } from './gateway-config.ts'
import { type GatewayPod, gatewayPod } from './gateway-pod.ts'
import { askedConfigMap, gatewaysIn, isLabelled, type Workload, workloadOf } from './pods.ts'
import { at, items, labelsAt, textAt } from './spot.ts'

export interface Scene {
  readonly pods: readonly GatewayPod[]
  /** Objects of one kind, the items of lists included. */
  readonly ofKind: (...kinds: readonly string[]) => readonly KubernetesObject[]
  readonly kustomizations: readonly KubernetesObject[]
}

interface ReadScene extends Scene {
  readonly problems: readonly Unreadable[]
  /** How many workloads have nothing to do with the gateway. */
  readonly others: number
}

/** What Kubernetes has around pods, and whether it is found in their namespace alone. */
const AROUND: ReadonlyMap<string, 'same namespace' | 'any namespace'> = new Map([
  ...(
    ['Service', 'NetworkPolicy', 'Ingress', 'HorizontalPodAutoscaler', 'ServiceAccount', 'CiliumNetworkPolicy'] as const
  ).map(kind => [kind, 'same namespace'] as const),
  ...(
    [
      ...(['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute', 'PodMonitor', 'Namespace'] as const),
      ...(['MutatingAdmissionPolicyBinding', 'CiliumClusterwideNetworkPolicy', 'GlobalNetworkPolicy'] as const),
      ...(['AdminNetworkPolicy', 'ClusterNetworkPolicy'] as const),
    ] as const
  ).map(kind => [kind, 'any namespace'] as const),
])

const KUSTOMIZE: ReadonlySet<string> = new Set(['Kustomization', 'Component'])

/** @param config what the command line names; it holds for every gateway */
export function readScene(files: readonly InputFile[], config: Config | undefined): ReadScene {
  const chunks = files.flatMap(chunksOf)
  const reader = chunkReader()
  const first = chunks.filter(isWorthReading)
  const objects = first.flatMap(reader.read)
  const workloads = objects.flatMap(object => workloadOf(object) ?? [])
  const marked = workloads.filter(each => gatewaysIn(each).length > 0 || isLabelled(each))
  const isFirst = new Set(first)
  const unread = chunks.filter(chunk => !isFirst.has(chunk))
  const around = marked.length === 0 ? [] : unread.filter(aroundOf(marked)).flatMap(reader.read)
  const byKind = Map.groupBy([...objects, ...around], ({ kind }) => kind)
  const ofKind = (...kinds: readonly string[]) => kinds.flatMap(kind => byKind.get(kind) ?? [])
  return {
    pods: marked.map(each => gatewayPod(each, ofKind('ConfigMap'), config)),
    ofKind,
    kustomizations: [...objects, ...around].filter(isKustomization),
    problems: reader.problems,
    others: workloads.length - marked.length + unread.filter(mayHavePods).length,
  }
}

function chunkReader() {
  const problems: Unreadable[] = []
  return {
    problems,
    read(chunk: Chunk): readonly KubernetesObject[] {
      const found = parsed(chunk)
      problems.push(...found.problems)
      return found.objects
    },
  }
}

/** A text without a kind that is as long as this holds something else. */
const LONGEST_UNKNOWN = 256 * 1024

function isWorthReading(chunk: Chunk): boolean {
  const { kind, text } = chunk
  if (kind === undefined) return text.length < LONGEST_UNKNOWN || /["']?kind["']?\s*:/.test(text)
  if (KUSTOMIZE.has(kind) || kind.endsWith('List')) return true
  return (mayHavePods(chunk) && mayNameGateway(chunk)) || templateHint(text) !== undefined
}

/** Tells which documents can be about these workloads. */
function aroundOf(marked: readonly Workload[]): (chunk: Chunk) => boolean {
  const names = new Set(marked.flatMap(mapNames))
  const namespaces = new Set(marked.map(({ namespace }) => namespace))
  return chunk => {
    if (mayBeMap(chunk, names)) return true
    const reach = AROUND.get(chunk.kind ?? '')
    if (reach !== 'same namespace') return reach !== undefined
    const written = /^ {2}namespace:[ \t]*["']?([\w.-]+)/m.exec(chunk.text)?.[1]
    return written === undefined || namespaces.has(undefined) || namespaces.has(written)
  }
}

function mapNames(workload: Workload): readonly string[] {
  const mounted = items(at(workload.spec, 'volumes')).flatMap(volume => [
    textAt(volume, 'configMap', 'name') ?? [],
    ...items(at(volume, 'projected', 'sources')).map(each => textAt(each, 'configMap', 'name') ?? []),
  ])
  return [...mounted.flat(), askedConfigMap(workload)]
}

function isKustomization({ kind, root }: KubernetesObject): boolean {
  return KUSTOMIZE.has(kind) && (textAt(root, 'apiVersion') ?? '').startsWith('kustomize.')
}

/** Whether the input shows that the gateway is put into pods of this workload when they are made. */
export function isInjected({ namespace }: Workload, { ofKind }: Scene): boolean {
  if (ofKind('MutatingAdmissionPolicyBinding').some(({ name }) => name.includes('sallyport'))) return true
  return ofKind('Namespace').some(
    ({ name, root }) =>
      name === namespace && labelsAt(root, 'metadata', 'labels').get('sallyport-injection') === 'enabled',
  )
}
