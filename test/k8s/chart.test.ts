/** The Helm chart, as the real Helm lints, renders and packs it. What it refuses is in `chart-values.test.ts`. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { chartFiles } from '../../src/build/chart.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { documentAt } from '../docs/markdown.ts'
import { CHART, CI_VALUES, helm, template } from './helm.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'
import { schemaProblems } from './schema-problems.ts'

const MINIMAL = 'minimal-values.yaml'
const EVERYTHING = 'everything-values.yaml'
const EXISTING = 'existing-config-map-values.yaml'
const DECISIONS = 'decisions-values.yaml'

type Container = Readonly<Record<string, unknown>> & {
  readonly ports: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
  readonly volumeMounts: ReadonlyArray<{ readonly name: string; readonly mountPath: string }>
}

interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly terminationGracePeriodSeconds: number
  readonly volumes: ReadonlyArray<Readonly<Record<string, unknown>> & { readonly name: string }>
}

const byValues = new Map(CI_VALUES.map(values => [values, template(values)]))
const minimal = byValues.get(MINIMAL) ?? []
const everything = byValues.get(EVERYTHING) ?? []

function portOf(address: unknown): unknown {
  return typeof address === 'object' && address !== null && 'port' in address ? address.port : undefined
}

function deploymentOf(manifests: readonly Manifest[]): Manifest {
  const [deployment] = manifests.filter(({ kind }) => kind === 'Deployment')
  if (deployment === undefined) throw new Error('no Deployment')
  return deployment
}

function templateOf(manifests: readonly Manifest[]) {
  const { spec } = deploymentOf(manifests) as unknown as {
    spec: {
      template: {
        spec: PodSpec
        metadata: { labels: Record<string, string>; annotations?: Record<string, string> }
      }
    }
  }
  return spec.template
}

function gatewayOf(manifests: readonly Manifest[]): Container {
  const [gateway] = templateOf(manifests).spec.containers
  if (gateway === undefined) throw new Error('no container')
  return gateway
}

/** The configuration as the gateway would load it; what Secrets hold is not here. */
function configOf(manifests: readonly Manifest[]): Config {
  const maps = manifests.filter(({ kind }) => kind === 'ConfigMap').map(({ data }) => data as Record<string, string>)
  const text = maps.find(data => 'sallyport.yaml' in data)?.['sallyport.yaml'] ?? ''
  const env = { ISSUER: 'https://auth.example.com/' }
  return loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env, namedFiles: 'unread' })
}

test('its generated files are up to date (npm run schema)', () => {
  const stale = [...chartFiles(ROOT)].filter(([path, text]) => readFileSync(join(CHART, path), 'utf8') !== text)
  expect(stale.map(([path]) => path)).toEqual([])
})

