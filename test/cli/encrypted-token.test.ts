/** Tests what commands do for encrypted tokens, as a user calls them: `keys public`, `token decode`, `token mint`. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compactDecrypt, decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { decryptionKey } from '../../src/authenticate/encrypted/decryption-keys.ts'
import { keysCommand } from '../../src/cli/keys.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import { encrypted, type KeyType, privateJwk } from '../authenticate/encrypted/support.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const token = (...args: readonly string[]) => runCommand(tokenCommand, args)
const keys = (...args: readonly string[]) => runCommand(keysCommand, args)

function keyFile(name: string, type: KeyType, members: Readonly<Record<string, unknown>> = {}) {
  const text = privateJwk(type, members)
  return { name, path: files.write(name, text), jwk: JSON.parse(text), key: decryptionKey(Buffer.from(text)) }
}

const newest = keyFile('newest.jwk', 'P-256', { kid: 'enc-2', alg: 'ECDH-ES' })
const older = keyFile('older.jwk', 'RSA')
const others = keyFile('others.jwk', 'X25519')

/** Makes a configuration whose providers have these key files. */
function config(name: string, providers: Readonly<Record<string, ReadonlyArray<{ readonly name: string }>>>): string {
  const lines = Object.entries(providers).map(([id, keyFiles]) => {
    const decryption = keyFiles.length === 0 ? '' : `, decryption: { keyFiles: [${keyFiles.map(key => key.name)}] }`
    return `  ${id}: { type: jwt, issuer: https://${id}.example.com/, audiences: [https://api.example.com]${decryption} }`
  })
  const routes = 'upstreams:\n  app: http://127.0.0.1:3000\nroutes:\n  - { id: all, path: /** }\n'
  return files.write(name, `listen: 127.0.0.1:8080\nproviders:\n${lines.join('\n')}\n${routes}`)
}

const one = config('one.yaml', { main: [newest, older], plain: [] })
files.write('secret', 'secret-of-the-client')
const both = config('both.yaml', { main: [newest, older], other: [newest, others] })
const plain = config('plain.yaml', { main: [] })

describe('keys public', () => {
  test('prints the public half of every key, in the order of the configuration, and nothing private', async () => {
    const { code, stdout } = await keys('public', '-c', one)
    expect(code).toBe(0)
    const set = JSON.parse(stdout) as { readonly keys: readonly Record<string, string>[] }
    expect(set.keys).toEqual([newest, older].map(({ key }) => key.publicJwk))
    expect(set.keys[0]).toMatchObject({ kid: 'enc-2', alg: 'ECDH-ES', use: 'enc', crv: 'P-256' })
    for (const { jwk } of [newest, older])
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'])
        if (member in jwk) expect(stdout).not.toContain(jwk[member])
  })

  test('prints keys that are for answers about tokens only where they are asked for', async () => {
    const answers = `
  opaque:
    type: introspection
    issuer: https://opaque.example.com/
    audiences: [https://api.example.com]
    client: { auth: post, id: gateway, secretFile: secret }
    response: jwt
    decryption: { keyFiles: [${others.name}] }
`
    const withAnswers = (name: string, of: string): string =>
      files.write(name, readFileSync(of, 'utf8').replace('providers:\n', `providers:${answers}`))
    const signed = withAnswers('answers.yaml', one)
    expect(JSON.parse((await keys('public', '-c', signed)).stdout)).toEqual({
      keys: [newest, older].map(({ key }) => key.publicJwk),
    })
    expect(JSON.parse((await keys('public', '-c', signed, '--provider', 'opaque')).stdout)).toEqual({
      keys: [others.key.publicJwk],
    })
    expect(await keys('public', '-c', withAnswers('only-answers.yaml', plain))).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--provider opaque prints those'),
    })
    expect((await keys('public', '-c', withAnswers('all.yaml', both))).stderr).toContain(
      'name it with --provider (main, other; keys for answers about tokens: opaque)',
    )
  })

  test('prints those of one provider', async () => {
    const { stdout } = await keys('public', '-c', both, '--provider', 'other')
    expect(JSON.parse(stdout)).toEqual({ keys: [newest, others].map(({ key }) => key.publicJwk) })
  })

  test.each([
    [['public', '-c', plain], 'no provider has `decryption`: name the private keys in `decryption.keyFiles`'],
    [['public', '-c', both], 'name it with --provider (main, other)'],
    [['public', '-c', plain, '--provider', 'main'], 'provider "main" has no `decryption`'],
    [['public', '-c', both, '--provider', 'nobody'], 'there is no provider "nobody"; there are main, other'],
    [[], 'write what to do: keys public'],
    [['private', '-c', both], 'there is no "keys private"; write keys public'],
    [['public', 'all', '-c', both], 'keys public takes options only'],
  ])('%j is wrong usage', async (args, message) => {
    expect(await keys(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) })
  })
})

