/** Tests what a provider may say about a server that is asked, and the words for what it may not. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'
import { testAuthority } from '../../support/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-introspection-'))
const authority = testAuthority()
afterAll(() => {
  authority.remove()
  rmSync(folder, { recursive: true })
})

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content)
  return name
}

file('secret', 'a secret\n')
file('token', 'a-token\n')

const ASKED = {
  type: 'introspection',
  issuer: 'https://auth.example',
  audiences: ['a'],
  client: { auth: 'basic', id: 'gateway', secretFile: 'secret' },
}
const BEARER = { auth: 'bearer', tokenFile: 'token' }
const JWT = { type: 'jwt', issuer: 'https://auth.example', audiences: ['a'] }

function problemsIn(providers: object, more: object = {}): readonly string[] {
  const config = {
    listen: '127.0.0.1:8080',
    providers,
    upstreams: { app: 'http://127.0.0.1:3000' },
    routes: [{ id: 'all', path: '/**' }],
    ...more,
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
  return problemsIn({ main: { ...ASKED, ...settings } }).map(text => text.replace(/^providers\.main\./, ''))
}

const COMPARED = 'issuer: is compared byte for byte: one server answers for one issuer; make a provider of each'

describe('a provider that asks', () => {
  test.each<object>([
    {},
    { endpoint: 'https://elsewhere.example/introspect?tenant=1' },
    { endpoint: 'http://127.0.0.1:9000/introspect' },
    { endpoint: 'http://auth.example/introspect', allowInsecureHttp: true },
    { issuer: 'not a URL', endpoint: 'https://auth.example/introspect' },
    { response: 'jwt' },
    { response: 'jwt', client: { ...BEARER, id: 'gateway' } },
    { client: BEARER },
    { cache: { ttl: '0s' } },
    { cache: { ttl: '1s', maxStale: '1m' } },
    { tokens: { prefixes: ['at_', 'pat_'] } },
  ])('may say %j', settings => {
    expect(problems(settings)).toEqual([])
  })

  test.each<{ readonly settings: object; readonly expected: readonly string[] }>([
    { settings: { issuer: 'https://auth.example/{name}' }, expected: [COMPARED] },
    { settings: { issuer: 'https://*.example' }, expected: [COMPARED] },
    {
      settings: { issuer: 'https://user:marked@auth.example', endpoint: 'https://auth.example/' },
      expected: ['issuer: carries credentials; leave out the part before `@`'],
    },
    {
      settings: { issuer: 'http://auth.example' },
      expected: [
        'issuer: must be an `https:` URL (or set `allowInsecureHttp: true` beside it to trust the network), because its metadata is discovered there; or give `endpoint`',
      ],
    },
    {
      settings: { endpoint: 'http://auth.example/introspect' },
      expected: ['endpoint: must be an `https:` URL (or set `allowInsecureHttp: true` beside it to trust the network)'],
    },
    {
      settings: { endpoint: 'https://user:marked@auth.example/' },
      expected: ['endpoint: carries credentials; leave out the part before `@`'],
    },
    {
      settings: { endpoint: 'auth.example/introspect' },
      expected: ['endpoint: is no URL; write `https://auth.example/introspect`'],
    },
    {
      settings: { keys: {} },
      expected: ['keys: has no effect with `response: json`, where nothing is signed; leave it out'],
    },
    {
      settings: { response: 'jwt', keys: { jwksUri: 'http://auth.example/keys' } },
      expected: ['keys.jwksUri: must be an `https:` URL (or set `keys.allowInsecureHttp: true` to trust the network)'],
    },
    {
      settings: { response: 'jwt', client: BEARER },
      expected: ['client.id: is missing; with `response: jwt` an answer names the client that asked'],
    },
    {
      settings: { cache: { ttl: '0s', maxStale: '1m' } },
      expected: ['cache.maxStale: has no effect with `ttl: 0s`, which asks for no old answers; leave it out'],
    },
    {
      settings: { tokens: { prefixes: ['at_', 'at_live_'] } },
      expected: ['tokens.prefixes.1: is covered by `at_` already; leave it out'],
    },
    {
      settings: { tokens: { prefixes: ['at_live_', 'at_', 'at_'] } },
      expected: [
        'tokens.prefixes.0: is covered by `at_` already; leave it out',
        'tokens.prefixes.2: is covered by `at_` already; leave it out',
      ],
    },
    { settings: { tokens: { prefixes: [''] } }, expected: ['tokens.prefixes.0: is no beginning of a token'] },
  ])('may not say $settings', ({ settings, expected }) => {
    expect(problems(settings)).toEqual(expected)
  })
})

describe('a key that another block has', () => {
  test.each([
    [{ ...JWT, allowInsecureHttp: true }, 'allowInsecureHttp: is not a known key. It belongs into `keys`.'],
    [
      { ...JWT, jwksUri: 'https://auth.example/' },
      'jwksUri: is not a known key. Write `keys: { jwksUri: … }`, or leave it out: it is discovered by `issuer`.',
    ],
    [{ ...ASKED, maxStale: '1m' }, 'maxStale: is not a known key. It belongs into `keys` or `cache`.'],
    [{ ...ASKED, ttl: '1m' }, 'ttl: is not a known key. It belongs into `cache`.'],
    [{ ...ASKED, minBytes: 8 }, 'minBytes: is not a known key. It belongs into `tokens`.'],
    [
      { ...JWT, keys: { audience: ['a'] } },
      expect.stringMatching(/^keys\.audience: is not a known key\. Known here: /),
    ],
  ])('is told where it belongs: %j', (main, problem) => {
    expect(problemsIn({ main }).map(text => text.replace('providers.main.', ''))).toEqual([problem])
  })

  test('is told so at an endpoint in clear, where `keys` does not help', () => {
    const keys = { allowInsecureHttp: true }
    expect(problems({ endpoint: 'http://auth.example/introspect', keys })).toEqual([
      'endpoint: must be an `https:` URL (or set `allowInsecureHttp: true` beside it to trust the network)',
      'keys: has no effect with `response: json`, where nothing is signed; leave it out',
    ])
  })
})

describe('on a route', () => {
  const asking = (issuer: string, ...prefixes: readonly string[]) => ({ ...ASKED, issuer, tokens: { prefixes } })
  const BOTH =
    'routes.0.providers: has `one` and `two`, which could both be asked about one token; name one of the two here, or tell them apart by `tokens.prefixes`'

  test.each<readonly [what: string, one: readonly string[], two: readonly string[], ...(readonly string[])]>([
    ['are told apart by their prefixes', ['one_'], ['two_', 'too_']],
    ['are not told apart when one has none', ['one_'], [], BOTH],
    ['are not told apart when neither has any', [], [], BOTH],
    ['are not told apart when a prefix begins like another', ['one_'], ['two_', 'one_live_'], BOTH],
  ])('two providers of opaque tokens %s', (_, one, two, ...expected) => {
    const providers = { one: asking('https://one.example', ...one), two: asking('https://two.example', ...two) }
    expect(problemsIn(providers)).toEqual(expected)
    const apart = [
      { id: 'a', path: '/a', providers: ['one'] },
      { id: 'b', path: '/b', providers: ['two'] },
      { id: 'c', path: '/c', access: 'public' },
    ]
    expect(problemsIn(providers, { routes: apart })).toEqual([])
  })

  test('the JWTs of one issuer are verified by one provider, unless the other leaves them', () => {
    expect(problemsIn({ one: JWT, two: ASKED })).toEqual([
      'routes.0.providers: has `one` and `two`, whose issuer is the same; name one of the two here, or set `tokens.jwts: false` in `two`, which then takes opaque tokens only',
    ])
    expect(problemsIn({ one: JWT, two: { ...ASKED, tokens: { jwts: false } } })).toEqual([])
  })

  test('two providers of JWTs are told nothing about opaque tokens', () => {
    expect(problemsIn({ one: JWT, two: JWT })).toEqual([
      'routes.0.providers: has `one` and `two`, whose issuer is the same; name one of the two here',
    ])
  })
})

describe('with several workers', () => {
  const about = (workers: number, settings: object) => problemsIn({ main: { ...ASKED, ...settings } }, { workers })

  test.each([
    [1, { concurrency: 2 }],
    [4, { concurrency: 8 }],
    [16, {}],
  ])('%i can share %j', (workers, settings) => {
    expect(about(workers, settings)).toEqual([])
  })

  test.each([
    [2, { concurrency: 3 }, 4],
    [4, { concurrency: 2 }, 8],
    [17, {}, 34],
  ])('%i cannot share %j', (workers, settings, least) => {
    expect(about(workers, settings)).toEqual([
      `providers.main.concurrency: is too small for ${workers} workers, of which each needs 2 (default 32); write at least ${least}, or fewer \`workers\``,
    ])
  })

  test('of a number that is wrong, only that is told', () => {
    expect(about(65, { concurrency: 2 })).toEqual(['workers: must be at most 64'])
  })
})

function pem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const OTHER_KEY = 'write a private key into it, such as EC P-256, Ed25519, or RSA of at least 2048 bits'
const NO_TOKEN = 'does not hold a token; write one token into it, on one line and without blanks in it'

describe('the file of a client', () => {
  file('ec.pem', pem(ec))
  file('client.pem', authority.cert)
  file('client-key.pem', authority.key)

  test.each<object>([
    { auth: 'private_key_jwt', id: 'gateway', keyFile: 'ec.pem' },
    { auth: 'private_key_jwt', id: 'gateway', keyFile: 'ec.pem', algorithm: 'ES256' },
    { auth: 'tls', id: 'gateway', certFile: 'client.pem', keyFile: 'client-key.pem' },
    { auth: 'post', id: 'gateway', secretFile: 'secret' },
  ])('is good: %j', client => {
    expect(problems({ client })).toEqual([])
  })

  test.each<readonly [what: string, content: string | Buffer, problem: string]>([
    ['is empty', '\n', 'is empty; fill it, or name another file'],
    ['is no key', 'marked', `does not hold a private key, as PEM without a passphrase or as a JWK; ${OTHER_KEY}`],
    ['is no JWK', '{"marked": 1}', `does not hold a private JWK; ${OTHER_KEY}`],
    [
      'is of X25519',
      pem(generateKeyPairSync('x25519').privateKey),
      `holds a key that signs by no algorithm we know; ${OTHER_KEY}`,
    ],
    [
      'is RSA of 1024 bits',
      pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      `holds an RSA key of less than 2048 bits; ${OTHER_KEY}`,
    ],
    [
      'is no text',
      Buffer.from([0x30, 0x82, 0xff, 0xfe]),
      'is not text in UTF-8; save it as UTF-8; keys and certificates are written as PEM',
    ],
  ])('with a key for assertions is refused when it %s', (_, content, problem) => {
    const client = { auth: 'private_key_jwt', id: 'gateway', keyFile: file('key', content) }
    expect(problems({ client })).toEqual([`client.keyFile: ${problem}`])
  })

  test('with a key that does not fit `algorithm` is refused', () => {
    const client = { auth: 'private_key_jwt', id: 'gateway', keyFile: 'ec.pem', algorithm: 'ES384' }
    expect(problems({ client })).toEqual([
      'client.keyFile: holds a key that does not fit the algorithm ES384; change one of the two',
    ])
  })

  test('with a key of another certificate is refused', () => {
    const client = { auth: 'tls', id: 'gateway', certFile: 'client.pem', keyFile: 'ec.pem' }
    expect(problems({ client })).toEqual([
      'client.keyFile: does not belong to the certificate in client.certFile; replace both together',
    ])
  })

  test.each([
    ['secret', 'client-key.pem', ['client.certFile: holds no PEM certificate (`-----BEGIN CERTIFICATE-----`)']],
    [
      'client.pem',
      'secret',
      [
        'client.keyFile: does not hold a private key as PEM; write it between `-----BEGIN …-----` and `-----END …-----`, unencrypted',
      ],
    ],
  ])('for TLS is told of by itself: %s, %s', (certFile, keyFile, expected) => {
    expect(problems({ client: { auth: 'tls', id: 'gateway', certFile, keyFile } })).toEqual(expected)
  })

  test.each<readonly [string, string | Buffer, string]>([
    ['two lines', 'marked\nmarked\n', NO_TOKEN],
    ['a blank', 'Bearer marked', NO_TOKEN],
    ['nothing', '', NO_TOKEN],
    ['letters that no header carries', 'märked', NO_TOKEN],
  ])('with a token may not hold %s', (_, content, problem) => {
    const tokenFile = file('tokens', content)
    expect(problems({ client: { auth: 'bearer', tokenFile } })).toEqual([`client.tokenFile: ${problem}`])
    expect(problems({ response: 'jwt', keys: { bearerFile: tokenFile } })).toHaveLength(1)
  })

  test.each(['basic', 'post'])('with a secret for %s is text, and not empty', auth => {
    const about = (content: string | Buffer) =>
      problems({ client: { auth, id: 'gateway', secretFile: file('secrets', content) } })
    expect(about('\r\n')).toEqual(['client.secretFile: is empty; fill it, or name another file'])
    expect(about(Buffer.from([0x61, 0xff]))).toEqual([
      expect.stringMatching(/^client\.secretFile: is not text in UTF-8; save it as UTF-8/),
    ])
  })
})
