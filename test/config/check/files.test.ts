/** Tests what is said of the files that a configuration names. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { ConfigError } from '../../../src/errors.ts'
import { testAuthority } from '../../support/certificates.ts'
import { jwtOf } from '../../support/jwt-provider.ts'
import { SMALL } from '../support.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-files-'))
mkdirSync(join(folder, 'folder'))
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content)
  return name
}

function load(text: string): Config {
  return loadConfig({ text, file: join(folder, 'sallyport.yaml'), env: {} })
}

function problemsOf(text: string): readonly string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw error
  }
}

function withKeys(keys: string, algorithms = ''): string {
  return SMALL.replace('type: jwt', `type: jwt, ${algorithms}keys: { ${keys} }`)
}

describe('a secret', () => {
  test.each([
    ['as it is', 32, ''],
    ['with one line break at its end', 32, '\n'],
    ['with one CRLF at its end', 32, '\r\n'],
  ])('may be as long as the hash output, %s', (_, bytes, end) => {
    file('secret', Buffer.concat([Buffer.alloc(bytes, 0xff), Buffer.from(end)]))
    expect(load(withKeys('secretFile: secret')).providers.main).toMatchObject({
      algorithms: ['HS256'],
      keys: { secretFile: join(folder, 'secret') },
    })
  })

  test.each([
    ['HS256', 31],
    ['HS384', 47],
    ['HS512', 63],
  ])('for %s of %i bytes is refused', (algorithm, bytes) => {
    file('secret', randomBytes(bytes).fill(7))
    expect(problemsOf(withKeys('secretFile: secret', `algorithms: [${algorithm}], `))).toEqual([
      expect.stringMatching(/^providers\.main\.keys\.secretFile: holds /),
    ])
  })

  test('of 31 bytes does not grow by its line break', () => {
    file('secret', `${'s'.repeat(31)}\n`)
    expect(problemsOf(withKeys('secretFile: secret'))).toHaveLength(1)
  })

  test('is no key for an asymmetric algorithm', () => {
    file('secret', randomBytes(64).fill(7))
    expect(problemsOf(withKeys('secretFile: secret', 'algorithms: [HS512, RS256], '))).toEqual([
      'providers.main.algorithms.1: needs a public key, and `keys.secretFile` holds a shared secret; list HS256, HS384 or HS512',
    ])
  })

  test('never shows up in a problem', () => {
    file('secret', 'marked-secret')
    const error = (() => {
      try {
        return load(withKeys('secretFile: secret'))
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(ConfigError)
    expect(String(error)).not.toContain('marked-secret')
  })
})

describe('a key set in a file', () => {
  const good = { ...publicKey.export({ format: 'jwk' }), kid: 'a' }

  test('is read', () => {
    file('jwks.json', JSON.stringify({ keys: [good] }))
    expect(jwtOf(load(withKeys('jwksFile: jwks.json'))).keys.jwksFile).toBe(join(folder, 'jwks.json'))
  })

  test.each([
    ['no JSON', 'marked'],
    ['no key set', '{"marked": 1}'],
    ['no key', '{"keys": []}'],
    ['no usable key', '{"keys": [{"kty": "marked"}]}'],
    ['a private key', JSON.stringify({ keys: [good, { ...privateKey.export({ format: 'jwk' }), kid: 'marked' }] })],
    ['a shared secret', JSON.stringify({ keys: [good, { kty: 'oct', k: 'marked' }] })],
    ['nothing', ''],
  ])('with %s is refused', (_, content) => {
    file('jwks.json', content)
    const problems = problemsOf(withKeys('jwksFile: jwks.json'))
    expect(problems).toEqual([expect.stringMatching(/^providers\.main\.keys\.jwksFile: /)])
    expect(problems.join()).not.toContain('marked')
  })

  test('written into the configuration must have a usable key', () => {
    expect(problemsOf(withKeys('jwks: { keys: [{ kty: EC, crv: P-256, x: AA, y: AA }] }'))).toEqual([
      expect.stringMatching(/^providers\.main\.keys\.jwks: has no usable key/),
    ])
    const inline = load(withKeys(`jwks: ${JSON.stringify({ keys: [good] })}`))
    expect(jwtOf(inline).keys.jwks).toEqual({ keys: [good] })
  })
})

describe('certificates and keys', () => {
  const certificate = testAuthority()
  afterAll(certificate.remove)
  const withTls = (tls: string) => SMALL.replace('127.0.0.1:8080', `{ address: 127.0.0.1:8080, tls: { ${tls} } }`)
  file('cert.pem', certificate.cert)
  file('key.pem', certificate.key)
  file('other-key.pem', privateKey.export({ format: 'pem', type: 'pkcs8' }))
  file('empty.pem', '')
  file('broken.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')

  test('are read, and their paths start at the folder of the configuration', () => {
    const { tls } = load(withTls('certFile: cert.pem, keyFile: ./key.pem, clientCaFile: cert.pem')).listen ?? {}
    expect(tls).toEqual({
      certFile: join(folder, 'cert.pem'),
      keyFile: join(folder, 'key.pem'),
      clientCaFile: join(folder, 'cert.pem'),
    })
  })

  test.each([
    [
      'certFile: missing.pem, keyFile: key.pem',
      'listen.tls.certFile: cannot be read: there is no such file or folder (ENOENT)',
    ],
    ['certFile: folder, keyFile: key.pem', 'listen.tls.certFile: is a folder; it must be a regular file'],
    ['certFile: empty.pem, keyFile: key.pem', 'listen.tls.certFile: holds no PEM certificate'],
    ['certFile: broken.pem, keyFile: key.pem', 'listen.tls.certFile: holds a PEM certificate that cannot be read'],
    ['certFile: cert.pem, keyFile: cert.pem', 'listen.tls.keyFile: holds no PEM private key'],
    ['certFile: cert.pem, keyFile: other-key.pem', 'listen.tls.keyFile: holds a key that does not belong to'],
    [
      'certFile: cert.pem, keyFile: key.pem, clientCaFile: key.pem',
      'listen.tls.clientCaFile: holds no PEM certificate',
    ],
  ])('%s is a problem', (tls, problem) => {
    expect(problemsOf(withTls(tls))).toEqual([expect.stringContaining(problem)])
  })

  test('of upstreams and key fetches are looked at too', () => {
    const upstream = SMALL.replace('app: http://127.0.0.1:3000', 'app: { url: https://a, tls: { caFile: empty.pem } }')
    expect(problemsOf(upstream)).toEqual([
      expect.stringContaining('upstreams.app.tls.caFile: holds no PEM certificate'),
    ])
    expect(problemsOf(withKeys('caFile: empty.pem, bearerFile: empty.pem'))).toEqual([
      expect.stringContaining('providers.main.keys.caFile: holds no PEM certificate'),
      'providers.main.keys.bearerFile: is empty; write a token into it, or leave the key out',
    ])
  })

  test.each([
    ['empty.pem', 'is empty; write `user:password` into it, or leave the key out'],
    ['no-pair', 'does not hold `user:password` on one line; write it so, in UTF-8'],
    [
      'missing',
      'cannot be read: there is no such file or folder (ENOENT); check the path, which starts at the folder of this file, and the permissions',
    ],
  ])('those of the proxy are looked at: %s', (credentials, problem) => {
    file('no-pair', 'password\n')
    const egress = `egress: { proxy: https://proxy.corp, caFile: empty.pem, credentialsFile: ${credentials} }\n`
    expect(problemsOf(SMALL + egress)).toEqual([
      expect.stringContaining('egress.caFile: holds no PEM certificate'),
      `egress.credentialsFile: ${problem}`,
    ])
  })

  test('a cache file need not be there yet', () => {
    expect(jwtOf(load(withKeys('cacheFile: cache/main.json'))).keys.cacheFile).toBe(join(folder, 'cache/main.json'))
  })
})
