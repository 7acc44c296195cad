/** Tests `sallyport sessions` with sessions that browsers have at two gateways and in a real store. */
import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { revokeCommand } from '../../src/cli/revoke.ts'
import { sessionsCommand } from '../../src/cli/sessions.ts'
import { logIn } from '../support/clients/login-walk.ts'
import { runCommand } from '../support/gateway/command.ts'
import { LOGIN_ROUTES, type LoginStack, startLoginStack } from '../support/gateway/login-stack.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'
import { echo, startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import {
  closing,
  openWebSocket,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'
import { folder } from '../tools/support.ts'

const files = folder()
/** How long a test asks for what is bound to come, only not when. */
const SOON = { timeout: 15_000 } as const
const TO_PAGES = LOGIN_ROUTES.map(route => ({ ...route, upstream: 'app' }))
const sessions = (config: string, ...args: readonly string[]) => runCommand(sessionsCommand, [...args, '-c', config])

describe('what cannot be done is wrong usage', () => {
  chmodSync(files.write('session-key', randomBytes(32).toString('hex')), 0o600)
  const issuer = 'https://auth.example.com/'
  const browser = {
    ...{ type: 'session', issuer, client: { id: 'shop', auth: 'basic', secretFile: 'session-key' } },
    ...{ principal: 'main', publicUrl: 'https://shop.example.com', keyFiles: ['session-key'] },
  }
  const main = { type: 'jwt', issuer, audiences: ['a'], keys: { jwksUri: 'https://auth.example.com/jwks' } }
  const configOf = (name: string, providers: object, routes: readonly object[]): string =>
    files.write(name, stringify({ listen: '127.0.0.1:0', upstreams: { app: 'http://127.0.0.1:1' }, providers, routes }))
  const inMemory = configOf('memory.yaml', { main, browser }, [{ id: 'all', path: '/**', providers: ['browser'] }])
  const noLogins = configOf('none.yaml', { main }, [{ id: 'all', path: '/**' }])

  test.each<readonly [readonly string[], string, string]>([
    [['list'], inMemory, 'no command sees the sessions of "browser", which each gateway keeps in its own memory'],
    [['end', '--sub', 'alice'], inMemory, 'sallyport revoke --sub, which tells the gateway by `revocation.api`'],
    [['list'], noLogins, 'the configuration has no provider of type session'],
    [['list', '--provider', 'main'], inMemory, 'the provider "main" is of type jwt, and has no sessions'],
    [['list', '--provider', 'other'], inMemory, 'there is no provider "other"; there are main, browser'],
    [['end'], inMemory, 'say which sessions end by one of --sub and --all'],
    [['end', '--all', '--sub', 'alice'], inMemory, 'one of --sub and --all'],
    [['end', '--sub', ''], inMemory, '--sub takes the subject'],
    [['list', '--all'], inMemory, 'leave --all out'],
    [['show'], inMemory, 'sessions list or sessions end'],
    [['list', 'alice'], inMemory, 'sessions list takes options only'],
  ])('sessions %j', async (args, config, message) => {
    const { code, stdout, stderr } = await sessions(config, ...args)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)])
  })

  test('but the remedy needs no issuer, which the provider of the tokens has, too', async () => {
    const { stderr } = await runCommand(revokeCommand, ['--sub', 'alice', '-c', inMemory])
    expect(stderr).toContain('the configuration names nobody to tell; add `store`')
  })
})

