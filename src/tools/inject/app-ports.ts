/**
 * Finds out on which port the service in a pod listens, since its probes and Services must not lead there any more.
 *
 * The configuration or the command line says it (`--port`); else it is the only port that the pod's containers declare,
 * or the only one that their probes ask. Nothing is guessed: where there are several, whoever needs to know has to ask.
 */
import { itemsOf, type Members, membersOf } from '../k8s/manifests.ts'
import { PROBES, SIDECAR_NAME, type SidecarPorts } from '../k8s/sidecar-container.ts'

/** What a probe or a hook asks over the network. */
export const HANDLERS = ['httpGet', 'tcpSocket', 'grpc'] as const

export interface AppPorts {
  /** It is empty when nobody says where the service listens, and when there are several to choose from. */
  readonly known: ReadonlySet<number>
  /** What there is to choose from, when nothing else says it. */
  readonly candidates: readonly number[]
}

/** @param asked what the configuration or the command line says */
export function appPortsOf(spec: Members, asked: readonly number[] | undefined, { admin }: SidecarPorts): AppPorts {
  if (asked !== undefined) return { known: new Set(asked), candidates: [] }
  const containers = itemsOf(spec.containers)
  const declared = containers.flatMap(container => itemsOf(container.ports)).filter(isTcp)
  const candidates = [
    ...new Set(
      declared.length > 0
        ? declared.flatMap(({ containerPort }) => (typeof containerPort === 'number' ? [containerPort] : []))
        : containers.flatMap(probedPorts).filter(port => port !== admin),
    ),
  ]
  return { known: new Set(candidates.length === 1 ? candidates : []), candidates }
}

/** The number behind a port's name. @returns undefined when no port of these containers has it */
export function portNumber(port: unknown, containers: readonly Members[]): number | undefined {
  if (typeof port === 'number') return port
  if (typeof port !== 'string') return undefined
  if (/^\d+$/.test(port)) return Number(port)
  const named = containers.flatMap(container => itemsOf(container.ports)).find(({ name }) => name === port)
  return typeof named?.containerPort === 'number' ? named.containerPort : undefined
}

/** The containers of a pod that run beside one another, without the gateway, each with its place in the pod's spec. */
export function companions(spec: Members): ReadonlyArray<readonly ['containers' | 'initContainers', number, Members]> {
  return (['containers', 'initContainers'] as const).flatMap(list =>
    itemsOf(spec[list]).flatMap((container, index) =>
      list === 'containers' || (container.restartPolicy === 'Always' && container.name !== SIDECAR_NAME)
        ? [[list, index, container] as const]
        : [],
    ),
  )
}

/** A port is TCP unless it says otherwise. */
export function isTcp({ protocol = 'TCP' }: Members): boolean {
  return protocol === 'TCP'
}

function probedPorts(container: Members): readonly number[] {
  return PROBES.flatMap(probe =>
    HANDLERS.flatMap(handler => portNumber(membersOf(membersOf(container[probe])[handler]).port, [container]) ?? []),
  )
}
