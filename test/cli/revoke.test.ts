/** Tests `sallyport revoke` and `sallyport revocations` as somebody calls them at night. */
import { chmodSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { revocationsCommand } from '../../src/cli/revocations.ts'
import { revokeCommand } from '../../src/cli/revoke.ts'
import { atEnd } from '../support/at-end.ts'
import { runCommand } from '../support/gateway/command.ts'
import { bearer, startTestStack, testProvider } from '../support/gateway/gateway.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'
import { folder, HEAD } from '../tools/support.ts'

const ISSUER = 'https://auth.example.com/'
const SECRET = 'the-secret-of-the-operator-0123456789'
const files = folder()
const ROUTES = 'routes: [{ id: all, path: /** }]\n'
const PROVIDED = HEAD.replace('audiences:', 'maxLifetime: 1h, issuerAliases: [https://old.example.com/], audiences:')
const secretFile = files.write('secret', `${SECRET}\nanother-secret-of-32-bytes-0123456789\n`)
chmodSync(secretFile, 0o600)

let written = 0
function configOf(text: string, head = PROVIDED): string {
  written += 1
  return files.write(`config-${written}.yaml`, `${head}${ROUTES}${text}`)
}

const revoke = (config: string, ...args: readonly string[]) => runCommand(revokeCommand, [...args, '-c', config])
const revocations = (config: string, ...args: readonly string[]) =>
  runCommand(revocationsCommand, [...args, '-c', config])

/** A token of alice as anybody could write one. */
function tokenOf(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.AAAA`
}

describe('what cannot be done is wrong usage', () => {
  const config = configOf('')
  test.each<readonly [readonly string[], string]>([
    [['--sub', 'alice'], 'the configuration names nobody to tell; add `store` with `revocation.store`'],
    [[], 'exactly one of --sub, --sid, --client, --jti and --all'],
    [['--sub', 'alice', '--jti', 'a'], 'exactly one of'],
    [['alice'], 'revoke takes options only'],
    [['--sub', ''], '--sub must be text of one line that is not empty'],
    [['--sub', 'a', '--before', 'yesterday'], '--before must be whole seconds since the epoch, or a time'],
    [['--sub', 'a', '--until', '2020-01-01T00:00:00Z'], '--until is past'],
    [['--sub', 'a', '--issuer', 'https://auth.example.com'], `there are ${ISSUER}`],
    [['--sub', 'a', '--wait', '0'], '--wait takes a number of replicas'],
    [['--sub', 'a', '--undo', '--reason', 'x'], 'leave --before, --until and --reason out'],
  ])('revoke %j', async (args, message) => {
    const { code, stderr } = await revoke(config, ...args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  test('the issuer need not be named where two providers share it', async () => {
    const b = `b: { type: jwt, issuer: ${ISSUER}, audiences: [x], keys: { jwksUri: https://auth.example.com/b } }`
    const named = `${PROVIDED.replace('upstreams:', `  ${b}\nupstreams:`)}${ROUTES.replace('/**', '/**, providers: [main]')}`
    const shared = files.write('one-issuer.yaml', named)
    expect((await revoke(shared, '--all')).stderr).toContain('nobody to tell')
  })

  test('the issuer has to be named where there are two', async () => {
    const two = configOf(
      '',
      PROVIDED.replace('upstreams:', '  b: { type: jwt, issuer: https://b.example.com/, audiences: [x] }\nupstreams:'),
    )
    expect((await revoke(two, '--all')).stderr).toContain(`--issuer; there are ${ISSUER}, https://b.example.com/`)
  })

  test('a tenant has to be one that is taken', async () => {
    const head = PROVIDED.replace(
      /main: .*/,
      'main: { type: jwt, issuer: "https://x/{tid}", tenants: { tid: [ours] }, audiences: [a], keys: { jwksUri: https://x/k } }',
    )
    const tenants = configOf('', head)
    expect((await revoke(tenants, '--all')).stderr).toContain('name the issuer')
    expect((await revoke(tenants, '--all', '--issuer', 'https://x/theirs')).stderr).toContain('no provider takes')
    expect((await revoke(tenants, '--all', '--issuer', 'https://x/ours')).stderr).toContain('nobody to tell')
  })

  test.each([
    [['list', 'x'], 'revocations list takes options only'],
    [['check'], 'revocations check takes one token'],
    [['show'], 'write revocations list or revocations check'],
    [['list'], 'the configuration has no section `revocation`'],
  ])('revocations %j', async (args, message) => {
    const { code, stderr } = await revocations(config, ...args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('a file', () => {
  files.write(
    'revoked.yaml',
    `- { issuer: ${ISSUER}, sub: alice, before: 1767225600, reason: laptop stolen }
- { issuer: https://old.example.com/, sub: a-subject-whose-name-is-very-long-indeed, before: 1767225600, until: 4102444800 }
- { issuer: ${ISSUER}, jti: gone, until: 1 }
`,
  )
  const config = configOf('revocation: { file: revoked.yaml }\n')

  test('is listed in lines that fit a terminal, without what is over', async () => {
    const { stdout, code } = await revocations(config, 'list')
    expect(code).toBe(0)
    expect(
      stdout.replace(/in \d+ years/, 'in N years'),
    ).toBe(`  KIND  VALUE                     ISSUED UNTIL          ENDS
https://auth.example.com/
  sub   alice                     2026-01-01T00:00:00Z  with the file
    laptop stolen
https://old.example.com/
  sub   a-subject-whose-name-is…  2026-01-01T00:00:00Z  in N years
`)
    for (const line of stdout.split('\n')) expect([...line].length).toBeLessThanOrEqual(80)
    expect(JSON.parse((await revocations(config, 'list', '--json')).stdout).entries[0]).toEqual({
      source: 'file',
      issuer: ISSUER,
      sub: 'alice',
      before: 1_767_225_600,
      reason: 'laptop stolen',
    })
  })

  test('says which entry revokes a token, whichever spelling of its issuer the token has', async () => {
    const token = tokenOf({ iss: 'https://old.example.com/', sub: 'alice', iat: 1_767_225_600 })
    const { stdout, code } = await revocations(config, 'check', token)
    expect([code, stdout.replace(/\(.*? ago\)/, '(N ago)')]).toEqual([
      1,
      `revoked by sub alice of ${ISSUER}, issued until 2026-01-01T00:00:00Z (N ago), reason: laptop stolen (${files.path}/revoked.yaml)\n`,
    ])
    const json = await revocations(config, 'check', token, '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ revoked: true, entries: [{ sub: 'alice', source: 'file' }] })
  })

  test.each([
    [{ iss: ISSUER, sub: 'alice', iat: 1_767_225_601 }],
    [{ iss: 'https://elsewhere.example.com/', sub: 'alice', iat: 1 }],
    [{ iss: ISSUER, sub: 'bob', jti: 'gone' }],
  ])('does not revoke %j', async claims => {
    const { stdout, code } = await revocations(config, 'check', tokenOf(claims))
    expect([code, stdout]).toEqual([0, expect.stringContaining('not revoked: the file has')])
  })

  test('does not look into what is no token', async () => {
    expect(await revocations(config, 'check', 'opaque')).toMatchObject({ code: 2 })
  })
})

describe('the API of a gateway', () => {
  test('is told of an entry, and of its end', async () => {
    const stack = await startTestStack(of => ({
      providers: { main: { ...testProvider(of), maxLifetime: '24h' } },
      revocation: { api: { tokenFile: secretFile } },
    }))
    atEnd(() => stack.close())
    const { issuer } = stack.issuer
    const configWith = (secret: string): string =>
      configOf(
        `admin: { listen: "${new URL(stack.adminUrl).host}" }\nrevocation: { api: { tokenFile: ${secret} } }\n`,
        PROVIDED.replace(ISSUER, issuer).replace(/issuerAliases: \S+ /, ''),
      )
    const config = configWith('secret')
    const call = async (): Promise<number> =>
      (await stack.request('/private/x', { headers: bearer(await stack.issuer.mint({ sub: 'bob' })) })).status
    expect(await call()).toBe(200)
    const made = await revoke(config, '--sub', 'bob', '--before', '4102444800', '--reason', 'left')
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining(`revoked: sub bob of ${issuer}`) })
    expect(made.stdout).toContain('the gateway here says: applied\nno other gateway hears of it\n')
    expect(await call()).toBe(401)
    const undone = await revoke(config, '--sub', 'bob', '--undo', '--json')
    expect(JSON.parse(undone.stdout)).toMatchObject({ do: 'undo', by: 'api', result: 'undone', scope: 'process' })
    expect(await call()).toBe(200)
    expect((await revoke(config, '--sub', 'bob', '--wait', '1')).stderr).toContain('--wait counts replicas')
    // In a file of its own: the gateway watches the one that both share, and would take a wrong secret for a new one.
    chmodSync(files.write('wrong', 'a-wrong-secret-of-at-least-32-bytes-000'), 0o600)
    await expect(revoke(configWith('wrong'), '--sub', 'bob')).rejects.toThrow('the gateway answers 401')
  })

  test('that is away is a failure, and one on another machine is not called', async () => {
    const away = configOf('admin: { listen: "127.0.0.1:1" }\nrevocation: { api: { tokenFile: secret } }\n')
    await expect(revoke(away, '--sub', 'bob')).rejects.toThrow('the admin listener cannot be reached')
    const elsewhere = configOf('admin: { listen: "192.0.2.7:9090" }\nrevocation: { api: { tokenFile: secret } }\n')
    expect(await revoke(elsewhere, '--sub', 'bob')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is no loopback address'),
    })
  })
})

describe.skipIf(process.env.WITHOUT_STORES === '1')('a store', () => {
  let server: StoreServer
  let config: string
  beforeAll(async () => {
    server = await startStoreServer()
    config = configOf(`store: { url: "${server.url}" }\nrevocation: { whenStale: refuse, store: {} }\n`)
  })
  afterAll(() => server.stop())

  test('gets the entry, lists it, finds it by a token, and forgets it when it is undone', async () => {
    const made = await revoke(config, '--sub', 'alice', '--reason', 'laptop stolen')
    expect(made.code).toBe(0)
    expect(made.stdout).toMatch(
      /^revoked: sub alice of https:\/\/auth\.example\.com\/, issued until \S+Z \(.*?\), kept until \S+Z \(in .*?\), reason: laptop stolen\nwritten to the store as \d+-0\nevery gateway that reads the store has it within a second\n$/,
    )
    const listed = await revocations(config, 'list')
    expect(listed.stdout).toMatch(/ {2}sub {3}alice .*\n {4}\d+-0 {2}laptop stolen\n$/)
    const token = tokenOf({ iss: ISSUER, sub: 'alice', iat: Math.floor(Date.now() / 1000) - 60 })
    expect(await revocations(config, 'check', token)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^revoked by sub alice .*\(store \d+-0\)\n$/),
    })
    expect((await revoke(config, '--sub', 'alice', '--undo')).stdout).toContain(
      `no longer revoked: sub alice of ${ISSUER}`,
    )
    expect((await revocations(config, 'list')).stdout).toBe('nothing is revoked\n')
    expect(await revocations(config, 'check', token)).toMatchObject({ code: 0 })
  })

  test('fails where fewer replicas have the entry than were asked for', async () => {
    const replica = await startStoreServer({ replicaOf: server })
    atEnd(() => replica.stop())
    expect(await revoke(config, '--jti', 'a', '--wait', '1')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 of 1 replicas have it'),
    })
    const { code, stdout } = await revoke(config, '--jti', 'b', '--wait', '2')
    expect([code, stdout]).toEqual([
      1,
      expect.stringContaining('1 of 2 replicas have it\na failover now could lose it'),
    ])
  }, 20_000)

  test('that is away is a failure', async () => {
    const away = configOf('store: { url: "redis://127.0.0.1:1" }\nrevocation: { whenStale: refuse, store: {} }\n')
    await expect(revoke(away, '--sub', 'alice')).rejects.toThrow('the store cannot be reached')
    await expect(revocations(away, 'list')).rejects.toThrow('the store cannot be reached')
  })
})
