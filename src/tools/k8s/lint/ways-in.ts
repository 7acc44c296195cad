/** Rules about the ways into a pod: Services and the routes to them, and ports of the node. */
import { DEFAULT_PORTS } from '../sidecar-container.ts'
import type { KubernetesObject } from './documents.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { type DeclaredPort, isSameNamespace, ownerOfPort, portsOf } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import type { Scene } from './scene.ts'
import { serviceSelects } from './selector.ts'
import { at, items, numberAt, type Spot, scalarAt, textAt } from './spot.ts'

export const waysInRules = {
  'service-past-gateway': perPod((pod, scene) =>
    waysIn(pod, scene).flatMap(({ service, target, number, owner }): readonly Verdict[] => {
      if (number === undefined || pod.ports.listen === undefined) return []
      const { listen, admin } = pod.ports
      if (number === listen || number === admin || isGatewayPort(pod, number)) return []
      const whose = owner === undefined ? `port ${number}` : `port ${number} of the container \`${owner}\``
      return [
        {
          at: target,
          what: `Service \`${service.name}\` leads to ${whose}, past the gateway`,
          wanted: `\`targetPort: ${listen}\`, where the gateway listens`,
          seen: seenTarget(target),
        },
      ]
    }),
  ),
  'service-port-named': perPod((pod, scene) =>
    waysIn(pod, scene).flatMap(({ service, target, name, number }): readonly Verdict[] =>
      name === undefined || number === undefined || !isGatewayPort(pod, number)
        ? []
        : [
            {
              at: target,
              what: `Service \`${service.name}\` finds the gateway by the name \`${name}\`, which any other container of the pod can take`,
              wanted: `\`targetPort: ${number}\``,
              seen: `\`targetPort: ${name}\``,
            },
          ],
    ),
  ),
  'service-port-unknown': perPod((pod, scene) =>
    waysIn(pod, scene).flatMap(({ service, target, name, number }): readonly Verdict[] =>
      name === undefined || number !== undefined || pod.gateway === undefined
        ? []
        : [
            {
              at: target,
              what: `no container of ${pod.title} has a port named \`${name}\`, so Service \`${service.name}\` leads nowhere`,
              wanted: `\`targetPort: ${pod.ports.listen ?? DEFAULT_PORTS.gateway}\`, where the gateway listens`,
              seen: `\`targetPort: ${name}\``,
            },
          ],
    ),
  ),
  'admin-exposed': perPod((pod, scene) => [
    ...adminServices(pod, scene),
    ...adminRoutes(pod, scene),
    ...hostPorts(pod).flatMap(({ spot, number, isGateway }): readonly Verdict[] =>
      isGateway && number === pod.ports.admin
        ? [
            {
              at: spot,
              what: 'the admin port is open on the node',
              wanted: 'no `hostPort` for it',
              seen: `\`hostPort: ${scalarAt(spot)}\` for port ${number}`,
            },
          ]
        : [],
    ),
  ]),
  'host-port-past-gateway': perPod(pod =>
    hostPorts(pod).flatMap(({ spot, number, isGateway, owner }): readonly Verdict[] =>
      isGateway
        ? []
        : [
            {
              at: spot,
              what: `the node leads to port ${number} of the container \`${owner}\`, past the gateway`,
              wanted: 'no `hostPort` beside the gateway',
              seen: `\`hostPort: ${scalarAt(spot)}\``,
            },
          ],
    ),
  ),
} satisfies Rules

interface WayIn {
  readonly service: KubernetesObject
  readonly port: Spot
  /** The value that decides: `targetPort`, or `port` where that is left out. */
  readonly target: Spot
  /** Set where the target is a name. */
  readonly name: string | undefined
  /** Undefined where no container has the name. */
  readonly number: number | undefined
  /** The container other than the gateway that has the port. */
  readonly owner: string | undefined
}

function waysIn(pod: GatewayPod, { ofKind }: Scene): readonly WayIn[] {
  return ofKind('Service')
    .filter(service => isSameNamespace(service.namespace, pod.namespace))
    .filter(({ root }) => serviceSelects(at(root, 'spec', 'selector'), pod.labels))
    .flatMap(service => items(at(service.root, 'spec', 'ports')).map(port => wayIn(service, port, pod)))
}