test('it has the version of the project', () => {
  const { version, appVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'))
  expect([version, appVersion]).toEqual([packageJson.version, packageJson.version])
})

describe.each(CI_VALUES)('with %s', values => {
  const manifests = byValues.get(values) ?? []

  test('helm lint finds nothing', () => {
    const { status, stdout } = helm(['lint', '--strict', '--quiet', CHART, '-f', join(CHART, 'ci', values)])
    expect([status, stdout]).toEqual([0, expect.not.stringMatching(/ERROR|WARNING/)])
  })

  // Where the ConfigMap is somebody else's, no configuration is rendered.
  const renderings = values === EXISTING ? [] : [manifests]
  test.each(renderings)(
    'the configuration passes our own check, and listens where the manifests say',
    (...rendered) => {
      const { listen, admin, decide } = configOf(rendered)
      const ports = new Map(gatewayOf(rendered).ports.map(({ name, containerPort }) => [name, containerPort]))
      expect([listen?.address, decide?.listen.address].map(portOf)).toEqual([
        ports.get('gateway'),
        ports.get('gateway-decide'),
      ])
      expect(admin?.listen.address).toMatchObject({ port: ports.get('gateway-admin') })
    },
  )

  test('the Service leads to the gateway, and no Service to the admin port', () => {
    const services = manifests.filter(({ kind }) => kind === 'Service')
    const open = gatewayOf(manifests).ports.filter(({ name }) => name !== 'gateway-admin')
    expect(services.flatMap(({ spec }) => (spec as { ports: Array<{ targetPort: number }> }).ports)).toEqual(
      open.map(({ containerPort }) => expect.objectContaining({ targetPort: containerPort })),
    )
  })
})

test('the schemas of Kubernetes accept all that is rendered', async () => {
  const all = [...byValues.values()].flat()
  expect(new Set(all.map(({ kind }) => kind))).toEqual(
    new Set([
      ...['ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'HTTPRoute', 'Ingress', 'NetworkPolicy', 'Pod'],
      ...['PodDisruptionBudget', 'PodMonitor', 'PrometheusRule', 'Service', 'ServiceAccount'],
    ]),
  )
  expect(await schemaProblems(all)).toEqual([])
})

describe('the gateway', () => {
  const sidecarPod = (
    named(render('k8s/base'), 'Deployment', 'orders') as unknown as { spec: { template: { spec: PodSpec } } }
  ).spec.template.spec

  test('is the container of the component, but for what a pod of its own changes', () => {
    const [sidecar] = sidecarPod.initContainers ?? []
    if (sidecar === undefined) throw new Error('no sidecar')
    const { restartPolicy, lifecycle, image, ...expected } = sidecar
    expect(restartPolicy).toBe('Always')
    // The service sleeps in its own preStop while the sidecar serves. Here the gateway has to wait by itself.
    const [node, option, script = ''] = lifecycle.preStop.exec.command
    const waiting = script.replace('.end()', ".on('error', () => {}).end(); setTimeout(() => {}, 10000)")
    expect(gatewayOf(minimal)).toEqual({
      ...expected,
      image: `registry.example.com/sallyport:${packageJson.version}`,
      imagePullPolicy: 'IfNotPresent',
      lifecycle: { preStop: { exec: { command: [node, option, waiting] } } },
    })
    expect(image).toBe('registry.example.com/sallyport:0.1.0')
  })

  test('has the volumes of the component, but for the name of the ConfigMap', () => {
    const { volumes, terminationGracePeriodSeconds } = templateOf(minimal).spec
    const [config, ...others] = sidecarPod.volumes
    expect(volumes).toEqual([{ ...config, configMap: { name: 'orders-sallyport' } }, ...others])
    expect(terminationGracePeriodSeconds).toBe(sidecarPod.terminationGracePeriodSeconds)
  })

  test('has the token of the component with `clusterToken`', () => {
    const { spec } = named(render('k8s/overlays/serviceaccount-tokens'), 'Deployment', 'orders') as unknown as {
      spec: { template: { spec: PodSpec } }
    }
    const pod = spec.template.spec
    const tokens = byValues.get('cluster-tokens-values.yaml') ?? []
    const isToken = ({ name }: { name: string }) => name === 'sallyport-token'
    expect(templateOf(tokens).spec.volumes.filter(isToken)).toEqual(pod.volumes.filter(isToken))
    expect(gatewayOf(tokens).volumeMounts.filter(isToken)).toEqual(
      pod.initContainers?.[0]?.volumeMounts.filter(isToken),
    )
  })

  test('is no pod that the policy of k8s/injection would give another gateway, and one that k8s/monitoring scrapes', () => {
    expect(templateOf(minimal).metadata.labels.sallyport).toBe('gateway')
    const { labels } = templateOf(template(MINIMAL, ['podLabels={"sallyport":"sidecar","team":"orders"}'])).metadata
    expect(labels).toEqual({ ...templateOf(minimal).metadata.labels, team: 'orders' })
  })

  test('is named by its digest where one is given, and stays itself where everything is changed', () => {
    expect(gatewayOf(everything).image).toMatch(/^registry\.example\.org\/gateways\/sallyport@sha256:[0-9a-f]{64}$/)
    expect(gatewayOf(everything).securityContext).not.toHaveProperty('runAsUser')
    expect(gatewayOf(everything).volumeMounts.map(({ mountPath }) => mountPath)).toEqual([
      ...['/etc/sallyport', '/var/cache/sallyport', '/var/run/secrets/kubernetes.io/serviceaccount'],
      ...['/run/secrets/tls', '/run/secrets/sallyport', '/scratch'],
    ])
  })
})

describe('a change of the configuration', () => {
  const CHANGE = ['config.log={"level":"debug"}']

  function checksums(settings: readonly string[]): readonly unknown[] {
    return [[], CHANGE].map(
      change => templateOf(template(MINIMAL, [...settings, ...change])).metadata.annotations?.['checksum/config'],
    )
  }

  test('is a rollout with `reload: checksum`', () => {
    const [before, after] = checksums(['reload="checksum"'])
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    expect(after).not.toBe(before)
  })

  test('is a reload without', () => {
    const [before, after] = [[], CHANGE].map(change => deploymentOf(template(MINIMAL, change)))
    expect(after).toEqual(before)
  })
})

test('numbers and words of the configuration arrive as they were written', () => {
  const config = configOf(everything)
  expect(config.tokenCache.entries).toBe(1_000_000)
  expect(config.upstreams.app?.connections).toBe(100_000)
  expect(config.routes.map(({ id, cors }) => [id, cors])).toEqual([
    ['health', 'off'],
    ['orders', undefined],
  ])
})

test('rules, dashboard and the labels of metrics are those of k8s/monitoring', () => {
  const monitoring = render('k8s/monitoring')
  const rules = parse(readFileSync(join(ROOT, 'k8s/monitoring/prometheus-rule.yaml'), 'utf8'))
  expect(named(everything, 'PrometheusRule', 'orders-gate').spec).toEqual(rules.spec)
  const dashboard = named(everything, 'ConfigMap', 'orders-gate-dashboard')
  expect(dashboard.data).toEqual(named(monitoring, 'ConfigMap', 'sallyport-dashboard').data)
  expect(dashboard.metadata.labels).toMatchObject({ grafana_dashboard: '1' })
  const endpointsOf = ({ spec }: Manifest) => (spec as { podMetricsEndpoints: object[] }).podMetricsEndpoints
  const [endpoint] = endpointsOf(named(monitoring, 'PodMonitor', 'sallyport'))
  expect(endpointsOf(named(everything, 'PodMonitor', 'orders-gate'))).toEqual([{ ...endpoint, interval: '15s' }])
})

describe('the network policies', () => {
  function policy(manifests: readonly Manifest[], name: string) {
    const { spec } = named(manifests, 'NetworkPolicy', name) as unknown as {
      spec: { podSelector: object; ingress: Array<{ ports: Array<{ port: number }>; from?: object[] }> }
    }
    return spec
  }

  test('let everybody reach the gateway, and Prometheus alone the admin port', () => {
    expect(
      policy(minimal, 'orders-sallyport').ingress.map(({ ports, from }) => [ports[0]?.port, from?.length]),
    ).toEqual([
      [8080, undefined],
      [9090, 1],
    ])
  })

  test('let nobody reach the admin port when nobody is named', () => {
    const manifests = template(MINIMAL, ['networkPolicy.metricsFrom=[]'])
    expect(policy(manifests, 'orders-sallyport').ingress.map(({ ports }) => ports[0]?.port)).toEqual([8080])
  })

  test('let the proxy that asks reach the port for that, and nobody the port of a gateway that forwards nothing', () => {
    const { ingress } = policy(byValues.get(DECISIONS) ?? [], 'orders-sallyport')
    const proxy = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'envoy' } } }
    expect(ingress.map(({ ports, from }) => [ports[0]?.port, from])).toEqual([
      [8081, [proxy]],
      [9090, expect.anything()],
    ])
    const both = template(DECISIONS, ['config.listen="0.0.0.0:8080"', 'networkPolicy.decideFrom=[]'])
    expect(policy(both, 'orders-sallyport').ingress.map(({ ports, from }) => [ports[0]?.port, from?.length])).toEqual([
      [8080, undefined],
      [8081, undefined],
      [9090, 1],
    ])
  })

  test('let nobody but the gateway reach the service', () => {
    const { matchLabels } = (deploymentOf(everything).spec as { selector: { matchLabels: object } }).selector
    const { podSelector, ingress } = policy(everything, 'orders-gate-protected')
    expect(podSelector).toEqual({ matchLabels: { 'app.kubernetes.io/name': 'orders' } })
    expect(ingress).toEqual([{ from: [{ podSelector: { matchLabels } }], ports: [{ protocol: 'TCP', port: 3000 }] }])
  })

  test('let `helm test` in where few may come in', () => {
    const { labels } = named(everything, 'Pod', 'orders-gate-doctor').metadata
    const [from] = policy(everything, 'orders-gate').ingress.map(each => each.from ?? [])
    const admitted = from?.map(each => (each as { podSelector?: { matchLabels: object } }).podSelector?.matchLabels)
    expect(labels).toMatchObject(admitted?.find(each => each !== undefined) ?? { nobody: 'is let in' })
  })
})

