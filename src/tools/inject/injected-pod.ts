/**
 * Puts the gateway into a pod template: label, container, volumes, time to end, and what the containers that were there
 * need beside it (probes that ask by way of the gateway, a sleep before they end).
 *
 * It works on values and knows nothing of texts. What it says is told by paths.
 */
import {
  itemsOf,
  type KubernetesObject,
  type ManifestPath,
  type Members,
  membersOf,
  type PodTemplate,
} from '../k8s/manifests.ts'
import {
  CONFIG_MAP_LABEL,
  gracePeriodSeconds,
  PRE_STOP_SLEEP_SECONDS,
  SIDECAR_LABEL,
  type SidecarPorts,
} from '../k8s/sidecar-container.ts'
import { type AppPorts, appPortsOf, companions } from './app-ports.ts'
import { probedByGateway } from './app-probes.ts'
import { findObstacles, isGateway } from './obstacles.ts'
import type { RemarkCollector } from './remarks.ts'
import { withSidecar } from './sidecar-update.ts'

export interface PodSettings {
  /** What the command line asks for; undefined keeps what is there, or takes what is usual. */
  readonly image: string | undefined
  readonly configMap: string | undefined
  readonly ports: SidecarPorts
  /** The ports on which services listen, where the configuration or the command line says so. */
  readonly appPorts: readonly number[] | undefined
  /** What `admin.appProbes` lists, where the configuration is known. */
  readonly probePaths: ReadonlySet<string> | undefined
  readonly drainSeconds: number
}

export interface InjectedPod {
  /** The object with the gateway in its pods. */
  readonly value: Members
  readonly appPorts: AppPorts
  readonly gateway: 'added' | 'there'
}

export function injectedPod(
  { value }: KubernetesObject,
  pod: PodTemplate,
  settings: PodSettings,
  remarks: RemarkCollector,
): InjectedPod {
  const { path, labels, spec } = pod
  findObstacles(pod, settings.ports, remarks)
  const appPorts = appPortsOf(spec, settings.appPorts, settings.ports)
  const gateway = itemsOf(spec.initContainers).some(isGateway) ? 'there' : 'added'
  if (remarks.problems.length > 0) return { value, appPorts, gateway }
  const template = membersOf(path.reduce<unknown>((parent, name) => membersOf(parent)[name], value))
  const labelled = labels[SIDECAR_LABEL.name] === SIDECAR_LABEL.value
  if (!labelled)
    remarks.changed([...path, 'metadata'], `the label ${SIDECAR_LABEL.name}: ${SIDECAR_LABEL.value} is added`)
  const metadata = labelled
    ? template.metadata
    : { ...membersOf(template.metadata), labels: { ...labels, [SIDECAR_LABEL.name]: SIDECAR_LABEL.value } }
  const injected = {
    ...withBefore(template, 'spec', { metadata }),
    spec: injectedSpec(pod, appPorts, settings, remarks),
  }
  return { value: replaced(value, path, injected), appPorts, gateway }
}

function injectedSpec(
  { path, labels, spec }: PodTemplate,
  appPorts: AppPorts,
  settings: PodSettings,
  remarks: RemarkCollector,
): Members {
  const at = [...path, 'spec']
  const { image, ports, drainSeconds, probePaths } = settings
  const configMap = settings.configMap ?? textOf(labels[CONFIG_MAP_LABEL])
  const probing = { ports, appPorts, listedPaths: probePaths, remarks }
  if (spec.shareProcessNamespace === true)
    remarks.noted(
      [...at, 'shareProcessNamespace'],
      'the containers share their processes, so each that runs as the same user can read the files and secrets of the gateway',
    )
  const lists: Readonly<Record<string, Members[]>> = {
    containers: [...itemsOf(spec.containers)],
    initContainers: [...itemsOf(spec.initContainers)],
  }
  for (const [list, index, container] of companions(spec)) {
    const place = [...at, list, index]
    const probed = probedByGateway(container, place, probing)
    const companion = list === 'containers' ? withSleep(probed, place, remarks) : probed
    lists[list]?.splice(index, 1, companion)
  }
  const { containers = [], initContainers: present = [] } = lists
  const { initContainers, volumes } = withSidecar({ ...spec, initContainers: present }, at, {
    image,
    configMap,
    ports,
    remarks,
  })
  const needed = gracePeriodSeconds(Math.max(PRE_STOP_SLEEP_SECONDS, ...containers.map(sleepSeconds)), drainSeconds)
  const grace = Number(spec.terminationGracePeriodSeconds ?? 30)
  const isLongEnough = grace >= needed
  if (!isLongEnough)
    remarks.changed(
      [...at, 'terminationGracePeriodSeconds'],
      `the pod gets ${needed} s to end, in place of ${grace} (terminationGracePeriodSeconds)`,
    )
  const raised = isLongEnough ? {} : { terminationGracePeriodSeconds: needed }
  return { ...withBefore(spec, 'containers', { ...raised, initContainers }), containers, volumes }
}

/** While a service sleeps, the gateway has everybody connect elsewhere; see the order of stop in `k8s/README.md`. */
function withSleep(container: Members, at: ManifestPath, remarks: RemarkCollector): Members {
  const lifecycle = membersOf(container.lifecycle)
  if (lifecycle.preStop === undefined || lifecycle.preStop === null) {
    remarks.changed(at, `container ${container.name} sleeps ${PRE_STOP_SLEEP_SECONDS} s before it ends (preStop)`)
    return { ...container, lifecycle: { ...lifecycle, preStop: { sleep: { seconds: PRE_STOP_SLEEP_SECONDS } } } }
  }
  if (sleepSeconds(container) < PRE_STOP_SLEEP_SECONDS)
    remarks.noted(
      [...at, 'lifecycle', 'preStop'],
      `container ${container.name} keeps its own preStop; it should last ${PRE_STOP_SLEEP_SECONDS} s, until nobody sends requests any more`,
    )
  return container
}

function sleepSeconds(container: Members): number {
  const { seconds } = membersOf(membersOf(membersOf(container.lifecycle).preStop).sleep)
  return typeof seconds === 'number' ? seconds : 0
}

/** Sets members; those that were not there come before another one. */
function withBefore(members: Members, before: string, added: Members): Members {
  const isNew = Object.entries(added).filter(([name]) => !Object.hasOwn(members, name))
  const entries = Object.entries(members).flatMap(([name, value]) => {
    const here = [name, Object.hasOwn(added, name) ? added[name] : value] as const
    return name === before ? [...isNew, here] : [here]
  })
  return Object.fromEntries(entries)
}

/** @returns the same with another value where the path leads; maps on the way that are missing are made */
export function replaced(value: unknown, [name, ...rest]: ManifestPath, by: unknown): Members {
  // A list on the way stays one: only its item is another.
  if (Array.isArray(value))
    return value.map((each, index) => (index === name ? replacedOrGiven(each, rest, by) : each)) as unknown as Members
  return name === undefined
    ? membersOf(by)
    : { ...membersOf(value), [name]: replacedOrGiven(membersOf(value)[name], rest, by) }
}

function replacedOrGiven(value: unknown, rest: ManifestPath, by: unknown): unknown {
  return rest.length === 0 ? by : replaced(value, rest, by)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
