/** Rules about the configuration: where it is mounted, what is in it, and whether it fits the pod around it. */
import { posix } from 'node:path'
import { hostOf } from '../../../upstream/connector.ts'
import { isLoopbackHost, mentionsPort } from './addresses.ts'
import { placeInConfig, volumeOf } from './gateway-config.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { isSameNamespace, portsOf, wordsOf } from './pods.ts'
import { perPod, type Rules, type Verdict } from './rule.ts'
import type { Scene } from './scene.ts'
import { serviceSelects } from './selector.ts'
import { at, entries, isThere, type Spot, textAt } from './spot.ts'

export const configurationRules = {
  'config-not-named': perPod(({ gateway, found }) => {
    if (gateway === undefined) return []
    const words = wordsOf(gateway)
    const isRun = words.length === 0 || words.includes('run')
    if (isRun && found.isNamed) return []
    return [
      {
        at: isThere(at(gateway.spot, 'args')) ? at(gateway.spot, 'args') : at(gateway.spot, 'name'),
        what: isRun
          ? 'the gateway is not told where its configuration is, and looks for `sallyport.yaml` in its working directory'
          : 'the gateway is not told to run',
        wanted: '`args: [run, -c, /etc/sallyport/sallyport.yaml]`',
        seen: words.length === 0 ? 'no arguments' : `\`${words.join(' ')}\``,
      },
    ]
  }),
  'config-not-mounted': perPod(pod => {
    const { gateway, found } = pod
    if (gateway === undefined || !found.path.startsWith('/')) return []
    const folder = posix.dirname(found.path)
    if (found.mount === undefined && !found.isNamed) return []
    if (found.mount === undefined)
      return [
        {
          at: isThere(at(gateway.spot, 'volumeMounts')) ? at(gateway.spot, 'volumeMounts') : at(gateway.spot, 'name'),
          ...(isThere(at(gateway.spot, 'volumeMounts')) && { part: 'key' as const }),
          what: `nothing is mounted at \`${folder}\`, where the gateway looks for its configuration`,
          wanted: `a volume mounted at \`${folder}\``,
          seen: mountsSeen(gateway.spot),
        },
      ]
    const volume = volumeOf(pod, found.mount)
    if (volume !== undefined) return []
    const name = textAt(found.mount, 'name') ?? ''
    return [
      {
        at: at(found.mount, 'name'),
        what: `the pod has no volume \`${name}\`, which should bring the configuration`,
        wanted: `a volume of that name, with \`configMap: { name: sallyport }\``,
        seen: 'none',
      },
    ]
  }),
  'config-sub-path': perPod(({ found }) => {
    const mount = found.mount
    if (mount === undefined) return []
    const key = (['subPath', 'subPathExpr'] as const).find(each => isThere(at(mount, each)))
    return key === undefined
      ? []
      : [
          {
            at: at(mount, key),
            part: 'key',
            what: 'a file mounted by `subPath` is never changed by the kubelet, so no new configuration is ever loaded',
            wanted: `\`mountPath: ${posix.dirname(found.path)}\` without \`subPath\``,
            seen: `\`${key}: ${textAt(mount, key)}\``,
          },
        ]
  }),
  'config-map-absent': perPod(({ found, gateway, namespace }) =>
    found.mapName === undefined || found.map !== undefined || found.config !== undefined || gateway === undefined
      ? []
      : [
          {
            at: found.mount ?? gateway.spot,
            what: `the ConfigMap \`${found.mapName}\` is not in the input, so its configuration is not looked at`,
            wanted: `its manifest${namespace === undefined ? '' : ` in the namespace \`${namespace}\``}, or \`-c FILE\``,
            seen: 'neither',
          },
        ],
  ),
  'config-key-missing': perPod(({ found }) => {
    const { map, entry, path } = found
    if (map === undefined || entry !== undefined) return []
    const keys = entries(at(map.root, 'data')).map(([key]) => `\`${key}\``)
    return [
      {
        at: isThere(at(map.root, 'data')) ? at(map.root, 'data') : map.root,
        part: 'key',
        what: `the ConfigMap \`${map.name}\` does not have \`${posix.basename(path)}\`, which the gateway is started with`,
        wanted: `the key \`${posix.basename(path)}\``,
        seen: keys.length === 0 ? 'no keys' : keys.join(', '),
      },
    ]
  }),
  'config-invalid': perPod(({ found }) => {
    const { entry } = found
    return entry === undefined
      ? []
      : found.mistakes.map(({ message, inside }) => ({
          at: entry,
          inside,
          what: `the gateway would not start: ${message}`,
        }))
  }),
  'listen-port': perPod(pod => {
    const { gateway, found, ports } = pod
    if (gateway === undefined || found.config === undefined || ports.listen === undefined) return []
    const declared = portsOf(gateway)
    if (declared.length === 0 || declared.some(({ number }) => number === ports.listen)) return []
    const [port] = declared.filter(({ number }) => number !== ports.admin)
    return [
      {
        at: port === undefined ? at(gateway.spot, 'ports') : at(port.spot, 'containerPort'),
        what: `the gateway listens on port ${ports.listen}, and its container declares another one`,
        wanted: `\`containerPort: ${ports.listen}\`, as \`listen\` of the configuration says`,
        seen: declared.map(({ number }) => number).join(', '),
      },
    ]
  }),
  'listen-on-loopback': perPod(pod => {
    const address = pod.found.config?.listen?.address
    if (address === undefined || !('port' in address) || !isLoopbackHost(address.host)) return []
    return [
      {
        ...placed(pod, ['listen']),
        what: 'the gateway listens on loopback, so no Service reaches it',
        wanted: `\`listen: 0.0.0.0:${address.port}\``,
        seen: `\`listen: ${address.host}:${address.port}\``,
      },
    ]
  }),
  'upstream-loops': perPod((pod, scene) =>
    upstreams(pod).flatMap(({ id, host, port, text }): readonly Verdict[] => {
      const { listen, admin } = pod.ports
      const service = isLoopbackHost(host) ? undefined : serviceNamed(host, pod, scene)
      const isItself = isLoopbackHost(host) && (port === listen || port === admin)
      if (!isItself && service === undefined) return []
      const what = isItself
        ? `\`upstreams.${id}\` is a port of the gateway itself`
        : `\`upstreams.${id}\` goes by Service \`${service}\`, which leads back to these pods`
      return [{ ...placed(pod, ['upstreams', id]), what, wanted: wantedUpstream(pod), seen: `\`${text}\`` }]
    }),
  ),
  'upstream-elsewhere': perPod((pod, scene) =>
    pod.apps.length === 0 || upstreams(pod).some(({ host }) => isLoopbackHost(host))
      ? []
      : upstreams(pod)
          .filter(({ host }) => serviceNamed(host, pod, scene) === undefined)
          .map(({ id, text }) => ({
            ...placed(pod, ['upstreams', id]),
            what: `\`upstreams.${id}\` leaves the pod, where \`${pod.apps[0]?.name}\` runs beside the gateway`,
            wanted: wantedUpstream(pod),
            seen: `\`${text}\``,
          })),
  ),
  'upstream-port': perPod(pod => {
    const declared = pod.containers.filter(each => !pod.gateways.includes(each)).flatMap(portsOf)
    if (declared.length === 0) return []
    const numbers = declared.map(({ number }) => number)
    return upstreams(pod)
      .filter(({ host, port }) => isLoopbackHost(host) && port !== pod.ports.listen && port !== pod.ports.admin)
      .filter(({ port }) => !numbers.includes(port) && !pod.apps.some(each => mentionsPort(each, port)))
      .map(({ id, port, text }) => ({
        ...placed(pod, ['upstreams', id]),
        what: `\`upstreams.${id}\` asks port ${port}, which no container of ${pod.title} declares`,
        wanted: `one of the declared ports, ${numbers.join(', ')}`,
        seen: `\`${text}\``,
      }))
  }),
  'workers-in-sidecar': perPod(pod => {
    const workers = pod.found.config?.workers ?? 1
    return workers === 1 || pod.apps.length === 0
      ? []
      : [
          {
            ...placed(pod, ['workers']),
            what: `the gateway runs ${workers} processes beside the service`,
            wanted: '`workers: 1`, and more pods',
            seen: `\`workers: ${workers}\``,
          },
        ]
  }),
} satisfies Rules

