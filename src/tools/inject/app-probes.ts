/**
 * Leads the probes of a service by way of the gateway: nobody outside the pod, the kubelet included, reaches a service
 * that listens on loopback only.
 *
 * A probe by HTTP asks for `/-/app/<path>` at the admin port. One by TCP or gRPC cannot be led there, and is refused.
 * One by `exec` runs in the container and stays. What asks another port than the service's stays, too, and is told.
 */
import { APP_PROBE_PREFIX } from '../../admin/app-probes.ts'
import { type ManifestPath, type Members, membersOf } from '../k8s/manifests.ts'
import type { SidecarPorts } from '../k8s/sidecar-container.ts'
import { PROBES } from '../k8s/sidecar-container.ts'
import { type AppPorts, HANDLERS, portNumber } from './app-ports.ts'
import type { RemarkCollector } from './remarks.ts'

interface ProbeOptions {
  readonly ports: SidecarPorts
  readonly appPorts: AppPorts
  /** What `admin.appProbes` of the configuration lists; undefined when the configuration is not known. */
  readonly listedPaths: ReadonlySet<string> | undefined
  readonly remarks: RemarkCollector
}

/** @param at leads from the object to the container */
export function probedByGateway(container: Members, at: ManifestPath, options: ProbeOptions): Members {
  const probes = PROBES.filter(name => container[name] !== undefined).map(name => {
    const probe = membersOf(container[name])
    return [name, redirectedProbe(probe, [...at, name], container, options)] as const
  })
  for (const hook of ['postStart', 'preStop'])
    refuseUnreachable(membersOf(membersOf(container.lifecycle)[hook]), [...at, 'lifecycle', hook], container, options)
  return { ...container, ...Object.fromEntries(probes) }
}

function redirectedProbe(probe: Members, at: ManifestPath, container: Members, options: ProbeOptions): Members {
  const { ports, remarks } = options
  const { httpGet } = probe
  if (httpGet === undefined) {
    refuseUnreachable(probe, at, container, options)
    return probe
  }
  const asked = membersOf(httpGet)
  const path = typeof asked.path === 'string' && asked.path !== '' ? asked.path : '/'
  const plain = path.startsWith('/') ? path : `/${path}`
  if (asked.port === ports.admin && plain.startsWith(APP_PROBE_PREFIX))
    refuseUnlisted(plain.slice(APP_PROBE_PREFIX.length), [...at, 'httpGet', 'path'], options)
  if (!isForApp(asked, [...at, 'httpGet'], container, options)) return probe
  if (/[?#]/.test(plain))
    remarks.refused(
      [...at, 'httpGet', 'path'],
      'the gateway asks the service for a path, and for no query; let the probe ask for a path without one',
    )
  refuseUnlisted(plain, [...at, 'httpGet', 'path'], options)
  const { host, httpHeaders, scheme, ...rest } = asked
  if (httpHeaders !== undefined || host !== undefined)
    remarks.noted(
      [...at, 'httpGet'],
      'the headers and the host of this probe are left out: the gateway sends the service none of them',
    )
  if (options.listedPaths === undefined)
    remarks.noted(at, `the configuration has to list ${plain} in \`admin.appProbes\`; with -c FILE that is checked`)
  remarks.changed(at, `${at.at(-1)} asks the gateway for ${APP_PROBE_PREFIX}${plain}`)
  const isPlain = scheme === undefined || scheme === 'HTTP'
  const redirected = { ...rest, path: APP_PROBE_PREFIX + plain, port: ports.admin, ...(isPlain ? { scheme } : {}) }
  return {
    ...probe,
    httpGet: Object.fromEntries(Object.entries(redirected).filter(([, value]) => value !== undefined)),
  }
}

/** A path that the configuration does not list is a 404 for the kubelet, and the pod never gets ready. */
function refuseUnlisted(path: string, at: ManifestPath, { listedPaths, remarks }: ProbeOptions): void {
  if (listedPaths?.has(path) === false)
    remarks.refused(at, `the configuration does not list ${path}; add it to \`admin.appProbes\``)
}

/** A probe or a hook that the kubelet could not carry out any more. */
function refuseUnreachable(handler: Members, at: ManifestPath, container: Members, options: ProbeOptions): void {
  for (const kind of HANDLERS) {
    if (handler[kind] === undefined || !isForApp(membersOf(handler[kind]), [...at, kind], container, options)) continue
    options.remarks.refused(
      [...at, kind],
      `the kubelet cannot reach a service that listens on loopback only, and the gateway passes no ${kind} of ${at.at(-1)} on; use ${PROBES.some(name => name === at.at(-1)) ? 'httpGet with a health path, or exec' : 'exec'}`,
    )
  }
}

/** Whether the kubelet asks the port of the service, which will be on loopback. */
function isForApp(asked: Members, at: ManifestPath, container: Members, options: ProbeOptions): boolean {
  const { ports, appPorts, remarks } = options
  const port = portNumber(asked.port, [container])
  if (port === undefined) {
    remarks.refused([...at, 'port'], `container ${container.name} has no port named ${asked.port}; write its number`)
    return false
  }
  if (port === ports.admin) return false
  if (appPorts.known.has(port)) return true
  if (appPorts.known.size > 0)
    remarks.noted(at, `port ${port} is still asked directly, so it has to listen on the address of the pod`)
  else
    remarks.refused(
      [...at, 'port'],
      `it is not known which of the ports ${appPorts.candidates.join(', ')} is that of the service behind the gateway; name it: --port ${port}`,
    )
  return false
}
