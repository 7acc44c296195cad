/** Tests what becomes of manifests: real ones first, then what cannot be injected, then each thing that is put in. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { type Manifest, named } from '../../k8s/kustomize.ts'
import { schemaProblems } from '../../k8s/schema-problems.ts'
import { injected, injectedText } from './injected.ts'

interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> }
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly containers: readonly Container[]
    readonly initContainers: readonly Container[]
    readonly volumes: ReadonlyArray<{ readonly name: string; readonly configMap?: unknown }>
  }
}

type Container = Readonly<Record<string, unknown>> & { readonly name: string }

const ASKING = { services: 'led', appPorts: undefined } as const
const WORKLOADS = {
  'helm.yaml': ASKING,
  'stateful-set.yaml': { ...ASKING, appPorts: [3000] },
  'cron-job.yaml': ASKING,
  'list-in-json.yaml': ASKING,
  'flow.yaml': ASKING,
} as const

const source = (name: string): string => readFileSync(new URL(`../../k8s/workloads/${name}`, import.meta.url), 'utf8')

/** All objects of a text, those of lists among them. */
function objectsIn(text: string): readonly Manifest[] {
  const values = parseAllDocuments(text, { merge: true }).map(document => document.toJS() as Manifest | null)
  return values.flatMap(value => (value === null ? [] : ((value.items as Manifest[] | undefined) ?? [value])))
}

function templateIn(text: string, kind: string, name: string): Template {
  const { spec } = named(objectsIn(text), kind, name) as unknown as {
    spec: { template: Template; jobTemplate?: { spec: { template: Template } } }
  }
  return spec.jobTemplate?.spec.template ?? spec.template
}

/** A pod in block style, with further lines for its container and its spec. */
function pod(container: readonly string[] = [], spec: readonly string[] = [], labels = ''): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: one, labels: { app: one${labels} } }
spec:
  containers:
    - name: app
      image: app