describe('token decode', () => {
  const signature = 'c2lnbmF0dXJl-marked-c2lnbmF0dXJl'
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const inside = `${part({ alg: 'RS256', kid: 'sign' })}.${part({ sub: 'alice', exp: 946684800 })}.${signature}`

  test('shows the header of an encrypted token only, and says what opens it', async () => {
    const given = await encrypted(newest.key, { kid: 'enc-2' }, inside)
    const { code, stdout } = await token('decode', given)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^NOT VERIFIED/)
    expect(stdout).toContain('"kid": "enc-2"')
    expect(stdout).toContain('-c FILE names the configuration that has it')
    expect(stdout).not.toContain('alice')
    for (const text of given.split('.').slice(2)) expect(stdout).not.toContain(text)
  })

  test('shows with -c what is inside, without its signature', async () => {
    const given = await encrypted(others.key, {}, inside)
    for (const json of [[], ['--json']]) {
      const { code, stdout } = await token('decode', given, '-c', both, ...json)
      expect(code).toBe(0)
      expect(stdout).toContain('"crv": "X25519"')
      expect(stdout).toContain('"sub": "alice"')
      expect(stdout).toContain('"kid": "sign"')
      expect(stdout).toContain('2000-01-01T00:00:00Z')
      expect(stdout).not.toContain('marked')
    }
    expect((await token('decode', given, '-c', both)).stdout).toContain('Opened with a key of other.')
    const decoded = JSON.parse((await token('decode', given, '-c', both, '--json')).stdout)
    expect(decoded).toMatchObject({
      openedBy: 'other',
      header: { alg: 'ECDH-ES' },
      inside: { claims: { sub: 'alice' } },
    })
  })

  test('says why the gateway refuses what it cannot open', async () => {
    const stranger = keyFile('stranger.jwk', 'P-256')
    const { code, stdout } = await token('decode', await encrypted(stranger.key, {}, inside), '-c', both)
    expect(code).toBe(0)
    expect(stdout).toContain('The gateway refuses it: decryption_failed (enc: A128GCM, alg: ECDH-ES)')
    const [, ...rest] = (await encrypted(newest.key)).split('.')
    const bomb = [part({ alg: 'ECDH-ES', enc: 'A128GCM', cty: 'JWT', zip: 'DEF' }), ...rest].join('.')
    expect((await token('decode', bomb)).stdout).toContain('The gateway refuses it: algorithm_not_allowed')
  })

  test('names a configuration without keys, and what is no token', async () => {
    const given = await encrypted(newest.key, {}, inside)
    expect(await token('decode', given, '-c', plain)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('has `decryption`, so there is no key that could open the token'),
    })
    expect(await token('decode', 'a.b.c.d.marked')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.not.stringContaining('marked'),
    })
  })
})

