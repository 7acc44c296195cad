/**
 * The package as an application uses it: its types compile from outside, nothing else can be imported of it, and an
 * application with a guard ends when it is closed.
 */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { blocksOf } from '../docs/markdown.ts'
import { bearer, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sallyport-library-'))
const own = join(folder, 'node_modules/sallyport')

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  // The tests are started with a bundle that is built already.
  cpSync(dirname(process.env.SALLYPORT_BUNDLE ?? ''), join(own, 'dist'), { recursive: true })
  execFileSync(process.execPath, [join(ROOT, 'src/build/declarations.ts'), join(own, 'dist')])
  mkdirSync(join(own, 'config'))
  for (const file of ['package.json', 'config/sallyport.schema.json']) cpSync(join(ROOT, file), join(own, file))
  for (const name of ['fastify', '@types/node'])
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** @returns what the compiler complains about */
function compiled(text: string): string {
  writeFileSync(join(folder, 'app.ts'), text)
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--noEmit']
  const args = [...strict, '--module', 'nodenext', '--target', 'esnext', '--types', 'node', 'app.ts']
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return status === 0 ? 'compiles' : stdout
}

/** It does not block: the program may ask who runs in this process. One that ends only when it is asked to fails. */
function ran(text: string, ...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  writeFileSync(join(folder, 'app.js'), text)
  return promisify(execFile)(process.execPath, ['app.js', ...args], {
    cwd: folder,
    timeout: 25_000,
    killSignal: 'SIGKILL',
  })
}

test('its types compile from outside, strictly, with those of everything that they name', () => {
  const app = `
    import Fastify from 'fastify'
    import sallyport, {
      ConfigError, decide, type Decision, type DenialCode, loadPolicy, type Policy, type Principal, type RequestFacts,
      type SallyportOptions,
    } from 'sallyport'

    const options: SallyportOptions = { config: 'sallyport.yaml', env: process.env, watch: false }
    const app = Fastify({ http2: true })
    await app.register(sallyport, options)
    app.get('/orders/:id', async request => {
      const principal: Principal | null = request.principal
      if (principal === null) return {}
      const tenant = principal.claims['tenant']
      // @ts-expect-error: all requests with this token share it
      principal.scopes.add('orders:write')
      return { sub: principal.claims.sub, tenant, mayWrite: principal.scopes.has('orders:write') }
    })
    app.get('/healthz', async (_request, reply) => reply.code(app.sallyport.ready() ? 200 : 503).send())
    const { isInForce, problems } = await app.sallyport.reload()
    console.log(isInForce, problems.join(), app.sallyport.status().config_hash, await app.sallyport.metrics())

    const facts: RequestFacts = { method: 'GET', target: '/orders/1', headers: { authorization: 'Bearer x' } }
    try {
      const policy: Policy = await loadPolicy({ routes: [] })
      const decision: Decision = await decide(facts, policy)
      if (decision.kind === 'refused') {
        const code: DenialCode = decision.code
        const wrong: boolean = code === 'token_missing'
        console.log(wrong, decision.status)
      }
      await policy.close()
    } catch (error) {
      if (error instanceof ConfigError) console.log(error.message, error.problems.length)
    }
  `
  expect(compiled(app)).toBe('compiles')
}, 90_000)

test('of the package, nothing can be imported but what it offers', async () => {
  const offered = ['sallyport', 'sallyport/package.json', 'sallyport/schema.json']
  const hidden = ['sallyport/dist/sallyport.js', 'sallyport/dist/index.js', 'sallyport/src/decide.ts']
  const { stdout } = await ran(
    `for (const name of ${JSON.stringify([...offered, ...hidden])}) {
      try { import.meta.resolve(name); console.log(name) } catch (error) { console.log(error.code) }
    }`,
  )
  expect(stdout.trim().split('\n')).toEqual([...offered, ...hidden.map(() => 'ERR_PACKAGE_PATH_NOT_EXPORTED')])
})

test('it brings no Fastify of its own', () => {
  const { sources } = JSON.parse(readFileSync(join(own, 'dist/index.js.map'), 'utf8')) as { sources: readonly string[] }
  expect(sources.some(path => path.includes('node_modules/zod/'))).toBe(true)
  expect(
    sources.filter(path => /node_modules\/(?:fastify|find-my-way|avvio|undici|oidc-provider)\//.test(path)),
  ).toEqual([])
  expect(existsSync(join(own, 'dist/types/library/declared.d.ts'))).toBe(true)
})

describe('the guide', () => {
  let issuer: TestIssuer
  beforeAll(async () => {
    issuer = await startTestIssuer()
    const [{ text } = { text: '' }] = blocksOf('yaml guard')
    const config = { ...parse(text), providers: { main: testProvider(issuer) } }
    writeFileSync(join(folder, 'sallyport.yaml'), stringify(config), { mode: 0o600 })
  })
  afterAll(() => issuer.close())

  const [application, policyTest] = blocksOf('js')
    .filter(({ document }) => document === 'config/library.md')
    .map(({ text }) => text)

  test('shows an application that works, and ends when it is asked to', async () => {
    writeFileSync(join(folder, 'guide.js'), application ?? '')
    const child = spawn(process.execPath, ['guide.js'], { cwd: folder, env: { ...process.env, PORT: '0' } })
    const closed = once(child, 'close')
    let log = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        log += chunk
      })
    // One that has ended says nothing more.
    await expect
      .poll(() => (child.exitCode === null ? log : `listening at http, no more: ${log}`))
      .toMatch(/listening at http/)
    const url = /listening at (http:[^"]+)/.exec(log)?.[1] ?? ''
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(url + path, { headers: { connection: 'close', ...headers } })
      return `${answer.status} ${await answer.text()}`
    }
    expect(await ask('/orders/1')).toMatch(/^401 .*token_missing/)
    await expect.poll(() => ask('/healthz')).toMatch(/^200/)
    const headers = bearer(await issuer.mint({ scope: 'orders:read orders:write' }))
    expect(await ask('/orders/1', headers)).toBe('200 {"id":"1","seenBy":"alice","mayWrite":true}')
    child.kill('SIGTERM')
    expect(await closed).toEqual([0, null])
  })

  test('shows a test of a policy that passes', async () => {
    expect(await ran(policyTest ?? '')).toMatchObject({ stderr: '' })
  })
})

test('an application that is closed lets its process end, whatever the guard was doing', async () => {
  const issuer = await startTestIssuer()
  const config = {
    providers: {
      main: testProvider(issuer),
      // Its keys are asked for again and again.
      gone: {
        type: 'jwt',
        issuer: 'https://gone.example',
        audiences: ['x'],
        keys: { jwksUri: 'http://127.0.0.1:9/jwks' },
      },
    },
    routes: [{ id: 'orders', path: '/orders/**', providers: ['main'] }],
  }
  writeFileSync(join(folder, 'sallyport.json'), JSON.stringify(config))
  try {
    // A program that does not end by itself is ended, and so fails.
    const { stdout, stderr } = await ran(
      `import Fastify from 'fastify'
      import sallyport from 'sallyport'
      const app = Fastify()
      await app.register(sallyport, { config: 'sallyport.json' })
      app.get('/orders/1', async ({ principal }) => principal.claims.sub)
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      for (const headers of [{}, { authorization: 'Bearer ' + process.argv[2], connection: 'close' }]) {
        const answer = await fetch(url + '/orders/1', { headers })
        console.log(answer.status, await answer.text())
      }
      await app.close()
      console.log('closed')`,
      await issuer.mint(),
    )
    expect({ stderr, lines: stdout.trim().split('\n') }).toEqual({
      stderr: '',
      lines: [expect.stringMatching(/^401 .*token_missing/), '200 alice', 'closed'],
    })
  } finally {
    await issuer.close()
  }
})
