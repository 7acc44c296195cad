/** Rules about what keeps others from the service itself: its address, the network of the pod, and network policies. */
import { loopbackSign, wildcardSign } from './addresses.ts'
import type { KubernetesObject } from './documents.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { isSameNamespace, ownerOfPort } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import type { Scene } from './scene.ts'
import { isSelector, selects } from './selector.ts'
import { servicesOf } from './service-containers.ts'
import { at, isThere, items, numberAt, type Spot, scalarAt, textsAt } from './spot.ts'

export const isolationRules = {
  'host-network': perPod(({ spec }) =>
    at(spec, 'hostNetwork').value === true
      ? [
          {
            at: at(spec, 'hostNetwork'),
            what: 'the pod shares the network of its node, so everything on the node reaches the service past the gateway',
            wanted: 'a network of its own',
            seen: '`hostNetwork: true`',
          },
        ]
      : [],
  ),
  'network-policy-missing': perPod((pod, scene) =>
    policiesOf(pod, scene).length > 0 || hasForeignPolicies(scene)
      ? []
      : [
          {
            at: at(pod.template, 'metadata', 'labels'),
            part: 'key',
            what: `no NetworkPolicy in the input selects the pods of ${pod.title}`,
            wanted: 'a NetworkPolicy that lets others reach the gateway’s port alone',
            seen: policiesSeen(pod, scene),
          },
        ],
  ),
  'network-policy-open': perPod((pod, scene) => openings(pod, scene)),
  'network-policy-admin': perPod((pod, scene) =>
    rulesOf(pod, scene).flatMap(({ policy, rule }): readonly Verdict[] => {
      const { admin } = pod.ports
      if (admin === undefined || items(at(rule, 'from')).length > 0) return []
      const port = items(at(rule, 'ports')).find(each => covers(each, admin, pod))
      return port === undefined
        ? []
        : [
            {
              at: at(port, 'port'),
              what: `NetworkPolicy \`${policy.name}\` lets everybody reach the admin port`,
              wanted: '`from` in this rule, with the pods of Prometheus',
              seen: `port ${scalarAt(port, 'port')} without \`from\``,
            },
          ]
    }),
  ),
  'app-address-wildcard': perPod(pod =>
    servicesOf(pod).flatMap(container => {
      const sign = wildcardSign(container)
      return sign === undefined
        ? []
        : [
            {
              at: sign.spot,
              what: `the container \`${container.name}\` is told to listen on all addresses, so its port can be reached past the gateway`,
              wanted: 'an address of loopback, 127.0.0.1',
              seen: `\`${sign.text}\``,
            },
          ]
    }),
  ),
  'app-address-unknown': perPod((pod, scene) => {
    const isClosed = policiesOf(pod, scene).length > 0 && openings(pod, scene).length === 0
    if (isClosed || hasForeignPolicies(scene)) return []
    return servicesOf(pod)
      .filter(container => wildcardSign(container) === undefined && loopbackSign(container) === undefined)
      .map(container => ({
        at: at(container.spot, 'name'),
        what: `nothing shows that the container \`${container.name}\` listens on loopback alone`,
        wanted: '127.0.0.1 in its arguments or environment, or a NetworkPolicy that closes its port',
        seen: 'neither',
      }))
  }),
} satisfies Rules

function policiesOf(pod: GatewayPod, { ofKind }: Scene): readonly KubernetesObject[] {
  return ofKind('NetworkPolicy')
    .filter(({ namespace }) => isSameNamespace(namespace, pod.namespace))
    .filter(({ root }) => {
      const types = textsAt(root, 'spec', 'policyTypes')
      return types.length === 0 || types.includes('Ingress')
    })
    .filter(({ root }) => selects(at(root, 'spec', 'podSelector'), pod.labels))
}

/** Policies of other kinds say the same in other words, which are not read. */
function hasForeignPolicies({ ofKind }: Scene): boolean {
  return (
    ofKind(
      ...['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'GlobalNetworkPolicy', 'AdminNetworkPolicy'],
      'ClusterNetworkPolicy',
    ).length > 0
  )
}

function policiesSeen(pod: GatewayPod, { ofKind }: Scene): string {
  const near = ofKind('NetworkPolicy').filter(({ namespace }) => isSameNamespace(namespace, pod.namespace))
  return near.length === 0 ? 'none' : `${near.map(({ name }) => `\`${name}\``).join(', ')}, which select other pods`
}

interface IngressRule {
  readonly policy: KubernetesObject
  readonly rule: Spot
}

function rulesOf(pod: GatewayPod, scene: Scene): readonly IngressRule[] {
  return policiesOf(pod, scene).flatMap(policy =>
    items(at(policy.root, 'spec', 'ingress')).map(rule => ({ policy, rule })),
  )
}

function openings(pod: GatewayPod, scene: Scene): readonly Verdict[] {
  const { listen, admin } = pod.ports
  const wanted = `\`ports\` with ${listen ?? 'the port of the gateway'} alone`
  return rulesOf(pod, scene).flatMap(({ policy, rule }): readonly Verdict[] => {
    const who = isSelector(rule) && items(at(rule, 'from')).length > 0 ? 'some' : 'everybody'
    const what = `NetworkPolicy \`${policy.name}\` lets ${who} reach`
    const ports = items(at(rule, 'ports'))
    if (ports.length === 0) return [{ at: rule, what: `${what} every port of the pod`, wanted, seen: 'no `ports`' }]
    return ports
      .filter(port => !isGatewaysAlone(port, pod))
      .map(port => ({
        at: isThere(at(port, 'port')) ? at(port, 'port') : port,
        what: `${what} ${rangeText(port)}, past the gateway`,
        wanted: `${listen ?? 'the port of the gateway'}${admin === undefined ? '' : `, or ${admin} for Prometheus`}`,
        seen: rangeText(port),
      }))
  })
}

function isGatewaysAlone(port: Spot, pod: GatewayPod): boolean {
  const number = numberOf(port, pod)
  return (
    number !== undefined &&
    numberAt(port, 'endPort') === undefined &&
    (number === pod.ports.listen || number === pod.ports.admin)
  )
}

function covers(port: Spot, wanted: number, pod: GatewayPod): boolean {
  const number = numberOf(port, pod)
  return number !== undefined && number <= wanted && wanted <= (numberAt(port, 'endPort') ?? number)
}

/** @returns undefined for every port, and for a name that no container has */
function numberOf(port: Spot, pod: GatewayPod): number | undefined {
  const text = scalarAt(port, 'port')
  if (text === undefined) return undefined
  return /^\d+$/.test(text) ? Number(text) : (ownerOfPort(pod, text)?.port.number ?? pod.ports.listen)
}

function rangeText(port: Spot): string {
  const [first, last] = [scalarAt(port, 'port'), scalarAt(port, 'endPort')]
  if (first === undefined) return 'every port'
  return last === undefined ? `port ${first}` : `ports ${first} to ${last}`
}
