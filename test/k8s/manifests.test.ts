/** The manifests of `k8s/`, as `kubectl apply -k` would send them. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { PRESETS, type PresetName } from '../../src/tools/init/presets.ts'
import { starterFile } from '../../src/tools/init/starter-file.ts'
import { documentAt } from '../docs/markdown.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'
import { schemaProblems } from './schema-problems.ts'

interface Container {
  readonly name: string
  readonly image: string
  readonly restartPolicy?: string
  readonly ports?: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
  readonly lifecycle?: { readonly preStop: Readonly<Record<string, unknown>> }
  readonly securityContext?: Readonly<Record<string, unknown>>
  readonly volumeMounts?: ReadonlyArray<{
    readonly name: string
    readonly mountPath: string
    readonly subPath?: string
  }>
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: number } }
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes?: ReadonlyArray<{ readonly name: string; readonly configMap?: { readonly name: string } }>
}

const base = render('k8s/base')
const monitoring = render('k8s/monitoring')
const injection = render('k8s/injection')
const anyone = render('test/k8s/anyone')
/** `overlays.test.ts` says what each of them adds. */
const OVERLAYS = ['autoscaling', 'http-route', 'ingress', 'serviceaccount-tokens']
const withSecrets = render('test/k8s/with-secrets')

function podOf(deployment: Manifest): PodSpec & { readonly labels: Readonly<Record<string, string>> } {
  const { template } = deployment.spec as { template: { metadata: { labels: Record<string, string> }; spec: PodSpec } }
  return { ...template.spec, labels: template.metadata.labels }
}

function gatewayOf(deployment: Manifest): Container {
  const gateway = podOf(deployment).initContainers?.find(({ name }) => name === 'sallyport')
  if (gateway === undefined) throw new Error(`no gateway in ${deployment.metadata.name}`)
  return gateway
}

const service = named(base, 'Deployment', 'orders')

