/** Joins a workload with its gateway, the configuration of that, and the ports that it listens on. */
import type { Config } from '../../../config/schema/schema.ts'
import { DEFAULT_PORTS } from '../sidecar-container.ts'
import type { KubernetesObject } from './documents.ts'
import { type FoundConfig, findConfig } from './gateway-config.ts'
import { type Container, gatewaysIn, portsOf, type Workload } from './pods.ts'

/** A workload with the gateway, or one that asks for it. */
export interface GatewayPod extends Workload {
  /** Undefined where the gateway is still to be injected. */
  readonly gateway: Container | undefined
  /** All containers that are the gateway; more than one is a mistake. */
  readonly gateways: readonly Container[]
  /** The ordinary containers beside the gateway; there are none where it runs by itself. */
  readonly apps: readonly Container[]
  readonly found: FoundConfig
  readonly ports: GatewayPorts
}

/** Undefined is a listener that is not on TCP, or not there. */
interface GatewayPorts {
  readonly listen: number | undefined
  readonly admin: number | undefined
}

/** @param config what the command line names; it holds for every gateway */
export function gatewayPod(
  workload: Workload,
  configMaps: readonly KubernetesObject[],
  config: Config | undefined,
): GatewayPod {
  const gateways = gatewaysIn(workload)
  const [gateway] = gateways
  const found = findConfig(workload, gateway, configMaps, config)
  return {
    ...workload,
    ...{ gateways, gateway, found },
    apps: workload.containers.filter(each => each.role === 'ordinary' && !gateways.includes(each)),
    ports: portsIn(found, gateway),
  }
}

/** The configuration says where the gateway listens; where it is not known, the ports that the container declares. */
function portsIn({ config }: FoundConfig, gateway: Container | undefined): GatewayPorts {
  if (config !== undefined) {
    const { admin } = config
    // One that only decides has this port, and nobody else asks it than its proxy.
    const listen = config.listen ?? config.decide?.listen
    return {
      listen: listen !== undefined && 'port' in listen.address ? listen.address.port : undefined,
      admin: admin !== undefined && 'port' in admin.listen.address ? admin.listen.address.port : undefined,
    }
  }
  const declared = gateway === undefined ? [] : portsOf(gateway)
  const admin = declared.find(({ name, number }) => number === DEFAULT_PORTS.admin || /admin|metrics/.test(name ?? ''))
  const listen = declared.find(port => port !== admin)
  return { listen: listen?.number ?? DEFAULT_PORTS.gateway, admin: admin?.number ?? DEFAULT_PORTS.admin }
}
