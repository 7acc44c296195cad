/** The bundle, as the image has it: its two files and `package.json`, far from any `node_modules`. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTraceCollector } from '../support/services/trace-collector.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'))
const bundle = join(folder, 'dist/sallyport.js')

beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, 'src/build/build.ts'), join(folder, 'dist')])
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Listening {
  readonly url: string
  readonly admin: string
}

async function sallyport(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [bundle, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

test('knows its version', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect(await sallyport('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

test('stands beside all that the package takes of the build', () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: readonly string[] }
  // Types are for those who write applications, and are made apart.
  const built = files.filter(file => file.startsWith('dist/') && file !== 'dist/types')
  expect(built).toContain('dist/LICENSE')
  expect(built.filter(file => !existsSync(join(folder, file)))).toEqual([])
})

test('has every command, and the schema of the source', async () => {
  const { stdout } = await sallyport('schema')
  expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(join(ROOT, 'config/sallyport.schema.json'), 'utf8')))
  const { stdout: usage } = await sallyport('--help')
  const commands = [...usage.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name = '']) => name)
  expect(commands).toContain('run')
  for (const command of commands) expect(await sallyport(command, '--help')).toMatchObject({ code: 0, stderr: '' })
})

test.each([1, 2])('with workers: %i forwards a request, has the console, and ends with 0 at SIGTERM', async workers => {
  const upstream = await startTestUpstream()
  writeFileSync(
    join(folder, 'sallyport.yaml'),
    `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0, console: {} }
workers: ${workers}
upstreams: { app: "${upstream.url}" }
routes: [{ id: all, path: /**, access: public }]
`,
  )
  const gateway = spawn(process.execPath, [bundle, 'run'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(gateway, 'close') as Promise<[number | null]>
  let log = ''
  for await (const chunk of gateway.stdout) {
    log += chunk
    if (log.includes('"listening"')) break
  }
  const { url, admin } = JSON.parse(log.split('\n').find(line => line.includes('"listening"')) ?? '') as Listening
  expect((await fetch(`${url}/orders`)).status).toBe(200)
  expect(upstream.seen).toHaveLength(1)
  expect(await (await fetch(`${admin}/-/`)).text()).toContain('Refusals by code')
  for (const file of ['console.js', 'console.css'])
    expect(await (await fetch(`${admin}/-/${file}`)).text()).toBe(
      readFileSync(join(ROOT, 'src/admin/console', file), 'utf8'),
    )
  gateway.kill('SIGTERM')
  expect((await closed)[0]).toBe(0)
  await upstream.close()
})

test('has the client of the store, and says why there is no connection', async () => {
  writeFileSync(
    join(folder, 'store.yaml'),
    `listen: 127.0.0.1:0
upstreams: { app: "http://127.0.0.1:1" }
providers:
  main: { type: jwt, issuer: "https://auth.example.com/", audiences: [a], maxLifetime: 1h, keys: { jwksUri: "https://127.0.0.1:1/" } }
store: { url: "redis://127.0.0.1:1" }
revocation: { whenStale: refuse, store: {} }
routes: [{ id: all, path: /** }]
`,
  )
  const args = [bundle, 'run', '-c', 'store.yaml']
  const gateway = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(gateway, 'close')
  let log = ''
  for await (const chunk of gateway.stdout) {
    log += chunk
    if (log.includes('the stream of revocations cannot be read')) break
  }
  expect(log).toContain('the store cannot be reached: nothing listens there (ECONNREFUSED)')
  gateway.kill('SIGKILL')
  await closed
})

test('has the SDK of traces in a file of its own, which is read where traces are made', async () => {
  const collector = await startTraceCollector()
  writeFileSync(
    join(folder, 'traces.yaml'),
    `listen: 127.0.0.1:0
drain: { timeout: 100ms }
upstreams: { app: "http://127.0.0.1:1" }
routes: [{ id: all, path: /**, access: public }]
traces: { endpoint: "${collector.url}", sample: 100% }
`,
  )
  const gateway = spawn(process.execPath, [bundle, 'run', '-c', 'traces.yaml'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(gateway, 'close')
  let log = ''
  for await (const chunk of gateway.stdout) {
    log += chunk
    if (log.includes('"listening"')) break
  }
  const [, url] = /"url":"([^"]+)"/.exec(log) ?? []
  expect((await fetch(`${url}/`)).status).toBe(502)
  gateway.kill('SIGTERM')
  await closed
  expect(collector.spans.map(({ name }) => name)).toEqual(['GET', 'GET /**'])
  expect(readFileSync(bundle, 'utf8')).not.toContain('OTLPExporterError')
  await collector.kill()
})

test('wraps the library of conditions up, to be run where there is one, and has it', async () => {
  // It is run by the first call, and not by the file.
  expect(readFileSync(bundle, 'utf8')).toMatch(/celLibrary=\(\)=>\(init_\w+\(\),/)
  writeFileSync(
    join(folder, 'when.yaml'),
    `listen: 127.0.0.1:0
upstreams: { app: "http://127.0.0.1:1" }
providers: { main: { type: jwt, issuer: "https://auth.example.com/", audiences: [a] } }
routes: [{ id: all, path: "/:tenant", require: { when: claims.tenant == params.tenant } }]
`,
  )
  const asked = (path: string) =>
    sallyport('explain', 'GET', path, '--claims', '{ tenant: acme }', '-c', 'when.yaml', '--json')
  expect(JSON.parse((await asked('/acme')).stdout)).toMatchObject({ decision: 'allow' })
  expect(JSON.parse((await asked('/globex')).stdout)).toMatchObject({ decision: 'claim_forbidden' })
})

test('passes on the licences of what it contains', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const licences = readFileSync(join(folder, 'dist/LICENSES.txt'), 'utf8')
  for (const [name, version] of Object.entries(dependencies)) expect(licences).toContain(`\n${name} ${version} (`)
  for (const name of ['oidc-provider', 'ws', 'koa']) expect(licences).toContain(`\n${name} `)
  for (const absent of ['undici']) expect(licences).not.toContain(`\n${absent} `)
})

test('passes on its own licence: the notice and the whole text that it names', () => {
  const licence = readFileSync(join(folder, 'dist/LICENSE'), 'utf8')
  expect(licence.startsWith(readFileSync(join(ROOT, 'LICENSE'), 'utf8'))).toBe(true)
  for (const section of ['1. Definitions.', '4. Redistribution.', '9. Accepting Warranty or Additional Liability.'])
    expect(licence).toContain(section)
})