function wayIn(service: KubernetesObject, port: Spot, pod: GatewayPod): WayIn {
  const written = at(port, 'targetPort')
  const target = scalarAt(written) === undefined ? at(port, 'port') : written
  const text = scalarAt(target) ?? ''
  const name = /^\d+$/.test(text) ? undefined : text
  const found = name === undefined ? undefined : ownerOfPort(pod, name)
  const number = name === undefined ? Number(text) : found?.port.number
  const holder = found?.container ?? pod.containers.find(each => portsOf(each).some(one => one.number === number))
  const owner = holder === undefined || pod.gateways.includes(holder) ? undefined : holder.name
  return { service, port, target, name, number, owner }
}

function seenTarget(target: Spot): string {
  const key = String(target.path.at(-1))
  return key === 'port' ? `\`port: ${scalarAt(target)}\` without \`targetPort\`` : `\`targetPort: ${scalarAt(target)}\``
}

/** Where the container of the gateway declares other ports than it listens on, that is told as `listen-port`. */
function isGatewayPort({ gateways, ports }: GatewayPod, number: number): boolean {
  const declared = gateways.flatMap(portsOf).some(port => port.number === number)
  return number === ports.listen || (declared && number !== ports.admin)
}

function adminServices(pod: GatewayPod, scene: Scene): readonly Verdict[] {
  return adminWays(pod, scene).map(({ service, target }) => ({
    at: target,
    what: `Service \`${service.name}\` leads to the admin port`,
    wanted: 'the admin port in no Service',
    seen: seenTarget(target),
  }))
}

function adminWays(pod: GatewayPod, scene: Scene): readonly WayIn[] {
  const { admin } = pod.ports
  return waysIn(pod, scene).filter(({ number }) => admin !== undefined && number === admin)
}

/** Ingresses and routes of the Gateway API that name a port of a Service which leads to the admin port. */
function adminRoutes(pod: GatewayPod, scene: Scene): readonly Verdict[] {
  const ways = adminWays(pod, scene)
  if (ways.length === 0) return []
  return backends(scene).flatMap(({ object, at: spot, service, port }): readonly Verdict[] => {
    const isIt = ways.some(
      way =>
        way.service.name === service &&
        isSameNamespace(way.service.namespace, object.namespace) &&
        (numberAt(way.port, 'port') === Number(port) || textAt(way.port, 'name') === port),
    )
    if (!isIt) return []
    return [
      {
        at: spot,
        what: `${object.kind} \`${object.name}\` leads to the admin port from outside`,
        wanted: 'the port of the Service that leads to the gateway',
        seen: `port ${port} of Service \`${service}\``,
      },
    ]
  })
}

interface Backend {
  readonly object: KubernetesObject
  readonly at: Spot
  readonly service: string | undefined
  readonly port: string | undefined
}

function backends({ ofKind }: Scene): readonly Backend[] {
  const ingresses = ofKind('Ingress').flatMap(object => {
    const spec = at(object.root, 'spec')
    const paths = items(at(spec, 'rules')).flatMap(rule => items(at(rule, 'http', 'paths')))
    const all = [at(spec, 'defaultBackend'), ...paths.map(path => at(path, 'backend'))]
    return all.map(backend => {
      const number = at(backend, 'service', 'port', 'number')
      const spot = scalarAt(number) === undefined ? at(backend, 'service', 'port', 'name') : number
      return { object, at: spot, service: textAt(backend, 'service', 'name'), port: scalarAt(spot) }
    })
  })
  const routes = ofKind('HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute').flatMap(object =>
    items(at(object.root, 'spec', 'rules'))
      .flatMap(rule => items(at(rule, 'backendRefs')))
      .map(ref => ({ object, at: at(ref, 'port'), service: textAt(ref, 'name'), port: scalarAt(ref, 'port') })),
  )
  return [...ingresses, ...routes]
}

interface HostPort {
  readonly spot: Spot
  readonly number: number
  readonly owner: string
  readonly isGateway: boolean
}

function hostPorts(pod: GatewayPod): readonly HostPort[] {
  // On the network of the node, Kubernetes itself fills in `hostPort`, and that network has a finding of its own.
  if (at(pod.spec, 'hostNetwork').value === true) return []
  return pod.containers.flatMap(container =>
    portsOf(container)
      .filter((port: DeclaredPort) => numberAt(port.spot, 'hostPort') !== undefined)
      .map(({ spot, number }) => ({
        spot: at(spot, 'hostPort'),
        number,
        owner: container.name,
        isGateway: pod.gateways.includes(container),
      })),
  )
}
