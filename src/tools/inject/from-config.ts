/**
 * Reads from a configuration what the manifests around the gateway have to say in the same way: its ports, where the
 * service listens, which probes it passes on, and how long it drains.
 *
 * A configuration that cannot work in a pod is refused: the kubelet and Services connect to the address of the pod.
 */
import type { Config, ListenConfig } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { PodSettings } from './injected-pod.ts'

export type ConfiguredSettings = Pick<PodSettings, 'ports' | 'appPorts' | 'probePaths' | 'drainSeconds'>
type Address = ListenConfig['address']

/** @throws {SyntaxError} with what is wrong of it, and the remedy */
export function fromConfig({ listen, admin, upstreams, drain }: Config): ConfiguredSettings {
  if (admin === undefined)
    throw new SyntaxError('has no `admin`, where the probes ask; add `admin: { listen: 0.0.0.0:9090 }`')
  if (listen === undefined)
    throw new SyntaxError(
      'has no `listen`, so it serves no traffic; add `listen: 0.0.0.0:8080`, or run what only decides beside the proxy that asks it',
    )
  const appPorts = Object.values(upstreams).flatMap(({ url }) => {
    const origin = url.socketPath === undefined ? URL.parse(url.origin) : null
    return origin !== null && isLoopback(origin) ? [portOf(origin)] : []
  })
  return {
    ports: {
      gateway: podPort('listen', listen.address, '0.0.0.0:8080'),
      admin: podPort('admin.listen', admin.listen.address, '0.0.0.0:9090'),
    },
    appPorts: appPorts.length === 0 ? undefined : appPorts,
    probePaths: new Set(admin.appProbes.map(({ path }) => path)),
    drainSeconds: drain.timeout / 1000,
  }
}

function podPort(setting: string, address: Address, example: string): number {
  if ('host' in address && (address.host === '0.0.0.0' || address.host === '::') && address.port !== 0)
    return address.port
  throw new SyntaxError(`has a \`${setting}\` that nobody outside the pod reaches; write \`${setting}: ${example}\``)
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}
