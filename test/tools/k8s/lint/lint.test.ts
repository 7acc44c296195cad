/** Tests what `sallyport k8s lint` reads, as a user calls it: what is shipped, clumsy and hostile input, reports. */
import { describe, expect, test } from 'vitest'
import { k8sCommand } from '../../../../src/cli/k8s.ts'
import { renderedText } from '../../../k8s/kustomize.ts'
import { runCommand } from '../../../support/gateway/command.ts'
import { folder } from '../../support.ts'
import { changed, GOOD } from './good-manifests.ts'

const files = folder()
const WITHOUT =
  'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: other }\nspec: { template: { spec: { containers: [{ name: a, image: a }] } } }\n'
const DEPLOYMENT = GOOD.slice(GOOD.indexOf('apiVersion: apps/v1'), GOOD.indexOf('---\napiVersion: v1\nkind: Service\n'))

let count = 0

async function lintOf(text: string, ...args: readonly string[]) {
  const file = files.write(`case-${count++}.yaml`, text)
  const result = await runCommand(k8sCommand, ['lint', '-f', file, ...args])
  return { ...result, stdout: result.stdout.replaceAll(`${files.path}/`, '') }
}

async function idsOf(text: string, ...args: readonly string[]) {
  const { stdout } = await lintOf(text, '--json', ...args)
  const { findings } = JSON.parse(stdout) as { readonly findings: ReadonlyArray<{ readonly id: string }> }
  return findings.map(({ id }) => id)
}

describe('what is shipped', () => {
  test.each([
    { path: 'k8s/base', without: 0 },
    { path: 'k8s/overlays/autoscaling', without: 0 },
    { path: 'k8s/overlays/serviceaccount-tokens', without: 1 },
  ])('$path has nothing but a tag for an image', async ({ path, without }) => {
    const { code, stdout } = await lintOf(renderedText(path), '--strict', '--json')
    const { findings, workloads } = JSON.parse(stdout)
    expect(findings).toMatchObject([{ id: 'image-no-digest', severity: 'hint' }])
    expect([code, workloads]).toEqual([0, { withGateway: 1, without }])
  })
})

