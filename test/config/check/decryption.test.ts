/** Tests what a provider may say about the keys for encrypted tokens, and the words for what it may not. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-decryption-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content)
  return name
}

function pem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

const JWT = { type: 'jwt', issuer: 'https://auth.example', audiences: ['a'] }
file('secret', 'a secret\n')
const ASKED = { ...JWT, type: 'introspection', client: { auth: 'basic', id: 'gateway', secretFile: 'secret' } }

/** @returns the problems of the provider, named from there */
function problems(decryption: object, provider: object = JWT): readonly string[] {
  const config = {
    listen: '127.0.0.1:8080',
    providers: { main: { ...provider, decryption } },
    upstreams: { app: 'http://127.0.0.1:3000' },
    routes: [{ id: 'all', path: '/**' }],
  }
  try {
    loadConfig({ text: JSON.stringify(config), file: join(folder, 'sallyport.yaml'), env: {} })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.join('.')}: ${message}`.replace('providers.main.', ''))
  }
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
file('ec.pem', pem(ec.privateKey))
file('ec.jwk', JSON.stringify({ ...ec.privateKey.export({ format: 'jwk' }), kid: 'a' }))
file('x25519.pem', pem(generateKeyPairSync('x25519').privateKey))
file('rsa.pem', pem(rsa))

describe('decryption', () => {
  test.each<readonly [decryption: object, provider: object]>([
    [{ keyFiles: ['ec.pem'] }, JWT],
    [{ keyFiles: ['ec.jwk', 'x25519.pem', 'rsa.pem'] }, JWT],
    [{ keyFiles: ['rsa.pem'], algorithms: ['RSA-OAEP-256'], encryptions: ['A256GCM'], required: true }, JWT],
    [{ keyFiles: ['ec.pem'] }, { ...ASKED, response: 'jwt' }],
  ])('may say %j', (decryption, provider) => {
    expect(problems(decryption, provider)).toEqual([])
  })

  test.each<readonly [decryption: object, expected: string]>([
    [{}, 'decryption.keyFiles: is missing'],
    [{ keyFiles: [] }, 'decryption.keyFiles: must not be empty; list at least one, or leave the key out'],
    [{ keyFiles: ['ec.pem', 'ec.pem'] }, 'decryption.keyFiles.1: is listed already; name each key once'],
    [
      { keyFiles: ['ec.pem', 'absent.pem'] },
      'decryption.keyFiles.1: cannot be read: there is no such file or folder (ENOENT); check the path, which starts at the folder of this file, and the permissions',
    ],
    [
      { keyFiles: ['rsa.pem', 'ec.pem'], algorithms: ['RSA-OAEP-256'] },
      'decryption.keyFiles.1: holds a key for none of the `algorithms`; it can do ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A192KW, ECDH-ES+A256KW',
    ],
  ])('may not say %j', (decryption, expected) => {
    expect(problems(decryption)).toEqual([expected])
  })

  test.each(['RSA1_5', 'dir', 'A128KW', 'PBES2-HS256+A128KW'])('may not ask for %s', algorithm => {
    expect(problems({ keyFiles: ['ec.pem'], algorithms: [algorithm] })).toEqual([
      expect.stringMatching(/^decryption\.algorithms\.0: is not supported; use .*ECDH-ES/),
    ])
  })

  test('may not ask for a content encryption that nobody knows', () => {
    expect(problems({ keyFiles: ['ec.pem'], encryptions: ['A256GMC'] })).toEqual([
      expect.stringMatching(/^decryption\.encryptions\.0: is not supported; use .* Did you mean "A256GCM"\?$/),
    ])
  })

  test('has no effect where answers are not encrypted', () => {
    expect(problems({ keyFiles: ['ec.pem'] }, ASKED)).toEqual([
      'decryption: has no effect with `response: json`, where nothing is encrypted; leave it out',
    ])
  })
})

describe('the file of a key', () => {
  test.each<readonly [what: string, content: string, problem: RegExp]>([
    ['a public key', JSON.stringify({ ...ec.publicKey.export({ format: 'jwk' }), kid: 'marked' }), /no private key/],
    ['a shared secret', '{"kty":"oct","k":"bWFya2Vk"}', /holds a shared secret/],
    ['a key set', '{"keys":[{"kid":"marked"}]}', /is a JWK Set/],
    ['a key for signatures alone', pem(generateKeyPairSync('ed25519').privateKey), /./],
    ['something else', 'marked', /is neither a JWK nor PEM/],
    ['nothing', '', /is neither a JWK nor PEM/],
  ])('may not hold %s', (_, content, problem) => {
    const found = problems({ keyFiles: [file('key', content)] })
    expect(found).toEqual([expect.stringMatching(problem)])
    expect(found[0]).toMatch(/^decryption\.keyFiles\.0: /)
    expect(found[0]).not.toMatch(/marked|bWFya2Vk/)
  })
})
