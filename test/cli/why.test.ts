/** Tests `sallyport why` and `sallyport tail` as a user calls them, on running gateways. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { tailCommand } from '../../src/cli/tail.ts'
import { whyCommand } from '../../src/cli/why.ts'
import { atEnd } from '../support/at-end.ts'
import { type CommandOptions, runCommand } from '../support/gateway/command.ts'
import {
  bearer,
  startTestGateway,
  startTestStack,
  type TestGateway,
  type TestStack,
} from '../support/gateway/gateway.ts'
import { sallyport } from '../support/gateway/running.ts'
import { freePort } from '../support/services/free-port.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()
const ROUTES = [{ id: 'orders', path: '/orders/**' }]
let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack({ admin: { listen: '127.0.0.1:0', console: { subjects: 'plain' } } })
  await stack.logged({ provider: 'main', to: 'fresh' })
})
afterAll(() => stack.close())

/** A command throws what `main.ts` prints as a failure at run time. */
async function failed(command: Command, ...args: readonly string[]): Promise<string> {
  const { message } = await runCommand(command, args).then(
    ({ stdout }) => new Error(`it did not fail: ${stdout}`),
    (error: Error) => error,
  )
  return message
}

async function refused(
  id: string,
  path: string,
  { from = stack, ...init }: { from?: TestGateway; headers?: Record<string, string>; method?: string } = {},
) {
  await from.request(path, { ...init, headers: { ...init.headers, 'x-request-id': id } })
  await from.logged({ request_id: id })
}

describe('why', () => {
  test('tells what was asked, decided, wanted and seen, what to do, and how to see it decided', async () => {
    const token = await stack.issuer.mint({ sub: 'ali\u202ece\u001b[31m' })
    await refused('first-one', '/orders/17', { method: 'DELETE', headers: bearer(token) })
    const { code, stdout, stderr } = await runCommand(whyCommand, ['first-one', '--admin', stack.adminUrl])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^403 scope_missing {2}\S/)
    for (const line of [
      /^ {2}request {6}DELETE \/orders\/17$/m,
      /^ {2}route {8}orders-write$/m,
      /^ {2}caller {7}ali\?ce\?\[31m$/m,
      /^ {2}client {7}127\.0\.0\.1$/m,
      /^ {2}missing {6}orders:write$/m,
      /^ {2}remedy {7}Have the client ask for a token with the missing scopes/m,
      /^ {2}sallyport explain DELETE \/orders\/17 --token @token\.txt$/m,
    ])
      expect(stdout).toMatch(line)
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/)
    const json = await runCommand(whyCommand, ['first-one', '--admin', stack.adminUrl, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject([{ request_id: 'first-one', code: 'scope_missing' }])
  })

  test('names the remedy where there is one', async () => {
    await refused('second-one', '/orders/1', { headers: bearer('not.a.token') })
    const { stdout } = await runCommand(whyCommand, ['second-one', '--admin', stack.adminUrl])
    expect(stdout).toMatch(/^401 token_malformed/)
    expect(stdout).toMatch(/^ {2}remedy {6}Check that this is the whole access token/m)
  })

  test('writes the moments of a token as moments', async () => {
    await refused('late-one', '/orders/1', { headers: bearer(await stack.issuer.mint({ iat: 1000, exp: 2000 })) })
    const { stdout } = await runCommand(whyCommand, ['late-one', '--admin', stack.adminUrl])
    expect(stdout).toMatch(/^ {2}exp {9}1970-01-01T00:33:20Z \(\d\d years ago\)$/m)
  })

  test('says what to do when nothing is remembered', async () => {
    const { code, stdout, stderr } = await runCommand(whyCommand, ['never\u001b[2J', '--admin', stack.adminUrl])
    expect([code, stdout]).toEqual([1, ''])
    for (const part of ['another replica', 'admin.console.recent', 'access log', '(20']) expect(stderr).toContain(part)
    expect(stderr).not.toContain('\u001b')
  })

  test('finds the listener in the configuration, and says what is missing in it', async () => {
    const { port } = new URL(stack.adminUrl)
    const withAdmin = (admin: string) => files.write('sallyport.yaml', `${admin}\n${textOf('{ id: a, path: /** }')}`)
    for (const host of ['0.0.0.0', '127.0.0.1']) {
      const args = ['first-one', '-c', withAdmin(`admin: { listen: "${host}:${port}", console: {} }`)]
      expect((await runCommand(whyCommand, args)).stdout).toContain('scope_missing')
    }
    const missing = async (admin: string) => (await runCommand(whyCommand, ['x', '-c', withAdmin(admin)])).stderr
    expect(await missing('log: { access: all }')).toContain('no `admin` listener')
    expect(await missing('admin: { listen: "127.0.0.1:9090" }')).toContain('console: {}')
    expect(await missing('admin: { listen: "127.0.0.1:0", console: {} }')).toContain('any free port')
  })

  test('says so when a gateway remembers nothing, is not there, or is something else', async () => {
    const without = await startTestGateway({
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ ...ROUTES[0], access: 'public' }],
    })
    atEnd(without.close)
    expect(await failed(whyCommand, 'x', '--admin', without.adminUrl)).toContain('`console: {}`')
    expect(await failed(whyCommand, 'x', '--admin', stack.url)).toContain('where the gateway takes requests')
    const port = await freePort()
    expect(await failed(whyCommand, 'x', '--admin', `http://127.0.0.1:${port}`)).toContain('ECONNREFUSED')
    expect(await failed(whyCommand, 'x', '--admin', 'unix:/nowhere/admin.sock')).toContain('ENOENT')
    const stranger = createServer((_request, response) => response.end('<html>\u001b[2J'))
    await once(stranger.listen(0, '127.0.0.1'), 'listening')
    atEnd(() => stranger.close())
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    expect(await failed(whyCommand, 'x', '--admin', url)).toBe(`${url} answered something else than JSON`)
    for (const odd of ['https://127.0.0.1:9090', '127.0.0.1:9090', 'http://a:b@127.0.0.1/', 'http://127.0.0.1/x'])
      expect(await runCommand(whyCommand, ['x', '--admin', odd])).toMatchObject({ code: 2 })
    expect(await runCommand(whyCommand, [])).toMatchObject({ code: 2 })
    const env = { SALLYPORT_CONFIG: '/nowhere/sallyport.yaml' }
    const lost = await runCommand(whyCommand, ['x'], { env })
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining('there is no /nowhere/sallyport.yaml; name')])
  })
})

