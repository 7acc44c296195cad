/** Tests `sallyport inject` as a user calls it: what is printed where, exit codes, and what the configuration says. */
import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { injectCommand } from '../../src/cli/inject.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: orders }
spec:
  selector: { matchLabels: { app: orders } }
  template:
    metadata: { labels: { app: orders } }
    spec:
      containers:
        - name: orders
          image: orders
          ports: [{ containerPort: 3000 }, { containerPort: 9100 }]
          readinessProbe: { httpGet: { path: /health, port: 3000 } }
`
const SERVICE = `---
apiVersion: v1
kind: Service
metadata: { name: orders }
spec: { selector: { app: orders }, ports: [{ port: 80, targetPort: 3000 }] }
`
const deployment = files.write('deploy.yaml', DEPLOYMENT + SERVICE)
const inject = (...args: readonly string[]) => runCommand(injectCommand, args)

test('prints manifests on standard output, and what to know on standard error', async () => {
  const { code, stdout, stderr } = await inject('-f', deployment, '--port', '3000')
  expect(code).toBe(0)
  expect(stdout).toContain('- name: sallyport\n')
  expect(stderr.split('\n')).toEqual([
    `${deployment}:1: Deployment orders: gets the gateway; let its service listen on 127.0.0.1:3000 only`,
    expect.stringContaining(`${deployment}:13: Deployment orders: the configuration has to list /health`),
    expect.stringContaining(`${deployment}:18: Service orders: this port leads past the gateway`),
    expect.stringContaining('the image sallyport is named without a digest; pin it with --image'),
    '',
  ])
})

test('prints nothing but the problems when something cannot be injected', async () => {
  const { code, stdout, stderr } = await inject('-f', deployment)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^\S*deploy\.yaml:13: Deployment orders: it is not known .* name it: --port 3000\n$/)
})

test('--check prints what is missing and fails, until nothing is', async () => {
  const args = ['--port', '3000', '--service', '--image', 'sallyport@sha256:1']
  const missing = await inject('-f', deployment, '--check', ...args)
  expect(missing).toMatchObject({ code: 1, stderr: '' })
  expect(missing.stdout).toContain(`${deployment}:8: Deployment orders: the container of the gateway is added\n`)
  expect(missing.stdout).toContain(`${deployment}:18: Service orders: targetPort leads to the gateway`)
  const { stdout } = await inject('-f', deployment, ...args)
  const again = files.write('again.yaml', stdout)
  expect(await inject('-f', again, '--check', ...args)).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('fails when there is nothing to inject, unless that is allowed', async () => {
  const service = files.write('service.yaml', SERVICE)
  expect(await inject('-f', service)).toMatchObject({ code: 1, stdout: '' })
  expect(await inject('-f', service, '--allow-none')).toEqual({ code: 0, stdout: SERVICE, stderr: '' })
})

describe('with the configuration', () => {
  const config = (rest: string): string =>
    files.write(
      'sallyport.yaml',
      `providers: { main: { type: jwt, issuer: 'https://auth.example.com/', audiences: [a], keys: { secretFile: /run/s } } }
upstreams: { app: 'http://127.0.0.1:3000' }
routes: [{ id: all, path: /** }]
${rest}`,
    )

  test('ports, upstreams, probes and the time to drain are taken from it', async () => {
    const args = ['-f', deployment, '--service', '-c']
    const { stdout, code } = await inject(
      ...args,
      config('listen: "[::]:8443"\nadmin: { listen: 0.0.0.0:9900, appProbes: [/health] }\ndrain: { timeout: 2m }\n'),
    )
    expect(code).toBe(0)
    const [workload, service] = stdout.split('---\n').map(text => parse(text))
    const { initContainers, containers, terminationGracePeriodSeconds } = workload.spec.template.spec
    expect(initContainers[0].ports.map((port: { containerPort: number }) => port.containerPort)).toEqual([8443, 9900])
    expect(JSON.stringify(initContainers[0].lifecycle)).toContain('port: 9900')
    expect(containers[0].readinessProbe.httpGet).toEqual({ path: '/-/app/health', port: 9900 })
    expect(terminationGracePeriodSeconds).toBe(150)
    expect(service.spec.ports).toEqual([{ port: 80, targetPort: 8443 }])
  })

  test.each([
    ['listens on loopback', 'listen: 127.0.0.1:8080\nadmin: { listen: 0.0.0.0:9090 }\n', 'listen: 0.0.0.0:8080'],
    ['has no admin listener', 'listen: 0.0.0.0:8080\n', 'add `admin: { listen: 0.0.0.0:9090 }`'],
  ])('one that %s is refused', async (_, text, remedy) => {
    const { code, stdout, stderr } = await inject('-f', deployment, '-c', config(text))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(remedy)
  })

  test('a probe that it does not list is refused', async () => {
    const file = config('listen: 0.0.0.0:8080\nadmin: { listen: 0.0.0.0:9090, appProbes: [/healthz] }\n')
    expect(await inject('-f', deployment, '-c', file)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `${deployment}:13: Deployment orders: the configuration does not list /health; add it to \`admin.appProbes\`\n`,
    })
  })
})

describe('wrong usage', () => {
  test.each([
    [['--config', './sallyport.yaml'], 'the configuration file is -c ./sallyport.yaml'],
    [['--config', 'Orders'], '"Orders" is no name of a ConfigMap'],
    [['--image', 'a b'], '"a b" is no name of an image'],
    [['--port', '8080'], '8080 is that of the gateway'],
    [['--port', 'web'], '--port takes a port number'],
    [['deploy.yaml'], 'See sallyport inject --help.'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await inject('-f', deployment, ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  test('a folder', async () => {
    expect(await inject('-f', files.path)).toMatchObject({ code: 2, stderr: expect.stringContaining('it is a folder') })
  })

  test('a file that PowerShell wrote', async () => {
    const wide = files.write('wide.yaml', '')
    writeFileSync(wide, `\uFEFF${DEPLOYMENT}`, 'utf16le')
    expect(await inject('-f', wide)).toMatchObject({ code: 2, stderr: `${wide} is in UTF-16; save it in UTF-8` })
  })
})
