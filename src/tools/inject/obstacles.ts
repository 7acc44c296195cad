/** Finds what stands in the way of the gateway in a pod: each is a reason not to inject, with what can be done. */
import { isMembers, itemsOf, type ManifestPath, type Members, membersOf, type PodTemplate } from '../k8s/manifests.ts'
import { CONFIG_VOLUME, SIDECAR_LABEL, SIDECAR_NAME, type SidecarPorts } from '../k8s/sidecar-container.ts'
import { companions, isTcp } from './app-ports.ts'
import type { RemarkCollector } from './remarks.ts'

/** What names of ours another port of the pod may not have: monitors and Services find ports by them. */
const PORT_NAMES: readonly unknown[] = ['gateway', 'gateway-admin']

const OPT_OUT = `or leave the pod out with the label \`${SIDECAR_LABEL.name}: ${SIDECAR_LABEL.optOut}\``

export function findObstacles(
  { path, labels, spec }: PodTemplate,
  ports: SidecarPorts,
  remarks: RemarkCollector,
): void {
  const refuse = (at: ManifestPath, message: string): void => remarks.refused([...path, ...at], message)
  for (const name of ['containers', 'initContainers', 'volumes']) {
    const { [name]: list = [] } = spec
    if (list !== null && !(Array.isArray(list) && list.every(isMembers)))
      refuse(['spec', name], `\`${name}\` is no list of maps, as pods have; correct it`)
  }
  if (itemsOf(spec.containers).length === 0)
    refuse(['spec', 'containers'], 'there is no container to stand in front of; write `spec.containers`')
  if (isTrue(spec.hostNetwork))
    refuse(
      ['spec', 'hostNetwork'],
      `with hostNetwork, every process of the node reaches the service's loopback, past the gateway; remove it, ${OPT_OUT}`,
    )
  if (membersOf(spec.os).name === 'windows' || membersOf(spec.nodeSelector)['kubernetes.io/os'] === 'windows')
    refuse(['spec'], `the gateway's image is for Linux, and this pod is for Windows; ${OPT_OUT.slice(3)}`)
  const label = labels[SIDECAR_LABEL.name]
  if (label !== undefined && label !== SIDECAR_LABEL.value)
    refuse(
      ['metadata', 'labels', SIDECAR_LABEL.name],
      `policies and monitors find the gateway by the label \`${SIDECAR_LABEL.name}: ${SIDECAR_LABEL.value}\`, and it has another value here; remove it`,
    )
  findStrangers(spec, refuse)
  findTakenPorts(spec, ports, refuse)
}

type Refuse = (at: ManifestPath, message: string) => void

function findStrangers(spec: Members, refuse: Refuse): void {
  for (const [index, { name }] of itemsOf(spec.containers).entries())
    if (name === SIDECAR_NAME)
      refuse(
        ['spec', 'containers', index, 'name'],
        'a container beside the gateway has its name; remove it if it is the gateway, which is an init container that is always restarted, else rename it',
      )
  for (const [index, container] of itemsOf(spec.initContainers).entries()) {
    if (container.name !== SIDECAR_NAME) continue
    const at = ['spec', 'initContainers', index]
    if (isGateway(container)) findOtherProgram(container, at, refuse)
    else
      refuse(
        [...at, 'name'],
        'this init container has the name of the gateway, and does not run it (`args: [run, …]`); rename it',
      )
  }
}

/** What would make our container run something else, or with another configuration, than it seems. */
function findOtherProgram({ command, args, volumeMounts }: Members, at: ManifestPath, refuse: Refuse): void {
  if (command !== undefined && command !== null)
    refuse([...at, 'command'], '`command` runs something else than the gateway; remove it')
  const files = (Array.isArray(args) ? args : []).filter(each => /^(?:-c|--config)(?:=|$)/.test(String(each)))
  if (files.length > 1) refuse([...at, 'args'], 'the configuration is named twice here; name it once')
  for (const [index, mount] of itemsOf(volumeMounts).entries())
    if (mount.name === CONFIG_VOLUME && (mount.subPath !== undefined || mount.subPathExpr !== undefined))
      refuse(
        [...at, 'volumeMounts', index],
        'with subPath a change of the configuration would never arrive; mount the whole volume',
      )
}

function findTakenPorts(spec: Members, ports: SidecarPorts, refuse: Refuse): void {
  const ours = new Map([
    [ports.gateway, 'listen'],
    [ports.admin, 'admin.listen'],
  ])
  for (const [list, index, container] of companions(spec))
    for (const [at, port] of itemsOf(container.ports).entries()) {
      const place = ['spec', list, index, 'ports', at]
      const setting = isTcp(port) ? ours.get(Number(port.containerPort)) : undefined
      if (setting !== undefined)
        refuse(
          [...place, 'containerPort'],
          `container ${container.name} has port ${port.containerPort}, on which the gateway listens (\`${setting}\`); let the container listen on another one, or set another \`${setting}\` and name the configuration: -c FILE`,
        )
      if (PORT_NAMES.includes(port.name))
        refuse([...place, 'name'], `\`${port.name}\` is the name of a port of the gateway; name this one otherwise`)
    }
}

/** Whether a container with our name is ours, in whatever version. */
export function isGateway({ name, args }: Members): boolean {
  return name === SIDECAR_NAME && Array.isArray(args) && args[0] === 'run'
}

/** Readers of YAML 1.1, as kubectl is, take more words for true. */
function isTrue(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(?:y|yes|on|true)$/i.test(value))
}
