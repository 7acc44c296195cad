/** The compose file without an engine for containers: its commands as processes of this machine, and its policy. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type RunningSallyport, sallyport } from '../support/gateway/running.ts'
import { freePort } from '../support/services/free-port.ts'

interface ComposeFile {
  readonly services: Readonly<
    Record<
      'gateway' | 'issuer' | 'service',
      {
        readonly build: { readonly context: string; readonly target?: string }
        readonly command?: readonly string[]
        readonly network_mode?: string
        readonly ports?: readonly string[]
        readonly configs?: ReadonlyArray<{ readonly source: 'policy'; readonly target: string }>
      }
    >
  >
  readonly configs: { readonly policy: { readonly content: string } }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const text = readFileSync(join(ROOT, 'config/compose.yaml'), 'utf8')
const { services, configs } = parse(text) as ComposeFile
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'sallyport-compose-'))
const started: RunningSallyport[] = []
afterAll(async () => {
  for (const { child } of started) child.kill('SIGTERM')
  await Promise.all(started.map(({ exited }) => exited))
  rmSync(folder, { recursive: true })
})

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningSallyport {
  const running = sallyport(args, { env, cwd: folder })
  started.push(running)
  return running
}

test('only the gateway can be reached, and only from this machine', () => {
  const { gateway, issuer, service } = services
  expect(gateway.ports).toEqual(['127.0.0.1:8080:8080'])
  for (const { network_mode: network, ports } of [issuer, service])
    expect({ network, ports }).toEqual({ network: 'service:gateway', ports: undefined })
})

test('each image is a stage of the Dockerfile, and the policy is where the image looks for it', () => {
  for (const { build } of Object.values(services))
    if (build.target !== undefined) expect(dockerfile).toContain(` AS ${build.target}\n`)
  const [, command = '[]'] = /^CMD (\[.*"run".*\])$/m.exec(dockerfile) ?? []
  expect(services.gateway.command).toBeUndefined()
  expect((JSON.parse(command) as readonly string[]).at(-1)).toBe(services.gateway.configs?.[0]?.target)
})

test('its commands work together, and the lines in its head give a token that opens the door', async () => {
  const [listen, admin, issuerPort, servicePort] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  // What is replaced are the ports, which others may have on this machine.
  const policy = configs.policy.content
    .replace('0.0.0.0:8080', `127.0.0.1:${listen}`)
    .replace('127.0.0.1:9090', `127.0.0.1:${admin}`)
    .replace('127.0.0.1:4000', `127.0.0.1:${issuerPort}`)
    .replace('127.0.0.1:3000', `127.0.0.1:${servicePort}`)
  writeFileSync(join(folder, 'sallyport.yaml'), policy, { mode: 0o644 })
  const env = {
    SALLYPORT_DEMO_ISSUER_PORT: String(issuerPort),
    SALLYPORT_DEMO_SERVICE_PORT: String(servicePort),
  }
  await Promise.all([
    start(services.issuer.command ?? [], env).printed(/^issuer /m),
    start(services.service.command ?? [], env).printed(/^service /m),
    start(['run', '-c', 'sallyport.yaml']).printed(/"listening"/),
  ])
  const [, asking = ''] = /exec -T issuer node \/app\/dist\/sallyport\.js (dev .*)\)/.exec(text) ?? []
  const asked = start(asking.split(' '), env)
  expect(await asked.exited).toBe(0)
  const [, path = ''] = /curl -i http:\/\/127\.0\.0\.1:8080(\S+)/.exec(text) ?? []
  const call = (authorization: string) => fetch(`http://127.0.0.1:${listen}${path}`, { headers: { authorization } })
  await expect.poll(async () => (await call(`Bearer ${asked.stdout().trim()}`)).status).toBe(200)
  const reply = (await (await call(`Bearer ${asked.stdout().trim()}`)).json()) as { readonly headers: object }
  expect(reply.headers).toMatchObject({ 'x-auth-subject': 'demo-service' })
  expect((await fetch(`http://127.0.0.1:${listen}${path}`)).status).toBe(401)
})