describe('the exit code', () => {
  test('is 0 with warnings, and 1 with them and --strict', async () => {
    const text = changed(GOOD, ['limits: { memory', 'limits: { cpu: 1, memory'])
    expect((await lintOf(text)).code).toBe(0)
    expect((await lintOf(text, '--strict')).code).toBe(1)
    expect((await lintOf(text, '--strict', '--ignore', 'cpu-limit')).code).toBe(0)
  })

  test('is 1 with an error', async () => {
    const { code, stdout } = await lintOf(changed(GOOD, ['targetPort: 8080', 'targetPort: 3000']))
    expect(code).toBe(1)
    expect(stdout).toMatch(/^case-\d+\.yaml:\d+:19 error service-past-gateway: Service `orders` leads to port 3000/)
    expect(stdout).toMatch(/\n> *\d+ \| {7}targetPort: 3000\n/)
    expect(stdout).toContain('  wanted  `targetPort: 8080`')
    expect(stdout).toContain('  seen    `targetPort: 3000`')
    expect(stdout).toContain('(k8s/README.md#in-front-of-your-service)')
    expect(stdout).toContain('1 workload with the gateway: not ok, 1 error\n')
  })

  test('is 1 when there is nothing to lint', async () => {
    const { code, stdout } = await lintOf(WITHOUT)
    expect([code, stdout]).toEqual([
      1,
      'nothing to lint: no workload in the input has the gateway, 1 workload without the gateway\n',
    ])
    expect((await lintOf('')).code).toBe(1)
  })

  test('is 2 for what cannot be read, all of which is told', async () => {
    const { code, stdout } = await lintOf(`${GOOD}---\nkind: Deployment\nmetadata: { name: {{ .Values.name }} }\n`)
    expect(code).toBe(2)
    expect(stdout).toContain('render it first: `helm template CHART | sallyport k8s lint -f -`')
  })

  test.each([
    [[], 'write what to do: k8s lint'],
    [['lnit'], 'Did you mean "k8s lint"?'],
    [['lint'], 'name the manifests with -f'],
    [['lint', 'deploy.yaml'], 'write -f deploy.yaml'],
    [['lint', '-f', '/nowhere/a.yaml'], '/nowhere/a.yaml cannot be read: there is no such file or folder'],
    [['lint', '-f', files.path, '--ignore', 'cpu-limits'], 'Did you mean "cpu-limit"?'],
    [['lint', '-f', files.path, '--format', 'xml'], '--format knows `github` only'],
  ])('is 2 for %j, with the remedy', async (args, message) => {
    const { code, stderr } = await runCommand(k8sCommand, args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('an annotation leaves a finding out', () => {
  const ignore = 'annotations: { sallyport-lint-ignore: "service-past-gateway, cpu-limit" }'
  const text = changed(GOOD, ['targetPort: 8080', 'targetPort: 3000'])

  test.each([
    [
      'of the workload',
      '  name: orders\n  namespace: shop\nspec:',
      `  name: orders\n  namespace: shop\n  ${ignore}\nspec:`,
    ],
    ['of its pods', '      labels: { app: orders', `      ${ignore}\n      labels: { app: orders`],
    [
      'of the object with the finding',
      'metadata: { name: orders, namespace: shop }\nspec:\n  selector',
      `metadata:\n  name: orders\n  namespace: shop\n  ${ignore}\nspec:\n  selector`,
    ],
  ])('%s', async (_where, from, to) => {
    expect(await idsOf(text)).toEqual(['service-past-gateway'])
    expect(await idsOf(changed(text, [from, to]))).toEqual([])
  })
})

describe('what has the gateway', () => {
  test('other workloads are counted and left alone, and their Services, too', async () => {
    const service =
      'apiVersion: v1\nkind: Service\nmetadata: { name: b }\nspec: { selector: { app: b }, ports: [{ port: 1 }] }\n'
    const { code, stdout } = await lintOf(`${WITHOUT}---\n${service}---\n${GOOD}`)
    expect([code, stdout]).toEqual([0, '1 workload with the gateway: ok, 1 workload without the gateway\n'])
  })

  test('objects of another namespace are not meant', async () => {
    const other = GOOD.slice(
      GOOD.indexOf('apiVersion: v1\nkind: Service\n'),
      GOOD.indexOf('---\napiVersion: networking'),
    )
    const text = changed(other, ['namespace: shop', 'namespace: stock'], ['targetPort: 8080', 'targetPort: 3000'])
    expect(await idsOf(`${GOOD}---\n${text}`)).toEqual([])
  })

  test('anything with a pod template is linted', async () => {
    const rollout = changed(GOOD, [
      'apiVersion: apps/v1\nkind: Deployment',
      'apiVersion: argoproj.io/v1alpha1\nkind: Rollout',
    ])
    expect(await idsOf(changed(rollout, ['targetPort: 8080', 'targetPort: 3000']))).toEqual(['service-past-gateway'])
  })

  test('a gateway by itself has no service beside it to judge', async () => {
    const start = GOOD.indexOf('      initContainers:')
    const end = GOOD.indexOf('      containers:\n')
    const app = GOOD.slice(end, GOOD.indexOf('      volumes:\n'))
    const gateway = GOOD.slice(start, end)
      .replace('initContainers', 'containers')
      .replace('          restartPolicy: Always\n', '')
    const alone = GOOD.replace(app, '')
      .replace(GOOD.slice(start, end), gateway)
      .replace('http://127.0.0.1:3000', 'http://billing')
    expect(await idsOf(alone)).toEqual([])
  })

  test('an init container that asks for something else with its image is not the gateway', async () => {
    const doctor =
      '        - { name: doctor, image: x/sallyport:0.1.0, args: [doctor, -c, /etc/sallyport/sallyport.yaml] }\n'
    expect(await idsOf(changed(GOOD, ['      containers:\n', `${doctor}      containers:\n`]))).toEqual([])
  })

  test('with injection, the pod is looked at as it will be', async () => {
    const start = GOOD.indexOf('      initContainers:')
    const text = changed(GOOD.replace(GOOD.slice(start, GOOD.indexOf('      containers:\n')), ''), [
      'metadata: { name: shop }',
      'metadata: { name: shop, labels: { sallyport-injection: enabled } }',
    ])
    const { code, stdout } = await lintOf(text, '--strict')
    expect([code, stdout]).toEqual([0, '1 workload with the gateway: ok\n'])
    expect(await idsOf(changed(text, ['targetPort: 8080', 'targetPort: 3000']))).toEqual(['service-past-gateway'])
  })
})

describe('the configuration', () => {
  test('comes from the environment of the container where it says so', async () => {
    const text = changed(GOOD, ['issuer: https://auth.example.com/', `issuer: $\{ISSUER}`])
    expect(await idsOf(text)).toEqual(['config-invalid'])
    const env = (value: string) =>
      changed(text, ['          args: [run', `          env: [{ name: ISSUER, ${value} }]\n          args: [run`])
    expect(await idsOf(env('value: https://auth.example.com/'))).toEqual([])
    expect(await idsOf(env('valueFrom: { fieldRef: { fieldPath: x } }'))).toEqual([])
  })

  test('may be named, and what is wrong with it is told as by other commands', async () => {
    const file = files.write('sallyport.yaml', 'listen: nowhere\n')
    const { code, stderr } = await lintOf(GOOD, '-c', file)
    expect([code, stderr]).toEqual([2, expect.stringContaining('sallyport.yaml:1:9 listen: is no address')])
  })
})

describe('reports', () => {
  const text = changed(GOOD, [
    '          restartPolicy: Always\n',
    '          restartPolicy: Always\n          env:\n            - name: CLIENT_SECRET\n              value: hunter2-%0A::error::x\n',
  ])

  test.each(['text', 'json', 'github'])('do not repeat a secret: %s', async format => {
    const options = { text: [], json: ['--json'], github: ['--format', 'github'] }[format] ?? []
    const { code, stdout } = await lintOf(text, ...options)
    expect(code).toBe(1)
    expect(stdout).toContain('CLIENT_SECRET')
    expect(stdout).not.toContain('hunter2')
  })

  test('annotations have file, line and column', async () => {
    const { stdout } = await lintOf(text, '--format', 'github')
    expect(stdout).toMatch(
      /^::error file=case-\d+\.yaml,line=\d+,col=21,title=Sallyport%3A secret-in-clear::the secret .*\n$/,
    )
  })
})

describe('clumsy and hostile input', () => {
  test('lines that end as on Windows are counted right', async () => {
    const text = changed(GOOD, ['targetPort: 8080', 'targetPort: 3000'], ['- { id: all, path', '- { id: all, pth'])
    const both = await Promise.all([lintOf(text, '--json'), lintOf(text.replaceAll('\n', '\r\n'), '--json')])
    const [unix, windows] = both.map(({ stdout }) => stdout.replaceAll(/case-\d+/g, ''))
    expect(windows).toBe(unix)
  })

  test('a list in JSON, on one line', async () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'a' },
          spec: { containers: [{ name: 'sallyport', image: 'sallyport' }] },
        },
      ],
    }
    expect(await idsOf(JSON.stringify(list))).toContain('config-not-mounted')
  })

  test.each([
    [
      'aliases that multiply',
      `a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n${[...'bcdefghi'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]\n`).join('')}`,
      'repeated too often',
    ],
    ['a prototype', '__proto__: { kind: x }\n', 'cannot be a key'],
    ['a tag', 'spec: !!js/function x\n', 'a tag is not accepted'],
    ['a key that is there twice', 'spec: {}\nspec: {}\n', 'is in this block twice'],
  ])('%s is refused at its line', async (_what, text, message) => {
    const { code, stdout } = await lintOf(`${GOOD}---\n# sallyport\nkind: Deployment\n${text}containers: []\n`)
    expect(code).toBe(2)
    expect(stdout).toContain(message)
    expect(stdout).toMatch(/^case-\d+\.yaml:1[12]\d:\d+ unreadable: /)
  })

  test('values of any other type are no crash', async () => {
    const pods = ['3', '[1]', 'null', '{ a: 1 }'].map(value =>
      DEPLOYMENT.replaceAll(
        /(containerPort|mountPath|env|args|labels|ports|limits|requests|httpGet|command|emptyDir): .*/g,
        (_all, key: string) => `${key}: ${value}`,
      )
        .replaceAll(' }', '')
        .replaceAll(/- \{ (name: \w[\w-]*), (\w+: .*)/g, '- { $1, $2 }'),
    )
    for (const pod of pods) expect([0, 1, 2]).toContain((await lintOf(pod)).code)
  })

  test('five thousand documents are no reason to wait', async () => {
    const many = Array.from({ length: 5000 }, (_, index) => WITHOUT.replace('other', `other-${index}`)).join('---\n')
    const { code, stdout } = await lintOf(`${many}---\n${GOOD}`)
    expect([code, stdout]).toEqual([0, '1 workload with the gateway: ok, 5000 workloads without the gateway\n'])
  })
})