function mountsSeen(gateway: Spot): string {
  const mounts = entries(at(gateway, 'volumeMounts')).length
  const paths = Array.isArray(at(gateway, 'volumeMounts').value)
    ? (at(gateway, 'volumeMounts').value as readonly unknown[]).map((_, index) =>
        textAt(gateway, 'volumeMounts', index, 'mountPath'),
      )
    : []
  return paths.length + mounts === 0 ? 'no `volumeMounts`' : paths.map(path => `\`${path}\``).join(', ')
}

/** In the lines of the ConfigMap, where it is in the input, else at the container of the gateway. */
export function placed(pod: GatewayPod, path: ReadonlyArray<string | number>): Pick<Verdict, 'at' | 'inside'> {
  const { entry } = pod.found
  if (entry !== undefined) return { at: entry, inside: placeInConfig(pod.found, path) }
  return { at: pod.gateway === undefined ? at(pod.object.root, 'metadata', 'name') : at(pod.gateway.spot, 'name') }
}

interface Upstream {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly text: string
}

function upstreams({ found }: GatewayPod): readonly Upstream[] {
  return Object.entries(found.config?.upstreams ?? {}).flatMap(([id, { url }]) =>
    url.socketPath === undefined ? [{ id, ...hostOf(url.origin), text: url.origin }] : [],
  )
}

/** In one pod two programs cannot listen on one port, so a service on the gateway's has to move. */
function wantedUpstream({ apps, ports }: GatewayPod): string {
  const port = apps.flatMap(portsOf)[0]?.number
  if (port === ports.listen || port === ports.admin)
    return `a service on another port: it and the gateway cannot both have ${port} in one pod`
  return `\`http://127.0.0.1:${port ?? 'PORT'}\`, the service’s own port`
}

/** Whether a host is the name of a Service of the input that leads to these pods: `orders`, `orders.shop.svc`. */
function serviceNamed(host: string, pod: GatewayPod, { ofKind }: Scene): string | undefined {
  const [name = '', namespace] = host.split('.')
  return ofKind('Service').find(
    service =>
      service.name === name &&
      isSameNamespace(service.namespace, pod.namespace) &&
      (namespace === undefined || isSameNamespace(service.namespace, namespace)) &&
      serviceSelects(at(service.root, 'spec', 'selector'), pod.labels),
  )?.name
}
