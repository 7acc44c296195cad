/** Rules about what surrounds several pods: autoscalers, monitoring, and state that they would have to share. */
import { placed } from './configuration.ts'
import type { KubernetesObject } from './documents.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { isSameNamespace, ownerOfPort } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import type { Scene } from './scene.ts'
import { selects } from './selector.ts'
import { at, isThere, items, labelsAt, numberAt, type Spot, scalarAt, textAt, textsAt } from './spot.ts'

export const scalingRules = {
  'hpa-counts-gateway': perPod((pod, scene) =>
    pod.apps.length === 0
      ? []
      : scalersOf(pod, scene).flatMap(({ name, root }) => {
          const old = at(root, 'spec', 'targetCPUUtilizationPercentage')
          const metrics = items(at(root, 'spec', 'metrics')).filter(each => textAt(each, 'type') === 'Resource')
          const spots = [...(isThere(old) ? [old] : []), ...metrics.map(each => at(each, 'type'))]
          return spots.map(spot => ({
            at: spot,
            what: `HorizontalPodAutoscaler \`${name}\` scales by the sum of service and gateway`,
            wanted: `\`type: ContainerResource\` with \`container: ${pod.apps[0]?.name}\``,
            seen: spot === old ? '`targetCPUUtilizationPercentage`' : '`type: Resource`',
          }))
        }),
  ),
  'monitor-port': perPod((pod, scene) => [...podMonitors(pod, scene), ...scrapeAnnotations(pod)]),
  'replicas-not-shared': perPod((pod, scene) => {
    const { config } = pod.found
    const replicas = at(pod.object.root, 'spec', 'replicas')
    const count = numberAt(replicas) ?? 1
    const isScaled = scalersOf(pod, scene).length > 0
    if (config === undefined || (count < 2 && !isScaled)) return []
    const sessions = Object.entries(config.providers).flatMap(([id, provider]) =>
      provider.type === 'session' && provider.store === 'memory'
        ? [
            {
              path: ['providers', id, 'store'],
              what: `sessions of \`${id}\` are known to the pod alone that began them`,
            },
          ]
        : [],
    )
    const proofs =
      config.dpop !== undefined && !config.dpop.replay.store
        ? [{ path: ['dpop', 'replay', 'store'], what: 'a DPoP proof can be used once in each pod' }]
        : []
    const revocations =
      config.revocation?.api !== undefined && config.revocation.store === undefined
        ? [{ path: ['revocation', 'store'], what: 'a revocation is known to the pod alone that was told' }]
        : []
    const limits = Object.entries(config.rateLimits).flatMap(([id, limit]) =>
      limit.store
        ? []
        : [
            {
              path: ['rateLimits', id, 'rate'],
              what: `each pod counts for limit \`${id}\` by itself, and lets as much through`,
            },
          ],
    )
    return [...sessions, ...proofs, ...revocations, ...limits].map(({ path, what }) => ({
      ...placed(pod, path),
      what: `${what}, and there are several`,
      wanted: 'a memory that all pods share',
      seen: isScaled ? 'an autoscaler, and no shared memory' : `\`replicas: ${count}\`, and no shared memory`,
    }))
  }),
} satisfies Rules

function scalersOf({ object, namespace }: GatewayPod, { ofKind }: Scene): readonly KubernetesObject[] {
  return ofKind('HorizontalPodAutoscaler').filter(
    ({ root, namespace: own }) =>
      isSameNamespace(own, namespace) &&
      textAt(root, 'spec', 'scaleTargetRef', 'name') === object.name &&
      textAt(root, 'spec', 'scaleTargetRef', 'kind') === object.kind,
  )
}

function podMonitors(pod: GatewayPod, { ofKind }: Scene): readonly Verdict[] {
  return ofKind('PodMonitor')
    .filter(({ root, namespace }) => {
      const spaces = at(root, 'spec', 'namespaceSelector')
      const isElsewhere = at(spaces, 'any').value === true || isNamed(spaces, pod.namespace)
      return isElsewhere || isSameNamespace(namespace, pod.namespace)
    })
    .filter(({ root }) => selects(at(root, 'spec', 'selector'), pod.labels))
    .flatMap(({ name, root }) =>
      items(at(root, 'spec', 'podMetricsEndpoints')).flatMap(endpoint => portVerdict(name, endpoint, pod)),
    )
}

function isNamed(spaces: Spot, namespace: string | undefined): boolean {
  const names = textsAt(spaces, 'matchNames')
  return names.length > 0 && (namespace === undefined || names.includes(namespace))
}

function portVerdict(name: string, endpoint: Spot, pod: GatewayPod): readonly Verdict[] {
  const { admin } = pod.ports
  // Prometheus sees what containers declare, and a gateway that is injected declares what the shipped one does.
  if (pod.gateway === undefined || admin === undefined) return []
  const spot = ['port', 'portNumber', 'targetPort'].map(key => at(endpoint, key)).find(isThere)
  const text = spot === undefined ? undefined : scalarAt(spot)
  if (spot === undefined || text === undefined) return []
  const isNumber = /^\d+$/.test(text)
  const number = isNumber ? Number(text) : ownerOfPort(pod, text)?.port.number
  if (number === admin) return []
  return [
    {
      at: spot,
      what:
        number === undefined
          ? `PodMonitor \`${name}\` names the port \`${text}\`, which no container of ${pod.title} has, so nothing is scraped`
          : `PodMonitor \`${name}\` scrapes port ${number} of ${pod.title}, which is not the admin port`,
      wanted: `the name of the admin port, ${admin}: \`gateway-admin\` in k8s/components/sidecar`,
      seen: `\`${String(spot.path.at(-1))}: ${text}\``,
    },
  ]
}

function scrapeAnnotations({ template, ports, title }: GatewayPod): readonly Verdict[] {
  const annotations = labelsAt(template, 'metadata', 'annotations')
  const port = annotations.get('prometheus.io/port')
  if (annotations.get('prometheus.io/scrape') !== 'true' || port === undefined) return []
  if (ports.admin === undefined || Number(port) === ports.admin) return []
  return [
    {
      at: at(template, 'metadata', 'annotations', 'prometheus.io/port'),
      what: `the annotations of ${title} send Prometheus to port ${port}, which is not the admin port`,
      wanted: `\`prometheus.io/port: "${ports.admin}"\``,
      seen: `\`prometheus.io/port: "${port}"\``,
    },
  ]
}