describe('the notes', () => {
  function notes(values: string, settings: readonly string[] = []): string {
    const more = settings.flatMap(setting => ['--set-json', setting])
    const { stdout } = helm(['install', '--dry-run=client', 'orders', CHART, '-f', join(CHART, 'ci', values), ...more])
    return stdout.slice(stdout.indexOf('\nNOTES:'))
  }

  test('warn of the ways past the gateway, and of an image that can be moved', () => {
    expect(notes(MINIMAL)).toContain('NOTHING KEEPS OTHERS FROM CALLING THE SERVICE DIRECTLY')
    expect(notes(MINIMAL)).toContain('set `image.digest`')
    expect(notes(EVERYTHING)).not.toMatch(/NOTHING KEEPS|image\.digest|trustedProxies/)
  })

  test('say where the proxy asks', () => {
    expect(notes(DECISIONS)).toContain('The proxy (envoy) asks http://orders-sallyport.default:8081/decide')
    expect(notes(DECISIONS)).not.toContain('callers use')
    expect(notes(MINIMAL)).not.toContain('/decide')
  })

  test('name the proxies that have to be trusted', () => {
    expect(notes(MINIMAL, ['ingress={"enabled":true,"hosts":["a.example"]}'])).toContain('config.listen.trustedProxies')
  })
})

