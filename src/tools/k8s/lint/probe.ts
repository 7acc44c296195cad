/** Reads the probes of a container as far as rules want to know them. */
import { PROBES } from '../sidecar-container.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { type Container, ownerOfPort, portsOf } from './pods.ts'
import { at, entries, isThere, type Spot, scalarAt, textAt } from './spot.ts'

type ProbeKey = (typeof PROBES)[number]

export interface Probe {
  readonly key: ProbeKey
  readonly kind: 'httpGet' | 'tcpSocket' | 'grpc' | 'exec' | 'none'
  /** Points at the port; where there is none, at the probe. */
  readonly at: Spot
  /** Undefined for a name that no container has. */
  readonly port: number | undefined
  /** The port as it is written. */
  readonly portText: string
  readonly pathSpot: Spot
  /** Without its query; `/` where none is written. */
  readonly path: string
  readonly host: string | undefined
  readonly isTls: boolean
}

export function probesOf(container: Container, pod: GatewayPod): readonly Probe[] {
  return PROBES.flatMap(key => {
    const spot = at(container.spot, key)
    return isThere(spot) ? [probeAt(spot, key, container, pod)] : []
  })
}

function probeAt(spot: Spot, key: ProbeKey, container: Container, pod: GatewayPod): Probe {
  const kind = (['httpGet', 'tcpSocket', 'grpc', 'exec'] as const).find(each => isThere(at(spot, each))) ?? 'none'
  const action = at(spot, kind)
  const portText = scalarAt(action, 'port') ?? ''
  const isNumber = /^\d+$/.test(portText)
  // The kubelet looks for the name among the ports of the container that is probed.
  const named = portsOf(container).find(({ name }) => name === portText) ?? ownerOfPort(pod, portText)?.port
  return {
    ...{ key, kind, portText },
    at: isThere(at(action, 'port')) ? at(action, 'port') : entries(action).length > 0 ? action : spot,
    port: isNumber ? Number(portText) : named?.number,
    pathSpot: isThere(at(action, 'path')) ? at(action, 'path') : action,
    path: (textAt(action, 'path') ?? '/').replace(/[?#].*$/s, '') || '/',
    host: textAt(action, 'host'),
    isTls: scalarAt(action, 'scheme')?.toUpperCase() === 'HTTPS',
  }
}
