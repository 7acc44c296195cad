/**
 * Leads Services to the gateway: `targetPort` becomes the number of its port, where it was that of the service.
 *
 * Only Services and pods of the same input are looked at. A port of a Service that still leads past the gateway is
 * told, whatever was asked for.
 */
import { itemsOf, type KubernetesObject, type ManifestPath, type Members, membersOf } from '../k8s/manifests.ts'
import type { SidecarPorts } from '../k8s/sidecar-container.ts'
import { type AppPorts, isTcp, portNumber } from './app-ports.ts'
import type { RemarkCollector } from './remarks.ts'

/** A workload that has the gateway. */
export interface GuardedPods {
  readonly name: string
  readonly namespace: string | undefined
  readonly labels: Members
  readonly containers: readonly Members[]
  readonly appPorts: AppPorts
}

export interface ServiceOptions {
  /** What becomes of ports that lead past the gateway. */
  readonly services: 'led' | 'told'
  readonly ports: SidecarPorts
  readonly remarks: RemarkCollector
}

export function isService({ apiVersion, kind }: KubernetesObject): boolean {
  return apiVersion === 'v1' && kind === 'Service'
}

export function ledService(
  service: KubernetesObject,
  guarded: readonly GuardedPods[],
  options: ServiceOptions,
): Members {
  const spec = membersOf(service.value.spec)
  const pods = guarded.find(each => selects(service, membersOf(spec.selector), each))
  if (pods === undefined) return service.value
  if (spec.clusterIP === 'None')
    options.remarks.noted(
      ['spec', 'clusterIP'],
      `this Service is headless, so its callers choose the port by themselves; they have to ask for ${options.ports.gateway}`,
    )
  const ports = itemsOf(spec.ports).map((port, index) => ledPort(port, ['spec', 'ports', index], pods, options))
  return { ...service.value, spec: { ...spec, ports } }
}

function ledPort(
  port: Members,
  at: ManifestPath,
  pods: GuardedPods,
  { services, ports, remarks }: ServiceOptions,
): Members {
  if (!isTcp(port)) return port
  const target = port.targetPort ?? port.port
  const isOurs = target === 'gateway' || target === 'gateway-admin'
  const number = isOurs ? (target === 'gateway' ? ports.gateway : ports.admin) : portNumber(target, pods.containers)
  const place = [...at, port.targetPort === undefined ? 'port' : 'targetPort']
  if (number === ports.gateway) return port
  if (number === ports.admin) {
    remarks.noted(
      place,
      `this leads to the admin port, where whoever reaches the Service can drain the pod; leave it out`,
    )
    return port
  }
  const isKnown = number !== undefined && pods.appPorts.known.has(number)
  if (services === 'led' && isKnown) {
    remarks.changed(place, `targetPort leads to the gateway (${ports.gateway}) in place of ${target}`)
    return { ...port, targetPort: ports.gateway }
  }
  const { candidates } = pods.appPorts
  if (services === 'led' && pods.appPorts.known.size === 0 && candidates.length > 0)
    remarks.refused(
      place,
      `it is not known which of the ports ${candidates.join(', ')} of ${pods.name} the gateway stands in front of; name it: --port ${number ?? candidates[0]}`,
    )
  else if (services === 'led' && number === undefined)
    remarks.refused(place, `no container of ${pods.name} has a port named ${target}; write its number`)
  else if (services === 'led' && candidates.length === 0 && pods.appPorts.known.size === 0)
    remarks.refused(
      place,
      `nothing says on which port ${pods.name} listens behind the gateway; name it: --port ${number}`,
    )
  else
    remarks.noted(
      place,
      `this port leads past the gateway, to ${target} of ${pods.name}; set \`targetPort: ${ports.gateway}\`${services === 'told' ? ', or use --service' : ' if it is to be guarded, too'}`,
    )
  return port
}

function selects(service: KubernetesObject, selector: Members, { namespace, labels }: GuardedPods): boolean {
  const wanted = Object.entries(selector)
  const isSameNamespace = namespace === undefined || service.namespace === undefined || namespace === service.namespace
  return isSameNamespace && wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value)
}