describe('tail', () => {
  /** Resolves when the command has printed something like that. */
  type Printed = (pattern: RegExp) => Promise<void>

  /** Runs the command until its output matches, and then ends it as Ctrl+C does. */
  async function tailed(args: readonly string[], until: RegExp, meanwhile: (printed: Printed) => unknown = () => {}) {
    let output = ''
    const waiting = new Map<RegExp, () => void>()
    const look = (): void => {
      for (const [pattern, resolve] of waiting) if (pattern.test(output)) resolve()
    }
    const printed: Printed = pattern => {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(pattern, resolve)
      look()
      return promise
    }
    const onOutput: CommandOptions['onOutput'] = soFar => {
      output = soFar
      look()
    }
    const running = runCommand(tailCommand, args, { stopped: printed(until), onOutput })
    await meanwhile(printed)
    return running
  }

  test('shows a line for each refusal with its reason, those of one route and code, and nothing that moves a cursor', async () => {
    await refused('third-one', '/orders/1', {
      method: 'DELETE',
      headers: bearer(await stack.issuer.mint({ sub: '\u001b[2Jbob' })),
    })
    await refused('fourth-one', '/private/1')
    const { code, stdout } = await tailed(['--admin', stack.adminUrl], /fourth-one/)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^[\d:.]{12} 403 scope_missing DELETE \/orders\/1 requirement=scopes missing=orders:write route=orders-write caller=main\/\S*bob client=127\.0\.0\.1 id=third-one$/m,
    )
    expect(stdout).toMatch(/^[\x20-\x7e\ufffd\n]*$/)
    const args = ['--admin', stack.adminUrl, '--route', 'private', '--code', 'token_missing', '--json']
    const filtered = await tailed(args, /fifth-one/, () => refused('fifth-one', '/private/2'))
    const told = filtered.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(told.map(({ request_id }) => request_id)).toEqual(['fourth-one', 'fifth-one'])
  })

  test('quotes what a stranger wrote so that it looks like members of the line', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const iss = 'https://a route=admin caller=main/root id=other'
    const token = `${part({ alg: 'ES256', kid: 'a' })}.${part({ iss, aud: 'a', exp: 9_999_999_999 })}.${part({})}`
    await refused('forged-one', '/orders/1', { headers: bearer(token) })
    const { stdout } = await tailed(['--admin', stack.adminUrl], /forged-one/)
    expect(stdout).toContain(` issuer_unknown GET /orders/1 iss=${JSON.stringify(iss)} route=`)
  })

  test('goes on when the gateway starts again, and tells nothing twice', async () => {
    const admin = `127.0.0.1:${await freePort()}`
    const again = () =>
      startTestGateway({
        admin: { listen: admin, console: {} },
        upstreams: { app: 'http://127.0.0.1:1' },
        providers: {
          main: { type: 'jwt', issuer: stack.issuer.issuer, audiences: ['x'], keys: { jwksUri: stack.issuer.jwksUri } },
        },
        routes: ROUTES,
      })
    const before = await again()
    await refused('before', '/orders/1', { from: before })
    const { stdout, stderr } = await tailed(['--admin', `http://${admin}`], /id=after/, async printed => {
      await printed(/id=before/)
      await before.close()
      const after = await again()
      atEnd(after.close)
      await refused('after', '/orders/2', { from: after })
    })
    expect([...stdout.matchAll(/ id=(\S+)$/gm)].map(([, id]) => id)).toEqual(['before', 'after'])
    expect(stderr).toBe(`http://${admin} has ended the stream; waiting for it\nhttp://${admin} is back\n`)
  })

  test('needs a gateway to begin with, a code that there is, and takes Ctrl+C', async () => {
    expect(await failed(tailCommand, '--admin', `http://127.0.0.1:${await freePort()}`)).toContain('ECONNREFUSED')
    expect(await runCommand(tailCommand, ['--admin', stack.adminUrl, '--code', 'scope_mising'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean "scope_missing"?'),
    })
    const running = sallyport(['tail', '--admin', stack.adminUrl], { env: { FORCE_COLOR: '1' } })
    await running.printed(/id=\S*first-one/)
    running.child.kill('SIGINT')
    expect(await running.exited).toBe(0)
    expect(running.stdout()).toContain('\u001b[33m403 scope_missing\u001b[39m')
  })
})
