/**
 * Holds every way to get the gateway into a pod to one container: the component, the policy, and `sallyport inject`.
 *
 * A further way is a further row of the table.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { DEFAULT_PORTS, sidecarContainer, sidecarVolumes } from '../../src/tools/k8s/sidecar-container.ts'
import { injectedText } from '../tools/inject/injected.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'
import { patchedPod } from './policy-patch.ts'

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> }
  readonly spec: {
    readonly terminationGracePeriodSeconds: number
    readonly initContainers: ReadonlyArray<Readonly<Record<string, unknown>>>
    readonly volumes: ReadonlyArray<{ readonly name: string }>
  }
}

const IMAGE = 'registry.example.com/sallyport:0.1.0'
const CONFIG_MAP = 'team-sallyport'
const text = readFileSync(join(ROOT, 'test/k8s/anyone/deployments.yaml'), 'utf8').split('---\n')[0] ?? ''

const RENDERINGS: ReadonlyArray<readonly [string, Pod]> = [
  ['the component', templateOf(named(render('test/k8s/anyone'), 'Deployment', 'team-guarded'))],
  ['the policy', ofPolicy()],
  ['sallyport inject', templateOf(parsed(injectedText(text, { configMap: CONFIG_MAP, image: IMAGE })))],
]

/** Names of images are of those who install it, and what is left out is what the API server fills in. */
const container = { ...sidecarContainer('any', DEFAULT_PORTS), image: expect.stringMatching(/sallyport/) }

describe.each(RENDERINGS)('%s', (_, { metadata, spec }) => {
  test('has the container of the code, before those that were there', () => {
    const [gateway, ...others] = spec.initContainers
    expect(withoutDefaults(gateway)).toEqual(container)
    expect(others).toEqual([{ name: 'migrate', image: 'migrate' }])
  })

  test('has the volumes of the code beside those that were there', () => {
    const byName = (one: { name: string }, other: { name: string }) => one.name.localeCompare(other.name)
    expect([...spec.volumes].sort(byName)).toEqual(
      [{ name: 'data', emptyDir: {} }, ...sidecarVolumes(CONFIG_MAP)].sort(byName),
    )
  })

  test('has the label, and time to end', () => {
    expect(metadata.labels).toEqual({ app: 'guarded', sallyport: 'sidecar' })
    expect(spec.terminationGracePeriodSeconds).toBe(60)
  })
})

describe('the policy', () => {
  const policy = named(render('k8s/injection'), 'MutatingAdmissionPolicy', 'sallyport-sidecar')
  const labels = { sallyport: 'sidecar' }

  test('gives a pod without lists the same, with the usual ConfigMap', () => {
    const { spec } = patchedPod(policy, { metadata: { labels }, spec: { containers: [] } }) as unknown as Pod
    expect(spec.initContainers.map(withoutDefaults)).toEqual([container])
    expect(spec.volumes).toEqual(sidecarVolumes('sallyport'))
  })

  test('keeps a longer time to end', () => {
    const pod = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 300 } }
    expect(patchedPod(policy, pod).spec.terminationGracePeriodSeconds).toBe(300)
  })
})

test.each(RENDERINGS)('what %s has put in, inject leaves alone', (_, { metadata, spec }) => {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'guarded' }, spec }
  const again = parsed(injectedText(JSON.stringify(pod))) as unknown as Pod
  expect(again.spec.initContainers).toEqual(spec.initContainers)
  expect(again.spec.volumes).toEqual(spec.volumes)
})

function ofPolicy(): Pod {
  const policy = named(render('k8s/injection'), 'MutatingAdmissionPolicy', 'sallyport-sidecar')
  const { metadata, spec } = templateOf(parsed(text))
  const asking = { ...metadata.labels, sallyport: 'sidecar' }
  const { spec: patched } = patchedPod(policy, {
    metadata: { labels: { ...asking, 'sallyport-config': CONFIG_MAP } },
    spec,
  })
  return { metadata: { labels: asking }, spec: patched }
}

function templateOf({ spec }: Manifest): Pod {
  return (spec as { template: Pod }).template
}

function parsed(manifest: string): Manifest {
  return parseAllDocuments(manifest)[0]?.toJS() as Manifest
}

/** The policy has to write a default that a patch would otherwise lack. */
function withoutDefaults(gateway: Readonly<Record<string, unknown>> | undefined) {
  const ports = (gateway?.ports ?? []) as ReadonlyArray<Readonly<Record<string, unknown>>>
  return { ...gateway, ports: ports.map(({ protocol: _protocol, ...port }) => port) }
}
