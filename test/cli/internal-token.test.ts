/** Tests what commands say of the tokens that the gateway signs: `explain`, `token verify --internal`, `check`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleCommand } from '../../src/cli/bundle.ts'
import { checkCommand } from '../../src/cli/check.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { privateJwk, privatePem } from '../signing/support.ts'
import { runCommand } from '../support/gateway/command.ts'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const keysDir = join(files.path, 'signing')
const JWK = privateJwk('P-256', { kid: 'july' })
const PEM = privatePem()
mkdirSync(keysDir)
writeFileSync(join(keysDir, 'a.jwk'), JWK, { mode: 0o600 })
writeFileSync(join(keysDir, 'b.pem'), PEM, { mode: 0o600 })
/** What must never be seen. */
const SECRETS = [JSON.parse(JWK).d as string, ...PEM.split('\n').filter(line => line.length > 40)]

const TOKEN = { issuer: 'https://orders.internal/', audience: 'orders' }

let stack: TestStack
let inMemory: TestStack
beforeAll(async () => {
  stack = await startTestStack({ identity: { token: { ...TOKEN, keysDir } } })
  inMemory = await startTestStack({ identity: { token: { ...TOKEN, header: 'Authorization' } } })
})
afterAll(() => Promise.all([stack.close(), inMemory.close()]))

/** Writes the configuration of the gateway as somebody beside it has it. */
function fileOf({ issuer, adminUrl }: TestStack, token: object): string {
  const config = {
    listen: '127.0.0.1:8080',
    admin: { listen: new URL(adminUrl).host },
    providers: { main: testProvider(issuer) },
    upstreams: { app: 'http://127.0.0.1:3000' },
    identity: { token: { ...TOKEN, ...token } },
    routes: [{ id: 'all', path: '/**' }],
  }
  return files.write(`config-${JSON.stringify(token).length}.yaml`, JSON.stringify(config))
}

async function told({ request, issuer, upstream }: TestStack, header: string): Promise<string> {
  await request('/private/a', { headers: bearer(await issuer.mint()) })
  return String(upstream.seen.at(-1)?.headers[header]).replace('Bearer ', '')
}

const verify = (...args: readonly string[]) => runCommand(tokenCommand, ['verify', '--internal', ...args])

describe('token verify --internal', () => {
  test('verifies a token by the keys in the folder', async () => {
    const token = await told(stack, 'x-auth-token')
    const { code, stdout } = await verify(token, '-c', fileOf(stack, { keysDir }))
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^valid: a token of the gateway\n {2}iss +"https:\/\/orders/),
    ])
    expect(stdout).toContain('"alice"')
    expect(stdout).toMatch(/^ {2}exp +\d+ {2}\d{4}-.*Z \(in \d+ \w+\)$/m)
  })

  test('and by those of a gateway that runs, whether the file or --admin names it', async () => {
    const token = await told(inMemory, 'authorization')
    expect((await verify(token, '-c', fileOf(inMemory, {}))).code).toBe(0)
    const { code, stdout } = await verify(token, '--admin', inMemory.adminUrl, '--json')
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { verdict: 'valid', claims: { sub: 'alice' } }])
    expect((await verify(token, '--admin', inMemory.adminUrl)).stdout).toContain(
      '`aud` are not judged without --config',
    )
  })

  test('names what is wrong', async () => {
    const token = await told(stack, 'x-auth-token')
    const file = fileOf(stack, { keysDir })
    const of = async (...args: readonly string[]) =>
      (({ code, stdout, stderr }) => [code, stdout + stderr])(await verify(...args))
    expect(await of(token, '--admin', inMemory.adminUrl)).toEqual([
      1,
      expect.stringContaining('refused: none of the keys signed it'),
    ])
    const [head = '', claims = ''] = token.split('.')
    expect(await of(`${head}.${claims}.${'A'.repeat(86)}`, '-c', file)).toEqual([
      1,
      expect.stringContaining('refused: its signature is not that of the key which it names'),
    ])
    expect(await of(token, '-c', fileOf(stack, { keysDir, audience: 'another' }))).toEqual([
      1,
      expect.stringContaining('refused: its `aud` is not that of `identity.token`'),
    ])
    expect(await of(await stack.issuer.mint(), '-c', file)).toEqual([
      1,
      expect.stringContaining('refused: it is not signed by'),
    ])
    expect(await of(token, '--provider', 'main')).toEqual([2, expect.stringContaining('--provider has no effect')])
    expect(await of(token, '--admin', 'http://127.0.0.1:1')).toEqual([2, expect.stringContaining('cannot be reached')])
    expect(await of(token, '--admin', stack.upstream.url)).toEqual([2, expect.stringContaining('no gateway with')])
  })
})

test.each([
  ['x-auth-token', () => fileOf(stack, { keysDir })],
  ['authorization', () => fileOf(inMemory, { header: 'Authorization' })],
])('explain shows the claims of the token that would be sent in %s', async (name, file) => {
  const claims = ['--claims', '{"sub":"alice","azp":"shop"}']
  const { code, stdout } = await runCommand(explainCommand, ['GET', '/a', ...claims, '-c', file(), '--json'])
  expect(code).toBe(0)
  const { headers } = JSON.parse(stdout) as { headers: { added: ReadonlyArray<{ name: string; value: string }> } }
  const added = headers.added.find(line => line.name.toLowerCase() === name)?.value ?? ''
  expect(added).toMatch(/^\(signed by the gateway, with iat, exp and jti\) /)
  expect(JSON.parse(added.slice(added.indexOf('{')))).toEqual({
    ...{ iss: TOKEN.issuer, aud: TOKEN.audience, sub: 'alice', client_id: 'shop', orig_iss: expect.any(String) },
  })
})

test('check warns of keys that others read, of keys that one process has alone, and of a long life', async () => {
  const open = join(files.path, 'open')
  mkdirSync(open)
  writeFileSync(join(open, 'a.jwk'), JWK, { mode: 0o644 })
  const of = async (token: object) => (await runCommand(checkCommand, [fileOf(stack, token)])).stdout
  expect(await of({ keysDir: open })).toMatch(/signing-key-readable.*|identity\.token\.keysDir/)
  expect(await of({ keysDir: open })).toContain('(`a.jwk`)')
  expect(await of({ jwksPath: '/keys' })).toContain('signing-keys-per-process')
  expect(await of({ keysDir, lifetime: '30m' })).toContain('internal-token-long')
  expect(await of({ keysDir, jwksPath: '/keys' })).not.toMatch(/signing-key|internal-token-long/)
})

test('nothing of a private key is seen: not in the log, nor by an operator, nor in a bundle', async () => {
  await told(stack, 'x-auth-token')
  const file = fileOf(stack, { keysDir })
  const bundle = join(files.path, 'bundle.tgz')
  await runCommand(bundleCommand, ['-o', bundle, '-c', file, '--admin', stack.adminUrl])
  const seen = [
    stack.logText(),
    ...(await Promise.all(['/-/status', '/-/jwks', '/metrics', '/'].map(async path => (await stack.admin(path)).text))),
    gunzipSync(readFileSync(bundle)).toString('latin1'),
    (await runCommand(checkCommand, [file])).stdout,
    (await runCommand(explainCommand, ['GET', '/a', '--claims', '{"sub":"a"}', '-c', file])).stdout,
  ]
  expect(seen.map(text => text.length)).not.toContain(0)
  for (const text of seen) for (const secret of SECRETS) expect(text).not.toContain(secret)
})
