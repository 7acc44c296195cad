/**
 * Puts the gateway's container and volumes into a pod's spec, or brings those up to date that are there.
 *
 * Of a container that is there, everything that we say is set, and what others have added stays: environment, mounts,
 * further arguments, what the API server fills in. Its resources stay, and its image unless another one is asked for.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMembers, itemsOf, type ManifestPath, type Members, membersOf } from '../k8s/manifests.ts'
import {
  CONFIG_VOLUME,
  SIDECAR_NAME,
  type SidecarPorts,
  sidecarContainer,
  sidecarVolumes,
} from '../k8s/sidecar-container.ts'
import { isGateway } from './obstacles.ts'
import type { RemarkCollector } from './remarks.ts'

interface SidecarUpdate {
  /** They are undefined where the command line says nothing; what is there stays then. */
  readonly image: string | undefined
  readonly configMap: string | undefined
  readonly ports: SidecarPorts
  readonly remarks: RemarkCollector
}

/** @param at leads from the object to the spec @returns the lists `initContainers` and `volumes` of the spec */
export function withSidecar(spec: Members, at: ManifestPath, update: SidecarUpdate) {
  const present = itemsOf(spec.initContainers)
  const index = present.findIndex(isGateway)
  const isThere = index !== -1
  return {
    initContainers: isThere
      ? present.map((each, place) =>
          place === index ? updatedContainer(each, [...at, 'initContainers', index], update) : each,
        )
      : [addedContainer(at, update), ...present],
    volumes: withVolumes(itemsOf(spec.volumes), at, isThere ? 'there' : 'added', update),
  }
}

/** The name of the image in the manifests, which a kustomization replaces (`images`). */
export const IMAGE = 'sallyport'

function addedContainer(at: ManifestPath, { image, ports, remarks }: SidecarUpdate): Members {
  remarks.changed([...at, 'initContainers'], 'the container of the gateway is added')
  return sidecarContainer(image ?? IMAGE, ports)
}

function updatedContainer(present: Members, at: ManifestPath, { image, ports, remarks }: SidecarUpdate): Members {
  const { image: _image, resources: _resources, ...settings } = sidecarContainer(image ?? IMAGE, ports)
  const wanted = {
    ...settings,
    ...(image === undefined && present.image !== undefined ? {} : { image: image ?? IMAGE }),
  }
  return membersOf(merged(present, wanted, at, remarks))
}

function merged(present: unknown, wanted: unknown, at: ManifestPath, remarks: RemarkCollector): unknown {
  if (isMembers(present) && isMembers(wanted)) {
    const members = Object.entries(wanted).map(([name, value]) => [
      name,
      merged(present[name], value, [...at, name], remarks),
    ])
    return { ...present, ...Object.fromEntries(members) }
  }
  if (Array.isArray(present) && Array.isArray(wanted)) {
    if (at.at(-1) === 'args' && isDeepStrictEqual(present.slice(0, wanted.length), wanted)) return present
    if (wanted.every(isNamed) && present.every(isNamed)) return mergedByName(present, wanted, at, remarks)
  }
  if (!isDeepStrictEqual(present, wanted)) {
    const name = at.slice(at.lastIndexOf('initContainers') + 2).join('.')
    remarks.changed(
      at,
      `${name} of the gateway's container is ${present === undefined ? 'added' : 'brought up to date'}`,
    )
  }
  return wanted
}

function mergedByName(
  present: readonly Named[],
  wanted: readonly Named[],
  at: ManifestPath,
  remarks: RemarkCollector,
): readonly unknown[] {
  const missing = wanted.filter(({ name }) => !present.some(each => each.name === name))
  for (const { name } of missing) remarks.changed(at, `${name} is added to ${at.at(-1)} of the gateway's container`)
  const kept = present.map((each, index) => {
    const ours = wanted.find(({ name }) => name === each.name)
    return ours === undefined ? each : merged(each, ours, [...at, index], remarks)
  })
  return [...missing, ...kept]
}

type Named = Members & { readonly name: string }

function isNamed(value: unknown): value is Named {
  return isMembers(value) && typeof value.name === 'string'
}

/** What a configuration can come from. */
const SOURCES = ['configMap', 'projected', 'secret', 'csi'] as const

function withVolumes(
  present: readonly Members[],
  at: ManifestPath,
  gateway: 'there' | 'added',
  { configMap, remarks }: SidecarUpdate,
): readonly Members[] {
  const wanted: readonly Named[] = sidecarVolumes(configMap ?? SIDECAR_NAME)
  const missing = wanted.filter(({ name }) => !present.some(each => each.name === name))
  for (const { name } of missing) remarks.changed([...at, 'volumes'], `the volume ${name} is added`)
  const kept = present.map((each, index) => {
    const ours = wanted.find(({ name }) => name === each.name)
    const place = [...at, 'volumes', index]
    if (ours === undefined) return each
    if (gateway === 'added' && !isDeepStrictEqual(each, ours))
      remarks.refused(place, `the volume ${each.name} is the gateway's, and is another one here; rename it`)
    if (each.name === CONFIG_VOLUME && SOURCES.every(source => each[source] === undefined))
      remarks.refused(place, `the volume ${each.name} holds no configuration; let it be of a ConfigMap`)
    const source = membersOf(each.configMap)
    if (each.name !== CONFIG_VOLUME || each.configMap === undefined || configMap === undefined) return each
    if (source.name === configMap) return each
    remarks.changed(place, `the volume ${CONFIG_VOLUME} is of the ConfigMap ${configMap} in place of ${source.name}`)
    return { ...each, configMap: { ...source, name: configMap } }
  })
  return [...missing, ...kept]
}