describe('the schemas of Kubernetes', () => {
  test('every kustomization of k8s/ is rendered here', () => {
    const folders = readdirSync(join(ROOT, 'k8s'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('kustomization.yaml'))
      .map(path => path.slice(0, -'/kustomization.yaml'.length))
    // The components come with `base`, with `anyone`, and with `overlays/serviceaccount-tokens`.
    expect(folders.toSorted()).toEqual([
      'base',
      'components/cluster-token',
      'components/network-policy',
      'components/sidecar',
      'injection',
      'monitoring',
      ...OVERLAYS.map(name => `overlays/${name}`),
    ])
  })

  test('accept all manifests', async () => {
    const overlays = OVERLAYS.flatMap(name => render(`k8s/overlays/${name}`))
    expect(
      await schemaProblems([...base, ...monitoring, ...injection, ...anyone, ...withSecrets, ...overlays]),
    ).toEqual([])
  })

  test('would refuse a field that does not exist, a missing one, and a wrong value', async () => {
    const [deployment] = [structuredClone(service)] as unknown as [{ spec: Record<string, unknown> } & Manifest]
    Object.assign(podOf(deployment).containers[0] ?? {}, { imagee: 'slip' })
    expect((await schemaProblems([deployment])).join('\n')).toMatch(/imagee.* does not exist in type 'IContainer'/)
    const policy = structuredClone(named(injection, 'MutatingAdmissionPolicy', 'sallyport-sidecar'))
    Object.assign(policy.spec as object, { failPolicy: 'Fail' })
    expect((await schemaProblems([policy])).join('\n')).toMatch(/failPolicy.* does not exist in type/)
    const monitor = structuredClone(named(monitoring, 'PodMonitor', 'sallyport'))
    delete (monitor.spec as { selector?: unknown }).selector
    expect((await schemaProblems([monitor])).join('\n')).toContain('selector')
  })
})

describe('a configuration that `sallyport init` writes', () => {
  const written = (preset: PresetName): Config =>
    loadConfig({ text: starterFile({ preset }), file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })

  const presets = Object.keys(PRESETS) as readonly PresetName[]

  test.each(presets)('listens where the probes ask: %s', preset => {
    const { listen, admin } = written(preset)
    const { ports = [] } = gatewayOf(service)
    const portOf = (name: string) => ports.find(port => port.name === name)?.containerPort
    expect(listen?.address).toEqual({ host: '0.0.0.0', port: portOf('gateway') })
    expect(admin?.listen.address).toEqual({ host: '0.0.0.0', port: portOf('gateway-admin') })
  })

  test.each(presets)('answers the probes of the service, finds it, and stops in time: %s', preset => {
    const { admin, upstreams, drain } = written(preset)
    const [app] = podOf(service).containers
    const probes = [app?.startupProbe, app?.readinessProbe, app?.livenessProbe].map(probe => probe?.httpGet.path)
    expect(admin?.appProbes.map(({ path }) => `/-/app${path}`)).toEqual([...new Set(probes)])
    expect(upstreams.app?.url.origin).toBe('http://127.0.0.1:3000')
    expect(drain.timeout / 1000 + 10).toBeLessThan(podOf(service).terminationGracePeriodSeconds)
  })
})

describe.each([
  ['the example service', service],
  ['anyone’s Deployment with the label', named(anyone, 'Deployment', 'team-guarded')],
])('%s', (_, deployment) => {
  const pod = podOf(deployment)
  const gateway = gatewayOf(deployment)

  test('gets the gateway as a native sidecar, before the containers that were there', () => {
    expect(gateway.restartPolicy).toBe('Always')
    expect(pod.labels.sallyport).toBe('sidecar')
    expect(pod.containers.map(({ name }) => name)).not.toContain('sallyport')
  })

  test('its gateway meets Pod Security "restricted" by itself', () => {
    expect(gateway.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
  })

  test('reloads its policy: the ConfigMap is mounted whole', () => {
    const mount = gateway.volumeMounts?.find(({ mountPath }) => mountPath === '/etc/sallyport')
    expect(mount).toBeDefined()
    expect(mount?.subPath).toBeUndefined()
    const configMap = pod.volumes?.find(({ name }) => name === mount?.name)?.configMap?.name
    const manifests = deployment === service ? base : anyone
    expect(named(manifests, 'ConfigMap', configMap ?? '').data).toHaveProperty(['sallyport.yaml'])
  })

  test('its startup and liveness ask for nothing but the process, its readiness for more', () => {
    expect(gateway.startupProbe?.httpGet).toEqual({ path: '/livez', port: 9090 })
    expect(gateway.livenessProbe?.httpGet).toEqual({ path: '/livez', port: 9090 })
    expect(gateway.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 9090 })
  })
})

test('a Deployment without the label stays as it is, and what a pod had stays', () => {
  expect(podOf(named(anyone, 'Deployment', 'team-open')).initContainers).toBeUndefined()
  const guarded = podOf(named(anyone, 'Deployment', 'team-guarded'))
  expect(guarded.initContainers?.map(({ name }) => name)).toEqual(['sallyport', 'migrate'])
  expect(guarded.volumes?.map(({ name }) => name)).toContain('data')
})

test('the secrets of sessions are mounted for the gateway alone, as the document shows', () => {
  const shown = documentAt('k8s/README.md').blocks.find(({ text }) => text.startsWith('patches:'))?.text ?? ''
  const { patches } = parse(readFileSync(join(ROOT, 'test/k8s/with-secrets/kustomization.yaml'), 'utf8'))
  expect(parse(shown)).toEqual({ patches })
  const deployment = named(withSecrets, 'Deployment', 'team-guarded')
  const { containers, volumes } = podOf(deployment)
  const mountsOf = ({ volumeMounts = [] }: Container) => volumeMounts.map(({ mountPath }) => mountPath)
  expect(mountsOf(gatewayOf(deployment))).toContain('/run/secrets/sallyport')
  expect(containers.flatMap(mountsOf)).toEqual(['/data'])
  expect(volumes).toContainEqual({ name: 'sallyport-secrets', secret: { secretName: 'sallyport' } })
  expect(podOf(named(withSecrets, 'Deployment', 'team-open')).volumes).toBeUndefined()
})

describe('the example service', () => {
  const text = (named(base, 'ConfigMap', 'sallyport').data as Record<string, string>)['sallyport.yaml'] ?? ''
  const config = loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env: {} })
  const [app] = podOf(service).containers
  const ports = new Map(gatewayOf(service).ports?.map(({ name, containerPort }) => [name, containerPort]))

  test('its policy loads, and listens where the manifests say', () => {
    expect(config.listen?.address).toEqual({ host: '0.0.0.0', port: ports.get('gateway') })
    expect(config.admin?.listen.address).toEqual({ host: '0.0.0.0', port: ports.get('gateway-admin') })
  })

  test('the Service leads to the gateway, by number', () => {
    const { spec } = named(base, 'Service', 'orders') as unknown as { spec: { ports: unknown[] } }
    expect(spec.ports).toEqual([expect.objectContaining({ targetPort: ports.get('gateway') })])
  })

  test('the service listens where the gateway looks for it, on loopback', () => {
    expect(config.upstreams.app?.url.origin).toBe('http://127.0.0.1:3000')
    expect(JSON.stringify(app)).toContain('-listen=127.0.0.1:3000')
    expect(app?.ports).toBeUndefined()
  })

  test.each(['startupProbe', 'readinessProbe', 'livenessProbe'] as const)(
    'its %s goes through a listed probe',
    name => {
      const { path, port } = app?.[name]?.httpGet ?? {}
      expect(port).toBe(ports.get('gateway-admin'))
      expect(config.admin?.appProbes.map(probe => `/-/app${probe.path}`)).toContain(path)
    },
  )

  test('what stops after one another fits into the grace period', () => {
    const { sleep } = (app?.lifecycle?.preStop ?? {}) as { sleep: { seconds: number } }
    const { terminationGracePeriodSeconds } = podOf(service)
    expect(sleep.seconds + config.drain.timeout / 1000).toBeLessThan(terminationGracePeriodSeconds)
  })
})

test('the policy that injects runs the image that the example runs', () => {
  expect(readFileSync(join(ROOT, 'k8s/injection/mutating-admission-policy.yaml'), 'utf8')).toContain(
    `"'${gatewayOf(service).image}'"`,
  )
})

test('NetworkPolicy and PodMonitor select the pods with the gateway, and its ports', () => {
  const labels = { matchLabels: { sallyport: 'sidecar' } }
  for (const manifests of [base, anyone]) {
    const policy = manifests.find(({ kind }) => kind === 'NetworkPolicy')?.spec as {
      podSelector: unknown
      ingress: Array<{ from?: unknown[]; ports: Array<{ port: number }> }>
    }
    expect(policy.podSelector).toEqual(labels)
    const admin = policy.ingress.filter(({ ports }) => ports.some(({ port }) => port === 9090))
    expect(admin.map(({ from }) => from?.length)).toEqual([1])
  }
  const monitor = named(monitoring, 'PodMonitor', 'sallyport').spec as {
    selector: unknown
    podMetricsEndpoints: Array<{ port: string }>
  }
  expect(monitor.selector).toEqual({
    matchExpressions: [{ key: 'sallyport', operator: 'In', values: ['sidecar', 'gateway'] }],
  })
  expect(gatewayOf(service).ports?.map(({ name }) => name)).toContain(monitor.podMetricsEndpoints[0]?.port)
})