describe('token mint --encrypt', () => {
  const pem = (key: KeyObject, type: 'spki' | 'pkcs8' | 'pkcs1' | 'sec1' = key.type === 'public' ? 'spki' : 'pkcs8') =>
    String(key.export({ format: 'pem', type }))
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const x25519 = generateKeyPairSync('x25519').privateKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const signing = join(files.path, 'dev.jwk')
  const given = ['--key', signing, '--create-key', '--claim', 'iss=me', '--claim', 'aud=you', '--claim', 'sub=alice']

  test.each([
    ['a private key', newest, 'ECDH-ES', 'enc-2'],
    ['an RSA key without a name', older, 'RSA-OAEP-256', older.key.thumbprint],
    ['an X25519 key', others, 'ECDH-ES', others.key.thumbprint],
  ])('encrypts with the public half of %s, so that the gateway opens it', async (_, { path, key }, alg, kid) => {
    const { code, stdout } = await token('mint', ...given, '--encrypt', path)
    expect(code).toBe(0)
    expect(decodeProtectedHeader(stdout.trim())).toMatchObject({ alg, enc: 'A256GCM', cty: 'at+jwt', kid })
    const { plaintext } = await compactDecrypt(stdout.trim(), key.key)
    expect(decodeProtectedHeader(Buffer.from(plaintext).toString())).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    const { stdout: shown } = await token('decode', stdout.trim(), '-c', both)
    expect(shown).toContain('"sub": "alice"')
  })

  test.each([
    ['P-256 as PKCS #8', ec, pem(ec), 'ECDH-ES'],
    ['P-256 as SEC 1', ec, pem(ec, 'sec1'), 'ECDH-ES'],
    ['X25519', x25519, pem(x25519), 'ECDH-ES'],
    ['RSA as PKCS #1', rsa, pem(rsa, 'pkcs1'), 'RSA-OAEP-256'],
    ['P-256, the public half', ec, pem(createPublicKey(ec)), 'ECDH-ES'],
    ['RSA, the public half', rsa, pem(createPublicKey(rsa)), 'RSA-OAEP-256'],
  ])('takes PEM of %s, and names the key as the gateway does', async (name, key, text, alg) => {
    const { code, stdout } = await token('mint', ...given, '--encrypt', files.write(`${name}.pem`, text))
    expect(code).toBe(0)
    const kid = decryptionKey(Buffer.from(pem(key))).thumbprint
    expect(decodeProtectedHeader(stdout.trim())).toMatchObject({ alg, kid, cty: 'at+jwt' })
    expect((await compactDecrypt(stdout.trim(), key)).plaintext).toBeDefined()
  })

  test('takes the set that keys public prints, of which the first key counts', async () => {
    const set = files.write('set.json', (await keys('public', '-c', one)).stdout)
    const { stdout } = await token('mint', ...given, '--typ', 'JWT', '--encrypt', set)
    expect(decodeProtectedHeader(stdout.trim())).toMatchObject({ alg: 'ECDH-ES', cty: 'JWT', kid: 'enc-2' })
  })

  test.each([
    ['missing.jwk', undefined, 'cannot be read'],
    ['text.jwk', 'marked', 'is neither PEM nor JSON'],
    ['broken.pem', '-----BEGIN PUBLIC KEY-----\nmarked\n-----END PUBLIC KEY-----\n', 'holds no key that encrypts'],
    ['ed25519.pem', pem(generateKeyPairSync('ed25519').privateKey), 'holds no key that encrypts'],
    ['list.jwk', '["marked"]', 'holds no key that encrypts'],
    ['empty.jwk', '{"keys":[]}', 'is no JWK'],
    ['secret.jwk', '{"kty":"oct","k":"marked"}', 'holds no key that encrypts'],
    ['signing.jwk', JSON.stringify(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })), 'holds no key'],
    ['sig.jwk', privateJwk('P-256', { use: 'sig' }), 'holds no key that encrypts; name the private key of the gateway'],
    ['es256.jwk', privateJwk('P-256', { alg: 'ES256' }), 'holds no key that encrypts'],
    ['rsa15.jwk', privateJwk('RSA', { alg: 'RSA1_5' }), 'holds no key that encrypts'],
  ])('refuses %s without quoting it', async (name, text, message) => {
    const file = text === undefined ? join(files.path, name) : files.write(name, text)
    const { code, stdout, stderr } = await token('mint', ...given, '--encrypt', file)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)])
    expect(stderr).not.toContain('marked')
    if (text !== undefined) expect(readFileSync(file, 'utf8')).toBe(text)
  })
})

describe('token verify', () => {
  const signing = join(files.path, 'verify.jwk')
  const judging = () => {
    const text = readFileSync(config('verify.yaml', { main: [newest] }), 'utf8')
    return files.write('verify.yaml', text.replace('audiences:', 'keys: { jwksFile: verify.public.json }, audiences:'))
  }
  const minted = (...more: readonly string[]) =>
    token(
      ...['mint', '--key', signing, '--create-key', '--claim', 'iss=https://main.example.com/'],
      ...['--claim', 'aud=https://api.example.com', '--claim', 'sub=alice', ...more],
    )

  test('opens an encrypted token as the gateway does, and judges what is inside', async () => {
    const { stdout: given } = await minted('--encrypt', newest.path)
    const { code, stdout } = await token('verify', given, '-c', judging(), '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'valid',
      caller: { provider: 'main', claims: { sub: 'alice' } },
    })
  })

  test('names decryption as the check that fails for a key that the gateway does not have', async () => {
    const { stdout: given } = await minted('--encrypt', others.path)
    const { code, stdout } = await token('verify', given, '-c', judging(), '--json')
    expect(code).toBe(1)
    const { verdict, checks, remedy } = JSON.parse(stdout)
    expect(verdict).toBe('decryption_failed')
    expect(checks).toContainEqual({ check: 'decryption', result: 'fails' })
    expect(remedy).toContain('sallyport keys public')
  })
})
