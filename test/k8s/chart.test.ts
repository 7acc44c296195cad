/** The Helm chart, as the real Helm lints, renders and packs it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { chartFiles } from '../../src/build/chart.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { PRESETS, type PresetName } from '../../src/tools/init/presets.ts'
import { starterFile } from '../../src/tools/init/starter-file.ts'
import { documentAt } from '../docs/markdown.ts'
import { CHART, CI_VALUES, complaint, helm, template } from './helm.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'
import { schemaProblems } from './schema-problems.ts'

const MINIMAL = 'minimal-values.yaml'
const EVERYTHING = 'everything-values.yaml'
const EXISTING = 'existing-config-map-values.yaml'

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

  test.skipIf(values === EXISTING)(
    'the configuration passes our own check, and listens where the manifests say',
    () => {
      const { listen, admin } = configOf(manifests)
      const ports = new Map(gatewayOf(manifests).ports.map(({ name, containerPort }) => [name, containerPort]))
      expect(listen.address).toMatchObject({ port: ports.get('gateway') })
      expect(admin?.listen.address).toMatchObject({ port: ports.get('gateway-admin') })
    },
  )

  test('the Service leads to the gateway, and no Service to the admin port', () => {
    const services = manifests.filter(({ kind }) => kind === 'Service')
    const [gateway] = gatewayOf(manifests).ports
    expect(services.flatMap(({ spec }) => (spec as { ports: Array<{ targetPort: number }> }).ports)).toEqual([
      expect.objectContaining({ targetPort: gateway?.containerPort }),
    ])
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

describe('a configuration that is good elsewhere', () => {
  test.each(Object.keys(PRESETS) as readonly PresetName[])(
    'of `sallyport init --preset %s` can stand in the values',
    preset => {
      const config = parse(starterFile({ preset, upstream: 'http://orders' }))
      expect(
        complaint(EXISTING, ['existingConfigMap=""', 'clusterToken.enabled=true', `config=${JSON.stringify(config)}`]),
      ).toBe('nothing')
    },
  )

  const files = readdirSync(join(ROOT, 'config')).filter(name => name.endsWith('.yaml') && name !== 'revoked.yaml')

  test.each(files)('is accepted by the schema of the values: config/%s', name => {
    const config = parse(readFileSync(join(ROOT, 'config', name), 'utf8'))
    // The examples listen on loopback, or have their service there.
    const said = complaint(EXISTING, ['existingConfigMap=""', `config=${JSON.stringify(config)}`])
    expect(said).toMatch(/^nothing$|: config\.[\w.]+ is /)
  })
})

describe('a slip', () => {
  const SLIPS = [
    ['in the configuration', 'config.routes=[{"id":"a","path":"/","acces":"public"}]', "'acces' not allowed"],
    [
      'in a provider',
      'config.providers.main.audience="x"',
      "'/config/providers/main': additional properties 'audience'",
    ],
    ['in a word of the configuration', 'config.log={"level":"loud"}', "value must be one of 'trace', 'debug'"],
    ['in the name of a value', 'replica=3', "additional properties 'replica' not allowed"],
    ['in the name of a value in a block', 'image.pullpolicy="Always"', "'/image': additional properties 'pullpolicy'"],
    ['in the type of a value', 'replicas="two"', "'/replicas': got string, want integer"],
    ['in a digest', 'image.digest="sha256:1234"', "'/image/digest': 'sha256:1234' does not match pattern"],
    ['`off` without quotes', 'config.cors=false', "'/config/cors': got boolean"],
  ] as const
  // All at once, since each run of Helm takes its time: it names whatever it finds.
  const settings = SLIPS.map(([, setting]) => setting)
  const lint = helm([
    'lint',
    CHART,
    '-f',
    join(CHART, 'ci', MINIMAL),
    ...settings.flatMap(each => ['--set-json', each]),
  ])
  const rendering = complaint(MINIMAL, settings)

  test.each(SLIPS)('%s is named by lint and by template', (_, _setting, expected) => {
    expect([lint.status, lint.stdout]).toEqual([1, expect.stringContaining(expected)])
    expect(rendering).toContain(expected)
  })

  test('that is the only one is refused', () => {
    expect(complaint(MINIMAL, [SLIPS[0][1]])).toContain(SLIPS[0][2])
  })

  test('nothing at all is refused', () => {
    expect(complaint(EXISTING, ['existingConfigMap=""'])).toContain("'/config': missing properties 'listen', 'routes'")
  })
})

describe('what cannot work, or is not safe, fails with a sentence', () => {
  test.each([
    [
      MINIMAL,
      'ports.gateway=8081',
      'config.listen is 0.0.0.0:8080, but ports.gateway is 8081. Give both the same port.',
    ],
    [
      MINIMAL,
      'config.listen="127.0.0.1:8080"',
      'config.listen is 127.0.0.1:8080, which is loopback, but the Service comes',
    ],
    [MINIMAL, 'config.listen="unix:/run/s.sock"', 'config.listen is unix:/run/s.sock, but the Service comes'],
    [MINIMAL, 'config.listen={"address":"0.0.0.0:1"}', 'config.listen is 0.0.0.0:1, but ports.gateway is 8080.'],
    [MINIMAL, 'config.admin={"listen":"localhost:9090"}', 'config.admin.listen is localhost:9090, which is loopback'],
    [MINIMAL, 'config.admin={"listen":{"address":"0.0.0.0:90"}}', 'config.admin.listen is 0.0.0.0:90, but ports.admin'],
    [MINIMAL, 'ports.admin=8080', 'The admin port can drain the pod and must not be the one of the Service.'],
    [MINIMAL, 'config.upstreams.app="http://127.0.0.1:3000"', 'config.upstreams.app is http://127.0.0.1:3000, but'],
    [MINIMAL, 'config.upstreams.app={"url":"h2c://localhost"}', 'config.upstreams.app is h2c://localhost, but'],
    [MINIMAL, 'existingConfigMap="mine"', 'Both `config` and `existingConfigMap: mine` are given.'],
    ['cluster-tokens-values.yaml', 'clusterToken.enabled=false', 'Set clusterToken.enabled to true.'],
    [MINIMAL, 'config.providers.main.keys={"cacheFile":"/tmp/k.json"}', 'Put it below /var/cache/sallyport.'],
    [MINIMAL, 'config.drain={"timeout":"1m"}', 'together must be less than terminationGracePeriodSeconds (60)'],
    [MINIMAL, 'autoscaling={"enabled":true,"minReplicas":20}', 'autoscaling.minReplicas is more than'],
    [MINIMAL, 'httpRoute.enabled=true', 'httpRoute.enabled needs httpRoute.parentRefs: name the Gateway.'],
    [MINIMAL, 'ingress.enabled=true', 'ingress.enabled needs ingress.hosts'],
    [MINIMAL, 'protectedPods.ports=[3000]', 'an empty one would select all pods of the namespace.'],
    [
      MINIMAL,
      'protectedPods.podSelector={"matchLabels":{"a":"b"}}',
      'protectedPods.podSelector needs protectedPods.ports',
    ],
  ])('%s with %s', (values, setting, sentence) => {
    expect(complaint(values, [setting])).toContain(sentence)
  })

  test('a configuration without an admin listener', () => {
    const config = '{"listen":"0.0.0.0:8080","routes":[{"id":"all","path":"/**","access":"public"}]}'
    expect(complaint(EXISTING, ['existingConfigMap=""', `config=${config}`])).toContain(
      'config.admin.listen is missing. The probes of Kubernetes ask it: set it to 0.0.0.0:9090.',
    )
  })

  test('but not what only the environment knows', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a reference to the environment.
    expect(complaint(MINIMAL, ['config.listen="0.0.0.0:${PORT}"'])).toBe('nothing')
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

test('every value of values.yaml is in the schema, and the other way round', () => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'))
  const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'))
  const { global: _helms, ...described } = schema.properties
  expect(Object.keys(values).toSorted()).toEqual(Object.keys(described).toSorted())
  for (const [key, value] of Object.entries<Record<string, unknown>>(values)) {
    const { properties } = described[key]
    const isFree = ['podSelector', 'resources'].includes(key) || properties === undefined
    if (!isFree) expect(Object.keys(value).toSorted(), key).toEqual(Object.keys(properties).toSorted())
  }
})