${container.map(line => `      ${line}\n`).join('')}${spec.map(line => `  ${line}\n`).join('')}`
}

describe.each(Object.entries(WORKLOADS))('%s', (name, options) => {
  const text = source(name)
  const result = injectedText(text, options)

  test('has a gateway in each pod', () => {
    const workloads = objectsIn(result).filter(({ kind }) => /Deployment|Set|Job/.test(kind))
    expect(workloads.length).toBeGreaterThan(0)
    for (const { kind, metadata } of workloads) {
      const { labels } = templateIn(result, kind, metadata.name).metadata
      const { initContainers, volumes, containers } = templateIn(result, kind, metadata.name).spec
      expect(labels.sallyport).toBe('sidecar')
      expect(initContainers[0]).toMatchObject({ name: 'sallyport', restartPolicy: 'Always' })
      expect(volumes.map(each => each.name)).toEqual(expect.arrayContaining(['sallyport-config', 'sallyport-cache']))
      for (const { lifecycle } of containers) expect(lifecycle).toHaveProperty('preStop')
    }
  })

  test('is the same when it is injected again', () => {
    expect(injectedText(result, options)).toBe(result)
    expect(injected(result, options).changes).toEqual([])
  })

  test('has its comments, and all of its lines that say nothing else now', () => {
    const comments = (each: string) => each.match(/(?<=\s|^)#.*$/gm) ?? []
    expect(comments(result)).toEqual(comments(text))
    const kept = text
      .split('\n')
      .filter(line => !/port"?:|path"?:|targetPort|volumes:|labels:|terminationGrace|[{}]/.test(line))
    const lines = result.split('\n')
    let at = 0
    for (const line of kept) {
      at = lines.indexOf(line, at) + 1
      expect(at, line).toBeGreaterThan(0)
    }
  })
})

test('the schemas of Kubernetes accept what comes out', async () => {
  const results = Object.entries(WORKLOADS).map(([name, options]) => injectedText(source(name), options))
  expect(await schemaProblems(results.flatMap(objectsIn))).toEqual([])
})

describe('a stateful set with anchors', () => {
  const result = injectedText(source('stateful-set.yaml'), WORKLOADS['stateful-set.yaml'])
  const { metadata, spec } = templateIn(result, 'StatefulSet', 'ledger')
  const [app] = spec.containers

  test('selects as before, although its labels were an alias of the selector', () => {
    const { selector } = named(objectsIn(result), 'StatefulSet', 'ledger').spec as { selector: unknown }
    expect(selector).toEqual({ matchLabels: { app: 'ledger', tier: 'web' } })
    expect(metadata.labels).toEqual({ app: 'ledger', tier: 'web', sallyport: 'sidecar' })
  })

  test('has probes by way of the gateway, with the periods that they had', () => {
    const httpGet = { path: '/-/app/healthz', port: 9090 }
    expect(app?.livenessProbe).toEqual({ httpGet, periodSeconds: 5 })
    expect(app?.readinessProbe).toEqual({ httpGet, periodSeconds: 5 })
    expect(app?.startupProbe).toEqual({ httpGet, periodSeconds: 5, failureThreshold: 30 })
  })

  test('keeps its longer time to end, its own hook and its own init container', () => {
    expect(spec.terminationGracePeriodSeconds).toBe(120)
    expect(app?.lifecycle).toEqual({ preStop: { exec: { command: ['/bin/flush'] } } })
    expect(spec.initContainers.map(({ name }) => name)).toEqual(['sallyport', 'migrate'])
    const { notes } = injected(source('stateful-set.yaml'), WORKLOADS['stateful-set.yaml'])
    expect(notes.map(({ line, message }) => `${line}: ${message}`)).toContainEqual(
      expect.stringMatching(/^41: StatefulSet ledger: container ledger keeps its own preStop; it should last 10 s/),
    )
  })

  test('has a Service that leads to the gateway, and is told of the port that does not', () => {
    const { spec: service } = named(objectsIn(result), 'Service', 'ledger') as unknown as { spec: { ports: unknown[] } }
    expect(service.ports).toEqual([
      { name: 'web', port: 80, targetPort: 8080 },
      { name: 'metrics', port: 9100 },
    ])
    const { notes } = injected(source('stateful-set.yaml'), WORKLOADS['stateful-set.yaml'])
    expect(notes.map(({ message }) => message).filter(message => message.startsWith('Service'))).toEqual([
      expect.stringContaining('headless'),
      expect.stringContaining('this port leads past the gateway, to 9100 of StatefulSet ledger'),
    ])
  })

  test('needs to be told the port of the service, once for each probe and Service', () => {
    const { problems, text } = injected(source('stateful-set.yaml'), ASKING)
    expect(text).toBe(source('stateful-set.yaml'))
    expect(problems.map(({ line, message }) => `${line} ${/--port \d+/.exec(message)}`)).toEqual([
      '34 --port 3000',
      '34 --port 3000',
      '37 --port 3000',
      '65 --port 3000',
      '66 --port 9100',
    ])
  })
})

test('numbers that JavaScript cannot hold stay as they are', () => {
  expect(injectedText(source('list-in-json.yaml'))).toContain('"generation": 9007199254740993,')
})

test('JSON stays JSON, and a probe there keeps what the API server filled in', () => {
  const list = JSON.parse(injectedText(source('list-in-json.yaml'))) as {
    items: Array<{ spec: { template: Template } }>
  }
  expect(list.items[0]?.spec.template.spec.containers[0]?.readinessProbe).toEqual({
    failureThreshold: 3,
    httpGet: { path: '/-/app/', port: 9090, scheme: 'HTTP' },
    periodSeconds: 10,
    successThreshold: 1,
    timeoutSeconds: 1,
  })
})

describe('what cannot be injected', () => {
  const template = 'spec: { template: { spec: { containers: [{ image: app }] } } }'
  const gateway = (lines: readonly string[], volume = 'configMap: { name: sallyport }'): string =>
    pod(
      [],
      [
        'initContainers:',
        '  - name: sallyport',
        ...lines.map(line => `    ${line}`),
        `volumes: [{ name: sallyport-config, ${volume} }]`,
      ],
    )
  const RUN = 'args: [run, -c, /etc/sallyport/sallyport.yaml]'
  test.each<readonly [string, string, number, RegExp]>([
    ['a gateway that runs something else', gateway(['command: [sleep]', RUN]), 10, /`command` runs something else/],
    [
      'a gateway with two configurations',
      gateway(['args: [run, -c, /etc/sallyport/sallyport.yaml, --config=/tmp/x]']),
      10,
      /named twice here/,
    ],
    [
      'a gateway whose configuration never changes',
      gateway([RUN, 'volumeMounts: [{ name: sallyport-config, mountPath: /etc/sallyport, subPath: a }]']),
      11,
      /subPath/,
    ],
    ['a gateway without a configuration', gateway([RUN], 'emptyDir: {}'), 11, /holds no configuration/],
    [
      'a kind that has one container and no list',
      'apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates: [{ container: { image: x }, daemon: true }]\n',
      4,
      /Workflow/,
    ],
    [
      'a kind that is called a list and is none',
      `apiVersion: x.io/v1\nkind: BlockList\nitems: []\n${template}\n`,
      4,
      /BlockList/,
    ],
    ['the network of the node', pod([], ['hostNetwork: true']), 8, /reaches the service's loopback, past the gateway/],
    ['the network of the node, as YAML 1.1 says yes', pod([], ['hostNetwork: yes']), 8, /hostNetwork/],
    ['a port of the gateway', pod(['ports: [{ containerPort: 8080 }]']), 8, /app has port 8080.*`listen`.*-c FILE/],
    ['the admin port', pod(['ports:', '  - containerPort: 9090']), 9, /app has port 9090.*`admin.listen`/],
    [
      'the name of a port of the gateway',
      pod(['ports: [{ name: gateway-admin, containerPort: 1 }]']),
      8,
      /name this one otherwise/,
    ],
    ['a container of our name', pod().replace('name: app', 'name: sallyport'), 6, /has its name; remove it if/],
    ['an init container of our name', pod([], ['initContainers: [{ name: sallyport, image: x }]']), 8, /rename it/],
    ['a volume of our name', pod([], ['volumes: [{ name: sallyport-config, emptyDir: {} }]']), 8, /rename it/],
    ['the label with another value', pod([], [], ', sallyport: x'), 3, /has another value here; remove it/],
    ['Windows', pod([], ['os: { name: windows }']), 4, /for Linux/],
    [
      'a probe by TCP',
      pod(['livenessProbe: { tcpSocket: { port: 3000 } }']),
      8,
      /passes no tcpSocket of livenessProbe on; use httpGet/,
    ],
    ['a probe by gRPC', pod(['livenessProbe: { grpc: { port: 3000 } }']), 8, /passes no grpc of livenessProbe on/],
    [
      'a hook that asks the service',
      pod(['ports: [{ containerPort: 3000 }]', 'lifecycle: { postStart: { httpGet: { port: 3000 } } }']),
      9,
      /no httpGet of postStart on; use exec/,
    ],
    ['a probe with a query', pod(['livenessProbe: { httpGet: { path: "/x?y", port: 3000 } }']), 8, /for no query/],
    [
      'a probe of a port that has no such name',
      pod(['livenessProbe: { httpGet: { port: web } }']),
      8,
      /no port named web; write its number/,
    ],
    ['no container', 'apiVersion: apps/v1\nkind: Deployment\nspec:\n', 3, /no container to stand in front of/],
    [
      'containers that are none',
      pod().replace('- name: app', '- app').replace('      image: app\n', ''),
      5,
      /no list of maps/,
    ],
    [
      'a kind that is not known',
      `apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: x }\n${template}\n`,
      4,
      /kind argoproj.io\/v1alpha1 Rollout.*k8s\/injection/,
    ],
    [
      'a Service of Knative',
      `apiVersion: serving.knative.dev/v1\nkind: Service\n${template}\n`,
      3,
      /does not know the kind/,
    ],
    [
      'a version that is gone',
      `apiVersion: extensions/v1beta1\nkind: Deployment\n${template}\n`,
      3,
      /does not know the kind/,
    ],
    [
      'a kind that has containers elsewhere',
      'apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nspec:\n  jobTargetRef: { template: { spec: { containers: [{ image: x }] } } }\n',
      4,
      /ScaledJob/,
    ],
    ['a broken document', `${pod()}---\na: [\n`, 10, /not valid YAML/],
    ['a key that is there twice', `${pod()}spec: {}\n`, 8, /there twice/],
    ['tabs', 'a:\n\tb: 1\n', 2, /tabs/],
    ['a template of Helm', 'apiVersion: v1\nkind: {{ .Values.kind }}\n', 2, /template of Helm.*helm template/],
    [
      'a template of Helm that can be read',
      pod().replace('image: app', 'image: "{{ .Values.image }}"'),
      7,
      /template of Helm/,
    ],
    ['what is no object', '- 1\n', 1, /no Kubernetes object/],
    [
      'an alias within its own anchor',
      'apiVersion: v1\nkind: &x { y: *x }\n',
      1,
      /aliases cannot be resolved \(.*circular.*\); write their values out$/,
    ],
  ])('%s', (_, text, line, message) => {
    const { problems, text: result } = injected(text)
    expect(result).toBe(text)
    expect(problems.map(problem => problem.line)).toContain(line)
    expect(problems.map(problem => problem.message).join('\n')).toMatch(message)
  })

  test('is told all at once, in the order of the text', () => {
    const { problems } = injected(
      `${pod([], ['hostNetwork: true'])}---\n- 1\n---\n${pod(['ports: [{ containerPort: 8080 }]'])}`,
    )
    expect(problems.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'deploy.yaml:8',
      'deploy.yaml:10',
      'deploy.yaml:19',
    ])
  })

  test('is nothing at all where there are no pods', () => {
    expect(injected('').nothing?.message).toContain('the input is empty')
    expect(injected('---\n# none\n').nothing?.message).toContain('only comments')
    expect(injected('apiVersion: v1\nkind: ConfigMap\n').nothing?.message).toContain('no pods in it (ConfigMap)')
  })
})

describe('left alone', () => {
  test.each([
    ['a pod whose label says so', pod([], ['hostNetwork: true'], ', sallyport: none')],
    [
      'a kind that is not known, whose label says so',
      'apiVersion: x.io/v1\nkind: Rollout\nmetadata: { labels: { sallyport: none } }\nspec: { template: { spec: { containers: [{ image: x }] } } }\n',
    ],
  ])('%s, and that is told', (_, text) => {
    const { text: result, notes, nothing } = injected(text)
    expect([result, nothing]).toEqual([text, undefined])
    expect(notes[0]?.message).toContain('is left out, as its label sallyport: none says')
  })

  test('what makes no pods, byte by byte', () => {
    const config = 'apiVersion:   v1\nkind: ConfigMap\ndata: {x: "{{ y }}",   }\n---\n'
    expect(injectedText(config + pod())).toContain(config)
  })
})

describe('a gateway that is there', () => {
  const older = injectedText(pod())
    .replace('failureThreshold: 30', 'failureThreshold: 5')
    .replace('            name: x', '')

  test('is brought up to date, and that is told', () => {
    const { text, summary } = injected(older)
    expect(text).toBe(injectedText(pod()))
    expect(summary.map(({ message }) => message)).toEqual([
      "Pod one: startupProbe.failureThreshold of the gateway's container is brought up to date",
    ])
  })

  test('keeps what others added: image, resources, environment, arguments and mounts', () => {
    const own = injectedText(pod())
      .replace('image: sallyport', 'image: mine@sha256:1')
      .replace('memory: 192Mi', 'memory: 1Gi')
      .replace('/etc/sallyport/sallyport.yaml\n', '/etc/sallyport/sallyport.yaml\n        - --report-only\n')
      .replace(
        '      volumeMounts:\n',
        '      env: [{ name: A, value: b }]\n      volumeMounts:\n        - { name: token, mountPath: /t }\n',
      )
    expect(injectedText(own)).toBe(own)
    expect(injectedText(own, { image: 'other' })).toBe(own.replace('mine@sha256:1', 'other'))
  })

  test('gets another ConfigMap when one is named, and keeps its own otherwise', () => {
    const other = injectedText(pod(), { configMap: 'other' })
    expect(injectedText(other)).toBe(other)
    expect(injectedText(other, { configMap: 'third' })).toBe(other.replace('name: other', 'name: third'))
    expect(injectedText(pod([], [], ', sallyport-config: labelled'))).toContain('name: labelled')
  })
})

describe('probes', () => {
  test('of another port stay, and that is told', () => {
    const text = pod([
      'ports: [{ containerPort: 3000 }]',
      'livenessProbe: { httpGet: { path: /x, port: 9100 } }',
      'readinessProbe: { exec: { command: [x] } }',
    ])
    const { notes, text: result } = injected(text)
    expect(result).toContain('livenessProbe: { httpGet: { path: /x, port: 9100 } }')
    expect(notes.map(({ message }) => message).join('\n')).toContain('port 9100 is still asked directly')
  })

  test('lose headers, host and TLS, of which the gateway sends the service none', () => {
    const { text, notes } = injected(
      pod([
        'readinessProbe:',
        '  httpGet:',
        '    scheme: HTTPS # tls',
        '    path: health # path',
        '    port: 3000',
        '    host: x',
        '    httpHeaders: [{ name: Host, value: x }]',
      ]),
    )
    expect(parse(text).spec.containers[0].readinessProbe).toEqual({ httpGet: { path: '/-/app/health', port: 9090 } })
    expect(text).toContain('path: /-/app/health # path')
    expect(notes.map(({ message }) => message).join('\n')).toContain('headers and the host of this probe are left out')
  })

  test('have to be listed in the configuration, where it is known', () => {
    const text = pod(['readinessProbe: { httpGet: { path: /health, port: 3000 } }'])
    expect(
      injected(text)
        .notes.map(({ message }) => message)
        .join('\n'),
    ).toContain('has to list /health')
    expect(injected(text, { probePaths: new Set(['/health']) }).problems).toEqual([])
    const again = injectedText(text)
    for (const each of [text, again])
      expect(injected(each, { probePaths: new Set(['/healthz']) }).problems.map(({ message }) => message)).toEqual([
        'Pod one: the configuration does not list /health; add it to `admin.appProbes`',
      ])
  })

  test('of other sidecars are led, too, where they ask the service', () => {
    const text = pod(
      ['ports: [{ containerPort: 3000 }]'],
      [
        'initContainers:',
        '  - { name: other, image: x, restartPolicy: Always, startupProbe: { httpGet: { port: 3000 } } }',
      ],
    )
    expect(parse(injectedText(text)).spec.initContainers[1].startupProbe).toEqual({
      httpGet: { path: '/-/app/', port: 9090 },
    })
  })
})

test('the time to end fits the longest sleep and the drain of the configuration', () => {
  const grace = (text: string, drainSeconds: number): unknown =>
    parse(injectedText(text, { drainSeconds })).spec.terminationGracePeriodSeconds
  expect(grace(pod(), 30)).toBe(60)
  expect(grace(pod(), 300)).toBe(330)
  expect(grace(pod(['lifecycle: { preStop: { sleep: { seconds: 60 } } }']), 30)).toBe(110)
  expect(grace(pod([], ['terminationGracePeriodSeconds: 600 # long']), 30)).toBe(600)
})

test('containers that share their processes are told what they can read', () => {
  const { notes } = injected(pod([], ['shareProcessNamespace: true']))
  expect(notes[0]?.message).toContain('can read the files and secrets of the gateway')
})

describe('Services', () => {
  const service = (ports: string, selector = '{ app: one }'): string =>
    `---\napiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { selector: ${selector}, ports: [${ports}] }\n`
  const app = pod(['ports: [{ name: web, containerPort: 3000 }]'])
  const led = (text: string) => parseAllDocuments(injectedText(text, { services: 'led' }))[1]?.toJS().spec.ports

  test.each([
    ['by number', '{ port: 80, targetPort: 3000 }', [{ port: 80, targetPort: 8080 }]],
    ['by name', '{ port: 80, targetPort: web }', [{ port: 80, targetPort: 8080 }]],
    ['by the port that it leaves out', '{ port: 3000 }', [{ port: 3000, targetPort: 8080 }]],
    ['already', '{ port: 80, targetPort: gateway }', [{ port: 80, targetPort: 'gateway' }]],
    ['of UDP', '{ port: 3000, protocol: UDP }', [{ port: 3000, protocol: 'UDP' }]],
  ])('lead to the gateway: %s', (_, port, expected) => {
    expect(led(app + service(port))).toEqual(expected)
  })

  test('of other pods, or of another namespace, stay as they are', () => {
    expect(led(app + service('{ port: 3000 }', '{ app: two }'))).toEqual([{ port: 3000 }])
    expect(
      led(
        app.replace('name: one', 'name: one, namespace: a') +
          service('{ port: 3000 }').replace('name: s', 'name: s, namespace: b'),
      ),
    ).toEqual([{ port: 3000 }])
    expect(led(app + service('{ port: 3000 }', '{}'))).toEqual([{ port: 3000 }])
  })

  test('that lead past the gateway, or to the admin port, are told', () => {
    const { notes } = injected(app + service('{ port: 80, targetPort: web }, { port: 9090 }'))
    expect(notes.map(({ line, message }) => `${line} ${message}`)).toEqual(
      expect.arrayContaining([
        expect.stringContaining('13 Service s: this port leads past the gateway, to web of Pod one'),
        expect.stringContaining('13 Service s: this leads to the admin port'),
      ]),
    )
  })

  test('of a pod that does not say where it listens need the port', () => {
    const { problems } = injected(pod() + service('{ port: 80, targetPort: 3000 }'), { services: 'led' })
    expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining('name it: --port 3000')])
  })
})

test('any workload is injected once, and without the gateway it is what it was', () => {
  const probe = fc.record({
    httpGet: fc.record({ path: fc.constantFrom('/', '/health'), port: fc.constantFrom(3000, 'web') }),
    periodSeconds: fc.integer({ min: 1, max: 60 }),
  })
  const container = fc.record(
    {
      name: fc.constantFrom('app', 'other'),
      image: fc.constantFrom('app', 'app:1', 'registry:5000/app@sha256:1'),
      ports: fc.constant([{ name: 'web', containerPort: 3000 }]),
      readinessProbe: probe,
      env: fc.array(fc.record({ name: fc.constantFrom('A', 'B'), value: fc.string() }), { maxLength: 2 }),
      lifecycle: fc.constantFrom(
        {},
        { postStart: { exec: { command: ['x'] } } },
        { preStop: { sleep: { seconds: 20 } } },
      ),
    },
    { requiredKeys: ['name', 'image', 'ports'] },
  )
  const spec = fc.record(
    {
      containers: fc.array(container, { minLength: 1, maxLength: 3 }),
      initContainers: fc.array(fc.record({ name: fc.constant('migrate'), image: fc.constant('x') }), { maxLength: 2 }),
      volumes: fc.array(fc.record({ name: fc.constantFrom('data', 'tmp'), emptyDir: fc.constant({}) }), {
        maxLength: 2,
      }),
      terminationGracePeriodSeconds: fc.constantFrom(5, 60, 600),
      nodeSelector: fc.constant({ disk: 'ssd' }),
    },
    { requiredKeys: ['containers'] },
  )
  const metadata = fc.option(
    fc.record(
      { labels: fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('x', 'on')).map(made => ({ ...made })) },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  )
  const manner = fc.record({
    indent: fc.constantFrom(2, 4),
    indentSeq: fc.boolean(),
    collectionStyle: fc.constantFrom('any' as const, 'flow' as const),
  })
  fc.assert(
    fc.property(spec, metadata, manner, fc.boolean(), (podSpec, podMetadata, how, isJson) => {
      const template = { ...(podMetadata && { metadata: podMetadata }), spec: podSpec }
      const object = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' }, spec: { template } }
      const text = isJson
        ? JSON.stringify(object, undefined, how.indent)
        : `# above\n${stringify(object, how)}# below\n`
      const result = injectedText(text)
      expect(injectedText(result)).toBe(result)
      if (!isJson) expect([result.startsWith('# above\n'), result.endsWith('# below\n')]).toEqual([true, true])
      const { metadata: after, spec: made } = (parse(result) as { spec: { template: Template } }).spec.template
      const { sallyport, ...labels } = after.labels
      expect([sallyport, labels]).toEqual(['sidecar', podMetadata?.labels ?? {}])
      const { containers, initContainers, volumes, terminationGracePeriodSeconds, ...rest } = made
      expect(initContainers.slice(1)).toEqual(podSpec.initContainers ?? [])
      expect(volumes.filter(({ name }) => !name.startsWith('sallyport'))).toEqual(podSpec.volumes ?? [])
      expect(Number(terminationGracePeriodSeconds)).toBeGreaterThanOrEqual(podSpec.terminationGracePeriodSeconds ?? 60)
      expect(rest).toEqual(podSpec.nodeSelector === undefined ? {} : { nodeSelector: podSpec.nodeSelector })
      expect(containers.map(({ readinessProbe: _probe, lifecycle: _lifecycle, ...others }) => others)).toEqual(
        podSpec.containers.map(({ readinessProbe: _probe, lifecycle: _lifecycle, ...others }) => others),
      )
    }),
    { numRuns: 150 },
  )
})
