/** Tests what a provider may say about a SPIFFE trust domain, and the words for what it may not. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-spiffe-'))
afterAll(() => rmSync(folder, { recursive: true }))

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const authority = { ...pair.publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid: 'k1' }
const file = (name: string, content: unknown) =>
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
file('bundle.json', { keys: [authority] })
file('revoked.json', { keys: [] })
file('private.json', { keys: [authority, { ...authority, d: 'x', kid: 'k2' }] })
file('pem.json', '-----BEGIN CERTIFICATE-----')
file('token', 'a-token\n')

const URL = 'https://spire.example.org/bundle'
const WORKLOADS = { type: 'spiffe', trustDomain: 'example.org', audiences: ['orders'], bundle: { url: URL } }

function problemsIn(providers: object): readonly string[] {
  const config = {
    listen: '127.0.0.1:8080',
    providers,
    upstreams: { app: 'http://127.0.0.1:3000' },
    routes: [{ id: 'all', path: '/**' }],
  }
  try {
    loadConfig({ text: JSON.stringify(config), file: join(folder, 'sallyport.yaml'), env: {} })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw error
  }
}

/** @returns the problems of one provider, named from there */
function problems(settings: object): readonly string[] {
  return problemsIn({ main: { ...WORKLOADS, ...settings } }).map(text => text.replace(/^providers\.main\./, ''))
}

const NO_DOMAIN =
  'trustDomain: is no trust domain, whose name has lower-case letters, digits, `.`, `-` and `_` alone, at most 255'
const SECOND = 'bundle.file: is a second place of the bundle; keep one of url, file'
const NONE = 'bundle: names no bundle; give `url`, where the trust domain publishes it, or `file`'
const INSECURE = 'bundle.url: must be an `https:` URL (or set `bundle.allowInsecureHttp: true` to trust the network)'

describe('a trust domain', () => {
  test.each<object>([
    {},
    { bundle: { url: 'http://127.0.0.1:8081/' } },
    { bundle: { url: 'http://spire.example.org/', allowInsecureHttp: true } },
    { bundle: { url: URL, bearerFile: 'token', cacheFile: 'cache.json', refresh: '1m', maxStale: '1h' } },
    { bundle: { file: 'bundle.json' } },
    { bundle: { file: 'revoked.json' } },
    { trustDomain: 'a_b-c.1', maxLifetime: '1h', requiredClaims: ['iat'], clockTolerance: '1s', scopeClaim: 'scp' },
  ])('may say %j', settings => {
    expect(problems(settings)).toEqual([])
  })

  test.each<readonly [object, string]>([
    [{ trustDomain: 'spiffe://example.org' }, `${NO_DOMAIN}; write \`example.org\``],
    [{ trustDomain: 'Example.org' }, `${NO_DOMAIN}; write \`example.org\``],
    [{ trustDomain: 'example.org:8443' }, `${NO_DOMAIN}; write \`example.org\``],
    [{ trustDomain: 'https://spire.example.org/' }, `${NO_DOMAIN}; write \`spire.example.org\``],
    [{ trustDomain: 'exämple' }, NO_DOMAIN],
    [{ bundle: {} }, NONE],
    [{ bundle: { url: URL, file: 'bundle.json' } }, SECOND],
    [{ bundle: { url: 'http://spire.example.org/' } }, INSECURE],
    [{ bundle: { url: URL, maxStale: '1m' } }, 'bundle.maxStale: must not be shorter than `refresh`'],
    [{ bundle: { file: 'bundle.json', bearerFile: 'token' } }, 'bundle.bearerFile: has no effect with `file`'],
    [{ bundle: { file: 'private.json' } }, 'bundle.file: holds a private or secret key; it must hold public keys only'],
    [{ bundle: { file: 'pem.json' } }, 'bundle.file: is not JSON; it holds PEM'],
    [{ bundle: { file: 'nowhere.json' } }, 'bundle.file: cannot be read'],
    [{ audiences: [] }, 'audiences: must not be empty'],
    [{ issuer: 'https://spire.example.org' }, 'issuer: is not'],
  ])('may not say %j', (settings, expected) => {
    expect(problems(settings)).toEqual([expect.stringContaining(expected)])
  })

  test('is that of one provider', () => {
    expect(problemsIn({ one: WORKLOADS, two: { ...WORKLOADS, audiences: ['other'] } })).toEqual([
      'providers.two.trustDomain: is that of provider `one` already, and its tokens belong to one provider; keep one of the two, with the `audiences` of both',
    ])
  })

  test('is another one than an issuer of that name', () => {
    const issuer = { type: 'jwt', issuer: 'spiffe://example.org', audiences: ['a'], keys: { jwksUri: URL } }
    expect(problemsIn({ one: WORKLOADS, two: issuer })).toEqual([])
  })

  test('is where nobody logs in', () => {
    file('session-key', 'x'.repeat(32))
    const client = { auth: 'basic', id: 'gateway', secretFile: 'token' }
    const login = {
      ...{ type: 'session', issuer: 'https://auth.example', client, principal: 'one' },
      ...{ publicUrl: 'https://app.example', keyFiles: ['session-key'] },
    }
    expect(problemsIn({ one: WORKLOADS, login })).toEqual([
      'providers.login.principal: names a trust domain of workloads, where nobody logs in; write `idToken`, or add a provider of `type: jwt`',
    ])
  })
})
