/** Finds which containers of a pod are the service behind the gateway, rather than helpers beside it. */
import { mentionsPort } from './addresses.ts'
import type { GatewayPod } from './gateway-pod.ts'
import { type Container, portsOf } from './pods.ts'

/** The ports of this pod to which the configuration passes requests on. */
export function upstreamPorts({ found }: GatewayPod): readonly number[] {
  return Object.values(found.config?.upstreams ?? {}).flatMap(({ url }) => {
    const { hostname, port, protocol } = new URL(url.origin)
    if (url.socketPath !== undefined || !/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)) return []
    return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  })
}

/** The container that has an upstream's port; where none shows it, those that have any port, else all. */
export function servicesOf(pod: GatewayPod): readonly Container[] {
  const ports = upstreamPorts(pod)
  const named = pod.apps.filter(
    each => portsOf(each).some(({ number }) => ports.includes(number)) || ports.some(port => mentionsPort(each, port)),
  )
  if (named.length > 0) return named
  const serving = pod.apps.filter(each => portsOf(each).length > 0)
  return serving.length > 0 ? serving : pod.apps
}
