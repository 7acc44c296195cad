/** Rules about probes: those of the gateway, and those by which the kubelet asks for the service through it. */
import { APP_PROBE_PREFIX } from '../../../admin/app-probes.ts'
import { DEFAULT_PORTS, PROBES } from '../sidecar-container.ts'
import { isLoopbackHost, loopbackSign } from './addresses.ts'
import { placeInConfig } from './gateway-config.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { type Probe, probesOf } from './probe.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import { upstreamPorts } from './service-containers.ts'
import { at, isThere } from './spot.ts'

/** What each probe of the gateway may ask for. A gateway may be ready without its provider, where that is wanted. */
const GATEWAY_PATHS: Readonly<Record<Probe['key'], readonly string[]>> = {
  startupProbe: ['/livez'],
  livenessProbe: ['/livez'],
  readinessProbe: ['/readyz', '/livez'],
}

export const probeRules = {
  'app-probe-past-gateway': perPod(pod =>
    appProbes(pod).flatMap(({ probe, container, isAtLoopback }): readonly Verdict[] =>
      isPastGateway(probe, pod) && !isAtLoopback
        ? [
            {
              at: probe.at,
              what: `${probe.key} of \`${container}\` asks port ${probe.portText}, past the gateway`,
              wanted: wantedProbe(probe, pod),
              seen: seenProbe(probe),
            },
          ]
        : [],
    ),
  ),
  'app-probe-at-loopback': perPod(pod =>
    appProbes(pod).flatMap(({ probe, container, isAtLoopback, why }): readonly Verdict[] =>
      isAtLoopback && (isPastGateway(probe, pod) || probe.host !== undefined)
        ? [
            {
              at: probe.at,
              what: `${probe.key} of \`${container}\` can never succeed: ${why}`,
              wanted: wantedProbe(probe, pod),
              seen: seenProbe(probe),
            },
          ]
        : [],
    ),
  ),
  'app-probe-judged': perPod(pod =>
    appProbes(pod).flatMap(({ probe, container }): readonly Verdict[] =>
      probe.kind === 'httpGet' && probe.port === pod.ports.listen && !isPublic(probe.path, pod)
        ? [
            {
              at: probe.at,
              what: `${probe.key} of \`${container}\` comes without a token to the port where the gateway asks for one`,
              wanted: wantedProbe(probe, pod),
              seen: seenProbe(probe),
            },
          ]
        : [],
    ),
  ),
  'app-probe-path': perPod(pod =>
    appProbes(pod).flatMap(({ probe, container }): readonly Verdict[] => {
      if (probe.kind !== 'httpGet' || probe.port !== pod.ports.admin || probe.port === undefined) return []
      const listed = listedPaths(pod)
      if (probe.path.startsWith(`${APP_PROBE_PREFIX}/`)) {
        const path = probe.path.slice(APP_PROBE_PREFIX.length)
        if (listed === undefined || listed.includes(path)) return []
        const seen = listed.length === 0 ? 'no `admin.appProbes`' : `\`admin.appProbes: [${listed.join(', ')}]\``
        const what = `${probe.key} of \`${container}\` gets 404: the configuration does not let \`${path}\` be asked for`
        return [{ at: probe.pathSpot, what, wanted: `\`${path}\` in \`admin.appProbes\``, seen }]
      }
      return [
        {
          at: probe.pathSpot,
          what: `${probe.key} of \`${container}\` asks the gateway about itself, and never the service`,
          wanted: `\`path: ${APP_PROBE_PREFIX}/<path of the service>\``,
          seen: `\`path: ${probe.path}\``,
        },
      ]
    }),
  ),
  'gateway-probe-missing': perPod(pod => {
    const { gateway } = pod
    if (gateway === undefined || gateway.role === 'init') return []
    const missing = PROBES.filter(key => !isThere(at(gateway.spot, key)))
    if (missing.length === 0) return []
    const why = missing.includes('startupProbe')
      ? 'the service starts before the gateway takes requests'
      : missing.includes('readinessProbe')
        ? 'traffic comes before there are keys'
        : 'nothing restarts a gateway that hangs'
    return [
      {
        at: at(gateway.spot, 'name'),
        what: `the gateway has no ${missing.map(key => `\`${key}\``).join(' and no ')}: ${why}`,
        wanted: missing.map(key => `\`${key}\` at \`${GATEWAY_PATHS[key][0]}\``).join(', '),
        seen: 'none',
      },
    ]
  }),
  'gateway-probe-path': perPod(pod =>
    gatewayProbes(pod).flatMap((probe): readonly Verdict[] => {
      const right = GATEWAY_PATHS[probe.key]
      if (probe.kind !== 'httpGet' || right.includes(probe.path)) return []
      const what =
        probe.path === '/readyz'
          ? `${probe.key} of the gateway fails while a provider is away, and Kubernetes restarts the gateway for it`
          : `${probe.key} of the gateway asks for a path that is not there, and gets 404`
      return [{ at: probe.pathSpot, what, wanted: `\`path: ${right[0]}\``, seen: `\`path: ${probe.path}\`` }]
    }),
  ),
  'gateway-probe-port': perPod(pod =>
    gatewayProbes(pod).flatMap((probe): readonly Verdict[] => {
      const { admin, listen } = pod.ports
      if (admin === undefined || probe.kind === 'exec' || probe.kind === 'none') return []
      const isWrong = probe.kind === 'tcpSocket' ? probe.port !== admin && probe.port !== listen : probe.port !== admin
      if (!isWrong && !probe.isTls && probe.kind !== 'grpc') return []
      const what = isWrong
        ? `${probe.key} of the gateway asks port ${probe.portText}, and not the admin port`
        : `${probe.key} of the gateway asks in a way that the admin port does not answer`
      return [{ at: probe.at, what, wanted: `\`httpGet\` at port ${admin}`, seen: seenProbe(probe) }]
    }),
  ),
  'admin-unreachable': perPod(pod => {
    const { config } = pod.found
    if (config === undefined) return []
    const all = [...gatewayProbes(pod), ...appProbes(pod).map(({ probe }) => probe)]
    const [probe] = all.filter(each => each.kind === 'httpGet' && !isPastGateway(each, pod))
    const asked = probe ?? gatewayProbes(pod).find(({ kind }) => kind === 'httpGet')
    const address = config.admin?.listen.address
    if (asked === undefined || (address !== undefined && 'port' in address && !isLoopbackHost(address.host))) return []
    const seen =
      address === undefined
        ? 'no `admin`'
        : 'port' in address
          ? `\`admin.listen: ${address.host}:${address.port}\``
          : '`admin.listen: unix:…`'
    const inside = placeInConfig(pod.found, ['admin', 'listen'])
    return [
      {
        ...(inside === undefined ? { at: asked.at } : { at: pod.found.entry ?? asked.at, inside }),
        what: `the probes of ${pod.title} ask the pod’s IP at port ${asked.portText}, where no admin listener is`,
        wanted: `\`admin: { listen: 0.0.0.0:${asked.port ?? DEFAULT_PORTS.admin} }\``,
        seen,
      },
    ]
  }),
} satisfies Rules

