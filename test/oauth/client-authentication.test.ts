import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ClientCredentials, clientAuthentication } from '../../src/oauth/client-authentication.ts'
import { authorityOfFile } from '../support/certificates.ts'
import { manualTime } from '../support/manual-time.ts'

const ISSUER = 'https://issuer.example/'

const authority = authorityOfFile()

function fileOf(content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-client-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, content, { mode: 0o600 })
  return file
}

async function shown(client: ClientCredentials) {
  const form = new URLSearchParams({ token: 't' })
  const clock = manualTime()
  const proof = await clientAuthentication({ client, issuer: ISSUER, clock }).proveIn(form)
  return { form, clock, authorization: proof.headers.authorization, headers: proof.headers, tls: proof.tls }
}

describe('RFC 6749 §2.3.1: basic', () => {
  test.each([
    ['plain', 'orders-gateway', 's3cret', 'orders-gateway:s3cret'],
    ['a colon', 'urn:client:1', 'a:b', 'urn%3Aclient%3A1:a%3Ab'],
    ['a percent sign and a plus', 'a%2Bb', '100%+1', 'a%252Bb:100%25%2B1'],
    ['blanks', 'my client', ' two  words ', 'my+client:+two++words+'],
    ['umlauts and more', 'größe', 'pässwörd€😀', 'gr%C3%B6%C3%9Fe:p%C3%A4ssw%C3%B6rd%E2%82%AC%F0%9F%98%80'],
    ['what encoders disagree about', "a'(b)*!~", '-_.', 'a%27%28b%29*%21%7E:-_.'],
  ])('%s: id and secret are form-encoded before base64', async (_what, id, secret, text) => {
    const { authorization, form } = await shown({ id, auth: 'basic', secretFile: fileOf(secret) })
    expect(Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64').toString('latin1')).toBe(text)
    // What a server does that decodes as the RFC says.
    const [readId, readSecret] = new URLSearchParams(`id=${text.replace(':', '&secret=')}`).values()
    expect([readId, readSecret]).toEqual([id, secret])
    expect([...form.keys()]).toEqual(['token'])
  })

  test('what needs no encoding is sent as it is, for servers that do not decode', async () => {
    const [id, secret] = ['orders-gateway_1.eu', 'A-b_c.d*9']
    const { authorization } = await shown({ id, auth: 'basic', secretFile: fileOf(secret) })
    expect(authorization).toBe(`Basic ${btoa(`${id}:${secret}`)}`)
  })
})

test('post: id and secret are in the form', async () => {
  const secret = 'a b+c%&=ä'
  const { authorization, form } = await shown({ id: 'a&b', auth: 'post', secretFile: fileOf(secret) })
  expect(authorization).toBeUndefined()
  const read = new URLSearchParams(form.toString())
  expect([read.get('client_id'), read.get('client_secret')]).toEqual(['a&b', secret])
})

describe('a secret', () => {
  test.each([
    ['one line break at its end', 'secret\n', 'secret'],
    ['a line break of Windows at its end', 'secret\r\n', 'secret'],
    ['two line breaks', 'secret\n\n', 'secret\n'],
    ['blanks around it', ' secret ', ' secret '],
  ])('with %s', async (_what, content, secret) => {
    const { form } = await shown({ id: 'a', auth: 'post', secretFile: fileOf(content) })
    expect(form.get('client_secret')).toBe(secret)
  })

  test('counts as soon as its file is changed', async () => {
    const secretFile = fileOf('one')
    const { proveIn } = clientAuthentication({
      client: { id: 'a', auth: 'post', secretFile },
      issuer: ISSUER,
      clock: manualTime(),
    })
    const secrets: unknown[] = []
    for (const secret of ['one', 'two']) {
      writeFileSync(secretFile, secret)
      const form = new URLSearchParams()
      await proveIn(form)
      secrets.push(form.get('client_secret'))
    }
    expect(secrets).toEqual(['one', 'two'])
  })
})

describe('RFC 7523: private_key_jwt', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey
  const ed25519 = generateKeyPairSync('ed25519').privateKey
  const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1') => String(key.export({ format: 'pem', type }))
  const jwk = (key: KeyObject, members: object = {}) => JSON.stringify({ ...key.export({ format: 'jwk' }), ...members })

  test.each([
    ['an RSA key as PKCS #8', pem(rsa, 'pkcs8'), rsa, undefined, 'RS256'],
    ['an RSA key as PKCS #1', pem(rsa, 'pkcs1'), rsa, undefined, 'RS256'],
    ['an RSA key with an algorithm chosen', pem(rsa, 'pkcs8'), rsa, 'PS384', 'PS384'],
    ['a key of P-256 as SEC 1', pem(p256, 'sec1'), p256, undefined, 'ES256'],
    ['a key of P-384', pem(p384, 'pkcs8'), p384, undefined, 'ES384'],
    ['a key of P-521', pem(p521, 'pkcs8'), p521, undefined, 'ES512'],
    ['a key of Ed25519', pem(ed25519, 'pkcs8'), ed25519, undefined, 'Ed25519'],
    ['a key of Ed25519 by its old name', pem(ed25519, 'pkcs8'), ed25519, 'EdDSA', 'EdDSA'],
    ['a JWK', jwk(p256), p256, undefined, 'ES256'],
    ['a JWK with alg', jwk(rsa, { alg: 'PS256' }), rsa, undefined, 'PS256'],
    ['a JWK with alg, and another chosen', jwk(rsa, { alg: 'PS256' }), rsa, 'RS512', 'RS512'],
  ])('%s signs an assertion for the issuer', async (_what, content, key, algorithm, alg) => {
    const keyFile = fileOf(content)
    const { form, clock, authorization } = await shown({ id: 'me', auth: 'private_key_jwt', keyFile, algorithm })
    expect(authorization).toBeUndefined()
    expect(form.get('client_id')).toBe('me')
    expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const { payload, protectedHeader } = await jwtVerify(form.get('client_assertion') ?? '', createPublicKey(key), {
      currentDate: new Date(clock.nowMs()),
      audience: ISSUER,
      issuer: 'me',
      subject: 'me',
    })
    const now = Math.floor(clock.nowMs() / 1_000)
    expect(protectedHeader).toEqual({ alg })
    expect(payload).toEqual({
      ...{ iss: 'me', sub: 'me', aud: ISSUER, iat: now, exp: now + 60 },
      jti: expect.stringMatching(/^[\w-]{40,}$/),
    })
  })

  test('the kid of a JWK is sent', async () => {
    const keyFile = fileOf(jwk(p256, { kid: 'k1', alg: 'ES256' }))
    const { form } = await shown({ id: 'me', auth: 'private_key_jwt', keyFile })
    expect(decodeProtectedHeader(form.get('client_assertion') ?? '')).toEqual({ alg: 'ES256', kid: 'k1' })
  })

  test('no assertion is used twice, and a new key signs as soon as it is there', async () => {
    const keyFile = fileOf(pem(p256, 'pkcs8'))
    const { proveIn } = clientAuthentication({
      client: { id: 'me', auth: 'private_key_jwt', keyFile },
      issuer: ISSUER,
      clock: manualTime(),
    })
    const assertions: string[] = []
    for (const key of [p256, p256, p384]) {
      writeFileSync(keyFile, pem(key, 'pkcs8'))
      const form = new URLSearchParams()
      await proveIn(form)
      assertions.push(form.get('client_assertion') ?? '')
    }
    expect(new Set(assertions.map(each => decodeJwt(each).jti)).size).toBe(3)
    expect(assertions.map(each => decodeProtectedHeader(each).alg)).toEqual(['ES256', 'ES256', 'ES384'])
    const [head = '', payload = '', signature = ''] = assertions[2]?.split('.') ?? []
    const key = { key: createPublicKey(p384), dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha384', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
  })

  test.each([
    ['is empty', '', undefined, 'client.keyFile is empty'],
    [
      'is no key',
      'MARK',
      undefined,
      'client.keyFile does not hold a private key, as PEM without a passphrase or as a JWK',
    ],
    ['is broken JSON', '{"MARK', undefined, 'client.keyFile does not hold a private JWK'],
    ['is a public JWK', jwk(createPublicKey(p256)), undefined, 'client.keyFile does not hold a private JWK'],
    [
      'does not fit the algorithm',
      pem(p256, 'pkcs8'),
      'ES384',
      'client.keyFile holds a key that does not fit the algorithm ES384',
    ],
    [
      'does not fit its own algorithm',
      jwk(p256, { alg: 'RS256' }),
      undefined,
      'client.keyFile holds a key that does not fit the algorithm of its own `alg`',
    ],
    [
      'is for key agreement',
      pem(generateKeyPairSync('x25519').privateKey, 'pkcs8'),
      undefined,
      'client.keyFile holds a key that signs by no algorithm we know',
    ],
    [
      'is a short RSA key',
      pem(generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey, 'pkcs8'),
      undefined,
      'client.keyFile holds an RSA key of less than 2048 bits',
    ],
  ])('a key file that %s is a failure in our words', async (_what, content, algorithm, message) => {
    const asked = shown({ id: 'me', auth: 'private_key_jwt', keyFile: fileOf(content), algorithm })
    await expect(asked).rejects.toMatchObject({ result: 'local_file', message })
  })
})

describe('RFC 8705 §2: tls', () => {
  test('the certificate goes with the connection, and the id into the form', async () => {
    const { certFile, keyFile, cert, key } = authority.issue('client', ['DNS:client.example'])
    const { form, tls, headers } = await shown({ id: 'me', auth: 'tls', certFile, keyFile })
    expect(tls).toEqual({ cert: cert.trimEnd(), key: key.trimEnd() })
    expect(form.toString()).toBe('token=t&client_id=me')
    expect(headers).toEqual({})
  })

  test('a key that does not belong to the certificate is a failure in our words', async () => {
    const { certFile } = authority.issue('one', ['DNS:one.example'])
    const { keyFile } = authority.issue('two', ['DNS:two.example'])
    await expect(shown({ id: 'me', auth: 'tls', certFile, keyFile })).rejects.toMatchObject({
      result: 'local_file',
      message: 'client.keyFile does not belong to the certificate in client.certFile',
    })
    await expect(shown({ id: 'me', auth: 'tls', certFile: fileOf('MARK'), keyFile })).rejects.toMatchObject({
      message: 'client.certFile does not hold a PEM certificate',
    })
    await expect(shown({ id: 'me', auth: 'tls', certFile, keyFile: fileOf('MARK') })).rejects.toMatchObject({
      message: 'client.keyFile does not hold a private key as PEM',
    })
  })
})

describe('bearer', () => {
  test('the content of the file is the token, without what stands around it', async () => {
    const { authorization, form } = await shown({ auth: 'bearer', tokenFile: fileOf(' abc.def \n') })
    expect(authorization).toBe('Bearer abc.def')
    expect([...form.keys()]).toEqual(['token'])
  })

  test.each([
    ['is empty', '\n'],
    ['has two words', 'MARK MARK'],
    ['has a line break inside', 'MARK\r\nX-Injected: 1'],
  ])('a file that %s is a failure', async (_what, content) => {
    await expect(shown({ auth: 'bearer', tokenFile: fileOf(content) })).rejects.toMatchObject({
      result: 'local_file',
      message: 'client.tokenFile does not hold a token',
    })
  })
})

describe('a file that cannot be used', () => {
  test.each([
    ['is not there', () => '/nonexistent/MARK', /^client\.secretFile cannot be read: .*ENOENT\)$/],
    ['is empty', () => fileOf(''), /^client\.secretFile is empty$/],
    ['holds a line break only', () => fileOf('\n'), /^client\.secretFile is empty$/],
    ['is not UTF-8', () => fileOf(Buffer.from([0xff, 0xfe])), /^client\.secretFile is not text in UTF-8$/],
  ])('because it %s is named by its option', async (_what, path, message) => {
    await expect(shown({ id: 'me', auth: 'basic', secretFile: path() })).rejects.toMatchObject({
      result: 'local_file',
      message: expect.stringMatching(message),
    })
  })
})