const folder = mkdtempSync(join(tmpdir(), 'sallyport-chart-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('the values that the document shows are rendered', () => {
  const shown = documentAt('k8s/README.md').blocks.find(({ text }) => text.startsWith('image:'))?.text ?? ''
  const file = join(folder, 'values.yaml')
  writeFileSync(file, shown.replace('sha256:…', `sha256:${'0'.repeat(64)}`))
  const { status, stdout } = helm(['template', 'orders', CHART, '-f', file])
  expect([status, stdout]).toEqual([0, expect.stringContaining('name: orders-sallyport-protected')])
})

describe('the package', () => {
  test('renders what the folder renders, and holds no values of tests', () => {
    expect(helm(['package', CHART, '-d', folder])).toMatchObject({ status: 0 })
    const archive = join(folder, `sallyport-${packageJson.version}.tgz`)
    const { stdout } = helm(['template', 'orders', archive, '-f', join(CHART, 'ci', EVERYTHING)])
    expect(stdout).toBe(helm(['template', 'orders', CHART, '-f', join(CHART, 'ci', EVERYTHING)]).stdout)
    const files = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' })
    expect(files).toContain('sallyport/files/prometheus-rule.yaml')
    expect(files).not.toContain('/ci/')
  })

  test('is the same when it is packed again', () => {
    const [one, two] = ['one', 'two'].map(name => {
      expect(helm(['package', CHART, '-d', join(folder, name)])).toMatchObject({ status: 0 })
      return readFileSync(join(folder, name, `sallyport-${packageJson.version}.tgz`))
    })
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true)
  })
})