function gatewayProbes(pod: GatewayPod): readonly Probe[] {
  return pod.gateway === undefined ? [] : probesOf(pod.gateway, pod)
}

interface AppProbe {
  readonly probe: Probe
  readonly container: string
  readonly isAtLoopback: boolean
  readonly why: string
}

function appProbes(pod: GatewayPod): readonly AppProbe[] {
  const upstreams = upstreamPorts(pod)
  return pod.apps.flatMap(container => {
    const sign = loopbackSign(container)
    return probesOf(container, pod).map(probe => {
      const isOfNode = probe.host !== undefined && isLoopbackHost(probe.host)
      const isHidden = sign?.text.includes(`:${probe.port}`) === true || (sign !== undefined && isOne(upstreams, probe))
      const why = isOfNode
        ? `\`host: ${probe.host}\` is the node of the kubelet, not the pod`
        : 'the service listens on loopback, and the kubelet comes from outside the pod'
      return { probe, container: container.name, isAtLoopback: isOfNode || isHidden, why }
    })
  })
}

function isOne(ports: readonly number[], { port }: Probe): boolean {
  return port !== undefined && ports.includes(port)
}

function isPastGateway({ kind, port }: Probe, { ports }: GatewayPod): boolean {
  if (kind === 'exec' || kind === 'none') return false
  return port === undefined || (port !== ports.admin && port !== ports.listen)
}

/** @returns undefined where the configuration is not known */
function listedPaths({ found }: GatewayPod): readonly string[] | undefined {
  return found.config?.admin?.appProbes.map(({ path }) => path)
}

function isPublic(path: string, { found }: GatewayPod): boolean {
  const routes = found.config?.routes
  if (routes === undefined) return false
  return routes.some(
    route =>
      route.access !== 'required' &&
      (route.path === path || (route.path.endsWith('/**') && path.startsWith(route.path.slice(0, -2)))),
  )
}

function wantedProbe({ kind, path }: Probe, { ports }: GatewayPod): string {
  const asked = kind === 'httpGet' ? path : '/<path>'
  return `\`httpGet: { path: ${APP_PROBE_PREFIX}${asked}, port: ${ports.admin ?? DEFAULT_PORTS.admin} }\``
}

function seenProbe({ kind, path, portText, host, isTls }: Probe): string {
  const members = [
    ...(kind === 'httpGet' ? [`path: ${path}`] : []),
    `port: ${portText}`,
    ...(host === undefined ? [] : [`host: ${host}`]),
    ...(isTls ? ['scheme: HTTPS'] : []),
  ]
  return `\`${kind}: { ${members.join(', ')} }\``
}
