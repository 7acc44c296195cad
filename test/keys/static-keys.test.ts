import { createHmac, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ecJwk, es256, refusedNow, selectNow, startKeySet } from './support.ts'

function temporaryFile(content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-static-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'file'), content)
  return join(folder, 'file')
}

describe('keys that the operator provides', () => {
  const set = { keys: [ecJwk('k1'), ecJwk('k2'), null] }

  test.each([
    ['inline', () => ({ type: 'jwks', document: set }) as const],
    ['from a file', () => ({ type: 'jwksFile', path: temporaryFile(JSON.stringify(set)) }) as const],
  ])('%s are ready at once and never stale', async (_where, source) => {
    const { keySet, lease, time, seen } = startKeySet(source())
    await lease.ready()
    const [key] = selectNow(keySet, es256('k1'))
    await time.advance(365 * 86_400_000)
    expect(key && keySet.isCurrent(key)).toBe(true)
    expect(keySet.status()).toEqual({
      usable: true,
      keys: [
        { kid: 'k1', algorithms: ['ES256'] },
        { kid: 'k2', algorithms: ['ES256'] },
      ],
      skipped: { malformed: 1 },
      lastSuccessSeconds: undefined,
      lastError: undefined,
    })
    expect(refusedNow(keySet, es256('k3')).code).toBe('key_unknown')
    expect(selectNow(keySet, es256(undefined))).toHaveLength(2)
    expect(seen.fetches).toEqual([])
  })

  test.each([
    ['no JSON', 'MARKED {', 'is not JSON'],
    ['no set', '{"MARKED":1}', 'is not a JWK Set: no "keys" array'],
    ['no usable key', '{"keys":[{"kty":"oct","k":"MARKED"}]}', 'has no usable key; skipped: {"symmetric":1}'],
    ['nothing', '', 'is not JSON'],
  ])('a file with %s is refused without quoting it', (_what, text, message) => {
    const path = temporaryFile(text)
    expect(() => startKeySet({ type: 'jwksFile', path })).toThrow(
      new RegExp(`^${message.replace(/[{}[\]"]/g, '\\$&')}$`),
    )
  })

  test('a file that is not there is refused', () => {
    expect(() => startKeySet({ type: 'jwksFile', path: '/nonexistent' })).toThrow(
      'cannot be read: there is no such file or folder (ENOENT)',
    )
  })
})

describe('RFC 7518 §3.2: a shared secret', () => {
  const secretOf = (bytes: number | Buffer) =>
    startKeySet({ type: 'secretFile', path: temporaryFile(typeof bytes === 'number' ? Buffer.alloc(bytes, 7) : bytes) })

  test.each([
    [32, ['HS256']],
    [47, ['HS256']],
    [48, ['HS256', 'HS384']],
    [64, ['HS256', 'HS384', 'HS512']],
  ])('of %i bytes serves %j', (bytes, algorithms) => {
    const { keySet } = secretOf(bytes)
    expect(keySet.status().keys).toEqual([{ kid: undefined, algorithms }])
    expect(selectNow(keySet, { alg: 'HS256', kid: 'whatever', issuers: [] })).toHaveLength(1)
    expect(refusedNow(keySet, { alg: 'RS256', kid: undefined, issuers: [] }).code).toBe('key_unknown')
  })

  test('shorter than the hash output is refused', () => {
    expect(() => secretOf(31)).toThrow('holds 31 bytes; HS256 needs a secret of at least 32')
    expect(() => secretOf(Buffer.from(`${'x'.repeat(31)}\n`))).toThrow('holds 31 bytes')
  })

  test.each(['\n', '\r\n', ''])('one line break at its end is not part of it: %j', end => {
    const { keySet } = secretOf(Buffer.from(`${'s'.repeat(32)}${end}`))
    const [found] = selectNow(keySet, { alg: 'HS256', kid: undefined, issuers: [] })
    const expected = createHmac('sha256', 's'.repeat(32)).update('x').digest('hex')
    expect(found && createHmac('sha256', found.key).update('x').digest('hex')).toBe(expected)
  })

  test('blanks and further line breaks are', () => {
    const { keySet } = secretOf(Buffer.from(` ${'s'.repeat(30)} \n\n`))
    expect(selectNow(keySet, { alg: 'HS256', kid: undefined, issuers: [] })[0]?.key.symmetricKeySize).toBe(33)
  })

  test('a public key in PEM is no secret worth having, and says nothing of HMAC with RSA keys', () => {
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
    const { keySet } = secretOf(Buffer.from(pem))
    expect(refusedNow(keySet, { alg: 'RS256', kid: undefined, issuers: [] }).code).toBe('key_unknown')
  })
})
