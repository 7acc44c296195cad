/** Tests what `identity.token` may say, alone and beside the rest of the file, and the words for what it may not. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'
import { privateJwk, privatePem } from '../../signing/support.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-token-'))
afterAll(() => rmSync(folder, { recursive: true }))

function keys(name: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(join(folder, name))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text, { mode: 0o600 })
  return name
}

const TOKEN = { issuer: 'https://orders.internal/', audience: 'https://orders.internal' }

function configWith(token: object, more: object = {}, identity: object = {}): string {
  return JSON.stringify({
    listen: '127.0.0.1:8080',
    providers: { main: { type: 'jwt', issuer: 'https://auth.example', audiences: ['a'] } },
    upstreams: { app: 'http://127.0.0.1:3000' },
    identity: { token: { ...TOKEN, ...token }, ...identity },
    routes: [{ id: 'all', path: '/**' }],
    ...more,
  })
}

function load(text: string) {
  return loadConfig({ text, file: join(folder, 'sallyport.yaml'), env: {} })
}

function problems(...written: Parameters<typeof configWith>): readonly string[] {
  try {
    load(configWith(...written))
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.join('.').replace('identity.token.', '')}: ${message}`)
  }
}

test('it needs an issuer and an audience, and has defaults for the rest', () => {
  expect(load(configWith({})).identity.token).toEqual({
    ...TOKEN,
    ...{ header: 'X-Auth-Token', lifetime: 300_000, algorithm: 'ES256' },
    claims: { sub: 'sub', scope: 'scope', client_id: 'client_id' },
  })
})

test('a relative folder starts at that of the file', () => {
  keys('relative', { 'a.jwk': privateJwk() })
  expect(load(configWith({ keysDir: 'relative' })).identity.token?.keysDir).toBe(join(folder, 'relative'))
})

describe('a slip', () => {
  test.each([
    [{ issuer: undefined }, 'issuer: is missing'],
    [{ algorithm: 'RS256' }, 'algorithm: is no choice: RSA takes twenty times as long to sign; use ES256'],
    [{ algorithm: 'HS256' }, 'algorithm: is no choice: whoever can check a shared secret can sign with it'],
    [{ algorithm: 'ES265' }, 'algorithm: is not supported; use ES256 or EdDSA. Did you mean "ES256"?'],
    [{ lifetime: '10s' }, 'lifetime: must be at least `30s`'],
    [{ lifetime: '2h' }, 'lifetime: must be at most `1h`'],
    [{ header: 'Cookie' }, 'header: has a meaning of its own and cannot carry a token'],
    [{ header: 'X Token' }, 'header: is no header name'],
    [{ claims: { exp: 'exp' } }, 'claims.exp: is set by the gateway itself; choose another name'],
    [{ claims: { tenant: '/org~2' } }, 'claims.tenant: is an invalid JSON Pointer'],
    [{ issuer: 'https://auth.example' }, 'issuer: is the issuer of provider `main`'],
    [{ header: 'x_auth_subject' }, 'header: is read as the same header as `X-Auth-Subject` by many services'],
    [{ jwksPath: '/keys/:id' }, 'jwksPath: must be one path'],
  ])('%j', (token, message) => {
    const found = problems(token)
    expect(found).toEqual([expect.stringContaining(message)])
  })

  test('a header that many read as one of the others', () => {
    expect(problems({ header: 'x_user' }, {}, { headers: { 'X-User': 'sub' } })).toEqual([
      'header: is read as the same header as `X-User` by many services; give it a name of its own',
    ])
  })

  test('a path that is taken already', () => {
    const routes = [
      { id: 'all', path: '/**' },
      { id: 'keys', path: '/Keys' },
    ]
    expect(problems({ jwksPath: '/keys' }, { routes })).toEqual([
      expect.stringContaining('is a path that has another use'),
    ])
    expect(problems({ jwksPath: '/other' }, { routes })).toEqual([])
  })

  test('several processes without a folder', () => {
    expect(problems({}, { workers: 2 })).toEqual([expect.stringContaining('keysDir: is needed with `workers`')])
    keys('shared', { 'a.jwk': privateJwk() })
    expect(problems({ keysDir: 'shared' }, { workers: 2 })).toEqual([])
  })

  test('two tokens in one header', () => {
    const routes = [
      { id: 'all', path: '/**' },
      { id: 'own', path: '/own', access: 'public', passAuthorization: true },
    ]
    for (const header of ['Authorization', 'authorization'])
      expect(problems({ header }, { routes }, { forwardToken: true })).toEqual([
        expect.stringMatching(
          /^identity\.forwardToken: has no effect while `identity\.token\.header` is `Authorization`/,
        ),
        expect.stringMatching(/^routes\.1\.passAuthorization: cannot be set while/),
      ])
    expect(problems({ header: 'Authorization' })).toEqual([])
  })
})

describe('a folder', () => {
  const edwards = keys('edwards', { 'a.pem': privatePem('Ed25519') })
  const copied = keys('copied', {
    'a.jwk': privateJwk('P-256', { kid: 'a' }),
    'b.jwk': privateJwk('P-256', { kid: 'a' }),
  })
  const mixed = keys('mixed', { 'README.md': 'the keys', 'a.pem': privatePem() })
  const mounted = keys('mounted', { 'a.pem': privatePem(), '.hidden': 'of Kubernetes' })
  mkdirSync(join(folder, mounted, '..data'))
  mkdirSync(join(folder, mounted, 'lost+found'))
  const open = keys('open', {})
  writeFileSync(join(folder, open, 'a.jwk'), privateJwk(), { mode: 0o666 })
  mkdirSync(join(folder, 'empty'))

  test.each([
    ['nowhere', 'ES256', 'keysDir: cannot be read: there is no such file or folder (ENOENT)'],
    ['empty', 'ES256', 'keysDir: holds no key; put a private key of EC P-256 (`openssl genpkey'],
    [edwards, 'ES256', 'keysDir: holds no key for ES256; put a private key of EC P-256'],
    [copied, 'ES256', 'keysDir: has a file `b.jwk` that holds the key, or one with the `kid`, of `a.jwk`'],
    [mixed, 'ES256', 'keysDir: has a file `README.md` that holds no private key, as a JWK or as PEM'],
    ['open', 'ES256', 'keysDir: has a file `a.jwk` that can be written by others'],
  ])('%s for %s is refused', (keysDir, algorithm, message) => {
    // A umask of this process may have taken away what the test is about.
    if (keysDir === 'open' && (process.umask() & 0o022) !== 0) return
    expect(problems({ keysDir, algorithm })).toEqual([expect.stringContaining(message)])
  })

  test.each([
    [edwards, 'EdDSA'],
    [mounted, 'ES256'],
  ])('%s for %s is taken', (keysDir, algorithm) => {
    expect(problems({ keysDir, algorithm })).toEqual([])
  })
})