describe.skipIf(process.env.WITHOUT_STORES === '1')('sessions in a store', () => {
  let server: StoreServer
  let sockets: WebSocketService
  let pages: TestUpstream
  let stack: LoginStack
  let config: string
  beforeAll(async () => {
    server = await startStoreServer()
    sockets = await startWebSocketService()
    pages = await startTestUpstream(echo)
    stack = await startLoginStack({
      gateways: 2,
      session: { store: 'shared' },
      routes: [{ id: 'live', path: '/live', providers: ['browser'], upstream: 'sockets' }, ...TO_PAGES],
      config: { store: { url: server.url }, upstreams: { app: pages.url, sockets: sockets.url } },
    })
    config = stack.gateways[0]?.file ?? ''
  }, 60_000)
  afterAll(() => Promise.all([stack.close(), sockets.close(), pages.close(), server.stop()]))

  const [first, second] = [() => stack.urls[0] ?? '', () => stack.urls[1] ?? '']

  async function loggedIn(login: string): Promise<string> {
    stack.provider.set({ login })
    return (await logIn(`${first()}/page`)).cookie
  }

  async function statusOf(url: string, cookie: string): Promise<number> {
    const { statusCode, body } = await request(`${url}/api/x`, { headers: { cookie, accept: 'application/json' } })
    await body.dump()
    return statusCode
  }

  test('are listed by provider and subject, and nothing in the output opens anything', async () => {
    expect((await sessions(config, 'list')).stdout).toBe('nobody is logged in\n')
    const cookies = [await loggedIn('carol'), await loggedIn('alice'), await loggedIn('alice')]
    const { code, stdout } = await sessions(config, 'list')
    expect(code).toBe(0)
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^ {2}SUBJECT {2}SINCE {17}LAST USED +REFRESHES$/),
      'browser',
      expect.stringMatching(/^ {2}alice {4}20\S+Z {2}(?:now|\d+ seconds? ago) +0$/),
      expect.stringMatching(/^ {2}alice {4}20\S+Z {2}(?:now|\d+ seconds? ago) +0$/),
      expect.stringMatching(/^ {2}carol {4}20\S+Z {2}(?:now|\d+ seconds? ago) +0$/),
      '',
    ])
    const json = (await sessions(config, 'list', '--sub', 'carol', '--provider', 'browser', '--json')).stdout
    expect(JSON.parse(json)).toEqual([
      {
        provider: 'browser',
        issuer: stack.provider.issuer,
        sub: 'carol',
        created: expect.stringMatching(/Z$/),
        lastUsed: expect.stringMatching(/Z$/),
        refreshes: 0,
      },
    ])
    const handles = (await server.command('KEYS', '*session:*')) as readonly string[]
    expect(handles).toHaveLength(3)
    for (const secret of [...cookies, ...handles.map(each => String(each).split(':').at(-1))])
      expect(stdout + json).not.toContain(secret)
  }, 30_000)

  test('end on every gateway with their streams, while those of others go on', async () => {
    const alice = await loggedIn('alice')
    const bob = await loggedIn('bob')
    // The second gateway finds the sessions in the store.
    expect([await statusOf(second(), alice), await statusOf(second(), bob)]).toEqual([200, 200])
    const handshake = (cookie: string) => ({ headers: { cookie, origin: second() } })
    const ends = closing(await openWebSocket(`${second()}/live`, handshake(alice)))
    const goesOn = await openWebSocket(`${second()}/live`, handshake(bob))
    const { code, stdout } = await sessions(config, 'end', '--sub', 'alice')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^ended: \d sessions of alice\nrevoked: sub alice of http:\S+, issued until \S+Z \(.*?\), kept until \S+Z \(in .*?\)\nwritten to the store as \d+-0\nevery gateway that reads the store has it within a second\n$/,
    )
    expect((await ends).code).toBe(1008)
    for (const url of [first(), second()]) {
      await expect.poll(() => statusOf(url, alice), SOON).toBe(401)
      expect(await statusOf(url, bob)).toBe(200)
    }
    expect(goesOn.readyState).toBe(goesOn.OPEN)
    goesOn.terminate()
    const { stdout: left } = await sessions(config, 'list')
    expect(left).toContain('bob')
    expect(left).not.toContain('alice')
  }, 30_000)

  test('end for everybody, and whoever has none is no failure', async () => {
    const dora = await loggedIn('dora')
    expect(await statusOf(second(), dora)).toBe(200)
    const { stdout } = await sessions(config, 'end', '--all', '--json')
    const { ended, written } = JSON.parse(stdout)
    expect(ended.map(({ sub }: { readonly sub: string }) => sub)).toContain('dora')
    expect(written).toEqual([
      {
        id: expect.stringMatching(/^\d+-0$/),
        issuer: stack.provider.issuer,
        client: stack.provider.clientId,
        before: expect.any(Number),
        until: expect.any(Number),
      },
    ])
    for (const url of [first(), second()]) await expect.poll(() => statusOf(url, dora), SOON).toBe(401)
    expect((await sessions(config, 'list')).stdout).toBe('nobody is logged in\n')
    const nobody = await sessions(config, 'end', '--sub', 'nobody')
    expect([nobody.code, nobody.stdout]).toEqual([0, expect.stringMatching(/^ended: 0 sessions of nobody\n/)])
  }, 30_000)

  test('end without the right to look for them, which the command then asks for', async () => {
    // Whoever logs in within a second of an end for everybody is meant by it, too.
    await new Promise(resolve => setTimeout(resolve, 1_100))
    const frank = await loggedIn('frank')
    expect(await statusOf(second(), frank)).toBe(200)
    await server.command('ACL', 'SETUSER', 'default', '-scan')
    try {
      const missing =
        'the store does not allow this user all that is needed; add to its access control list `+scan ~{sallyport}:session:*`'
      await expect(sessions(config, 'list')).rejects.toThrow(missing)
      const { code, stdout } = await sessions(config, 'end', '--sub', 'frank')
      expect([code, stdout]).toEqual([
        0,
        expect.stringContaining(
          `ended: all sessions of frank, which cannot be counted: ${missing}\nrevoked: sub frank`,
        ),
      ])
      for (const url of [first(), second()]) await expect.poll(() => statusOf(url, frank), SOON).toBe(401)
      const { notListed, ended, written } = JSON.parse(
        (await sessions(config, 'end', '--sub', 'frank', '--json')).stdout,
      )
      expect([notListed, ended, written]).toEqual([missing, undefined, [expect.objectContaining({ sub: 'frank' })]])
    } finally {
      await server.command('ACL', 'SETUSER', 'default', '+scan')
    }
  }, 30_000)

  test('that other keys have sealed are counted, and are not said to be of anybody', async () => {
    stack.provider.set({ login: 'erin' })
    // Whoever logs in within the second of an end for everybody is meant by it, too.
    const logsIn = async () => statusOf(first(), (await logIn(`${first()}/page`)).cookie)
    await expect.poll(logsIn, SOON).toBe(200)
    const second = stack.gateways[1]
    second?.write('other-key', randomBytes(32).toString('hex'))
    chmodSync(`${second?.folder}/other-key`, 0o600)
    expect((await sessions(config, 'list')).stdout).toContain('erin')
    second?.write('other.yaml', readFileSync(second.file, 'utf8').replace('- session-key', '- other-key'))
    expect((await sessions(`${second?.folder}/other.yaml`, 'list')).stdout).toBe(
      'nobody is logged in\n1 session cannot be opened with the `keyFiles` of this configuration\n',
    )
  }, 30_000)

  test('are out of reach with the store', async () => {
    await server.kill()
    await expect(sessions(config, 'list')).rejects.toThrow('the store cannot be reached')
    await expect(sessions(config, 'end', '--sub', 'alice')).rejects.toThrow('the store cannot be reached')
  }, 30_000)
})
