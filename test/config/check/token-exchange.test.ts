/** Tests what `exchange` of an upstream may say, alone and beside the rest, and the words for what it may not. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-exchange-'))
writeFileSync(join(folder, 'secret'), 'a-secret\n', { mode: 0o600 })
writeFileSync(join(folder, 'empty'), '', { mode: 0o600 })
afterAll(() => rmSync(folder, { recursive: true }))

const CLIENT = { id: 'gateway', auth: 'basic', secretFile: 'secret' }
const MAIN = { type: 'jwt', issuer: 'https://auth.example', audiences: ['a'] }
const URL_OF_APP = 'http://127.0.0.1:3000'

function configWith(exchange: object, more: object = {}, providers: object = {}): string {
  return JSON.stringify({
    listen: '127.0.0.1:8080',
    providers: { main: MAIN, ...providers },
    upstreams: { app: { url: URL_OF_APP, exchange: { provider: 'main', client: CLIENT, ...exchange } } },
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
    return error.problems.map(
      ({ path, message }) => `${path.join('.').replace('upstreams.app.exchange', 'it')}: ${message}`,
    )
  }
}

test('it needs a provider and a client, and takes one audience or a list', () => {
  const { exchange } = load(configWith({ audience: 'https://billing', scope: ['read', 'write'] })).upstreams.app ?? {}
  expect(exchange).toEqual({
    ...{ provider: 'main', audience: ['https://billing'], scope: ['read', 'write'], timeout: 2_000 },
    client: { ...CLIENT, secretFile: join(folder, 'secret') },
  })
  expect(problems({ provider: undefined, client: undefined }).map(each => each.split(' ')[0])).toEqual([
    'it.provider:',
    'it.client:',
  ])
})

describe('where tokens are exchanged', () => {
  test('is a provider of the file', () => {
    expect(problems({ provider: 'mian' })).toEqual([
      'it.provider: names no provider; there is main. Did you mean "main"?',
    ])
  })

  test('is no trust domain', () => {
    const workloads = {
      ...{ type: 'spiffe', trustDomain: 'example.org', audiences: ['a'] },
      bundle: { url: 'https://spire.example.org/' },
    }
    expect(problems({ provider: 'workloads' }, {}, { workloads })).toEqual([
      'it.provider: is a SPIFFE trust domain, which issues no tokens for others; name the provider of a server that does',
    ])
  })

  test.each<[string, object]>([
    ['keys from elsewhere', { keys: { jwksUri: 'https://keys.example/jwks' } }],
    [
      'an issuer for each tenant',
      { issuer: 'https://auth.example/{tid}', tenants: { tid: ['acme'] }, keys: { jwksUri: 'https://k.example/' } },
    ],
  ])('has to be written for a provider with %s', (_name, members) => {
    expect(problems({}, {}, { main: { ...MAIN, ...members } })).toEqual([
      'it.endpoint: is missing: the metadata of provider `main` are not discovered; write the URL of its token endpoint',
    ])
    expect(problems({ endpoint: 'https://auth.example/token' }, {}, { main: { ...MAIN, ...members } })).toEqual([])
  })

  test('is `https:`, on this machine, or where the provider trusts the network', () => {
    expect(problems({ endpoint: 'http://127.0.0.1:9/token' })).toEqual([])
    expect(problems({ endpoint: 'http://auth.internal/token' })).toEqual([
      'it.endpoint: must be an `https:` URL (or set `keys.allowInsecureHttp: true` of the provider to trust the network)',
    ])
    const trusting = { ...MAIN, keys: { allowInsecureHttp: true } }
    expect(problems({ endpoint: 'http://auth.internal/token' }, {}, { main: trusting })).toEqual([])
  })
})

describe('beside it', () => {
  test.each([
    [{ identity: { forwardToken: true } }, /^identity\.forwardToken: cannot be set while an upstream has `exchange`/],
    [
      { identity: { token: { issuer: 'https://a/', audience: 'a', header: 'authorization' } } },
      /^identity\.token\.header: cannot be `Authorization` while/,
    ],
    [
      { routes: [{ id: 'p', path: '/**', access: 'public', passAuthorization: true }] },
      /^routes\.0\.passAuthorization: cannot be set: upstream `app` has `exchange`/,
    ],
  ])('%j is an error', (more, expected) => {
    expect(problems({}, more)).toEqual([expect.stringMatching(expected)])
  })

  test('another upstream gets what its routes pass', () => {
    const both = JSON.parse(configWith({})).upstreams
    const routes = [
      { id: 'p', path: '/p', access: 'public', passAuthorization: true, upstream: 'other' },
      { id: 'a', path: '/**', upstream: 'app' },
    ]
    expect(problems({}, { upstreams: { ...both, other: URL_OF_APP }, routes })).toEqual([])
  })
})

test.each([
  [{ client: { ...CLIENT, auth: 'bearer', tokenFile: 'secret' } }, 'it.client.auth'],
  [{ client: { ...CLIENT, secretFile: 'empty' } }, 'it.client.secretFile'],
  [{ client: { ...CLIENT, secretFile: 'missing' } }, 'it.client.secretFile'],
  [{ client: { id: 'gateway', auth: 'private_key_jwt', keyFile: 'secret' } }, 'it.client.keyFile'],
  [{ scope: 'billing:read billing:write' }, 'it.scope'],
  [{ audience: [] }, 'it.audience'],
  [{ timeout: '2m' }, 'it.timeout'],
  [{ caFile: 'secret' }, 'it.caFile'],
])('%j is a slip, and no content of a file is told', (exchange, place) => {
  const [problem = '', ...more] = problems(exchange)
  expect([problem.split(': ')[0], more]).toEqual([place, []])
  expect(problem).not.toContain('a-secret')
})
