/** What the Helm chart takes as values: every good configuration, no slip, and nothing that cannot work. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { PRESETS, type PresetName } from '../../src/tools/init/presets.ts'
import { starterFile } from '../../src/tools/init/starter-file.ts'
import { CHART, complaint, helm } from './helm.ts'
import { ROOT } from './kustomize.ts'

const MINIMAL = 'minimal-values.yaml'
const EXISTING = 'existing-config-map-values.yaml'
const DECISIONS = 'decisions-values.yaml'

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

  const others = ['revoked.yaml', 'team-orders.yaml', 'compose.yaml']
  const files = readdirSync(join(ROOT, 'config')).filter(name => name.endsWith('.yaml') && !others.includes(name))

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
    const found = complaint(EXISTING, ['existingConfigMap=""'])
    expect(found).toContain("'/config': missing property 'listen'")
    expect(found).toContain("'/config': missing property 'routes'")
  })
})

describe('what cannot work, or is not safe, fails with a sentence', () => {
  test.each([
    [
      DECISIONS,
      'config.decide={"caller":"envoy","listen":"0.0.0.0:8081"}',
      'config.decide.trustedProxies is missing, so that nobody outside the pod may ask.',
    ],
    [DECISIONS, 'config.decide.listen="127.0.0.1:8081"', 'config.decide.listen is 127.0.0.1:8081, which is loopback'],
    [DECISIONS, 'ports.decide=8082', 'config.decide.listen is 0.0.0.0:8081, but ports.decide is 8082.'],
    [DECISIONS, 'ports.decide=9090', 'Give the proxy that asks a port of its own.'],
    [DECISIONS, 'service.port=8081', 'ports.decide is also service.port.'],
    [
      DECISIONS,
      'ingress={"enabled":true,"hosts":["a.example"]}',
      'lead traffic to the gateway, which forwards none without config.listen.',
    ],
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
