/** Tests the keys of SPIFFE bundles: which of them count, and when a bundle is fetched again. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EMPTY_JWK_SET, JWK_SET } from '../../src/keys/jwk-set.ts'
import { SPIFFE_BUNDLE } from '../../src/keys/spiffe-bundle.ts'
import { bundleKeySet } from '../../src/keys/static-keys.ts'
import { manualTime } from '../support/manual-time.ts'
import { json, startKeyServer, status } from '../support/services/key-server.ts'
import { privateNetwork } from './certificates.ts'
import { ecJwk, es256, outcome, refusedNow, selectNow, startedKeySet, TUNING } from './support.ts'

const authority = (kid?: string) => ({ ...ecJwk(kid), use: 'jwt-svid' })
const X509 = { kty: 'EC', use: 'x509-svid', crv: 'P-256', x5c: ['MIIB'] }
const bundle = (keys: readonly unknown[], more: object = {}) => ({ spiffe_sequence: 1, ...more, keys })
const read = (document: unknown) => SPIFFE_BUNDLE.read(document, EMPTY_JWK_SET)
const names = (document: unknown) => read(document).keys.map(({ kid }) => kid)

describe('of a bundle', () => {
  test('keys for JWT-SVIDs count, and those for other documents are not even counted as skipped', () => {
    const { keys, skipped } = read(bundle([X509, authority('a'), { ...ecJwk('w'), use: 'wit-svid' }, authority('b')]))
    expect([keys.map(({ kid }) => kid), skipped]).toEqual([['a', 'b'], {}])
  })

  test.each([
    ['a key without `use`', ecJwk('k')],
    ['a key for signatures in general', { ...ecJwk('k'), use: 'sig' }],
    ['another case of `use`', { ...ecJwk('k'), use: 'JWT-SVID' }],
    ['a key without a name', authority()],
    ['a key with an empty name', authority('')],
    ['a private key', { ...authority('k'), d: 'x' }],
    ['a shared secret', { kty: 'oct', use: 'jwt-svid', kid: 'k', k: 'c2VjcmV0' }],
    ['a key of no algorithm of the standard', { kty: 'OKP', crv: 'Ed25519', use: 'jwt-svid', kid: 'k', x: ecJwk().x }],
    ['no key at all', null],
  ])('%s does not count', (_what, key) => {
    expect(names(bundle([key, authority('good')]))).toEqual(['good'])
  })

  test('no key verifies anything but JWT-SVIDs', () => {
    expect(JWK_SET.read(bundle([authority('a')]), EMPTY_JWK_SET).keys).toEqual([])
  })

  test.each([
    [{ spiffe_refresh_hint: 60 }, 60],
    [{ spiffe_refresh_hint: 0 }, 0],
    [{ spiffe_refresh_hint: '60' }, undefined],
    [{ spiffe_refresh_hint: -1 }, undefined],
    [{ spiffe_refresh_hint: 1.5 }, undefined],
    [{}, undefined],
  ])('%j hints at %s seconds', (more, seconds) => {
    expect(read(bundle([authority('a')], more)).refreshHintSeconds).toBe(seconds)
  })

  test.each([[null], [[]], [{}], [{ keys: {} }], ['bundle']])('%j is none', document => {
    expect(() => read(document)).toThrow('"keys"')
  })
})

describe('a bundle endpoint', () => {
  async function withBundle(document: object) {
    const network = privateNetwork()
    const server = await startKeyServer(network)
    server.answer(json(document))
    const source = { type: 'bundleUrl', url: `${server.origin}/bundle`, ...TUNING, caFile: network.caFile } as const
    return { server, ...(await startedKeySet(source)) }
  }

  test('is asked again when its hint says so, and a key that is gone verifies nothing any more', async () => {
    const hint = { spiffe_refresh_hint: 60 }
    const { server, keySet, advance } = await withBundle(bundle([authority('k1')], hint))
    const [key] = selectNow(keySet, es256('k1'))
    if (key === undefined) throw new Error('no key')
    server.answer(json(bundle([authority('k2')], hint)))
    await advance(60_000)
    expect([server.requests.length, keySet.isCurrent(key)]).toEqual([2, false])
    expect(selectNow(keySet, es256('k2')).map(({ kid }) => kid)).toEqual(['k2'])
  })

  test.each([
    ['never later than is configured', 3_600, TUNING.refreshMs],
    ['never sooner than the cooldown', 0, TUNING.cooldownMs],
  ])('is asked again %s', async (_what, seconds, afterMs) => {
    const { server, advance } = await withBundle(bundle([authority('k1')], { spiffe_refresh_hint: seconds }))
    await advance(afterMs / 2)
    expect(server.requests).toHaveLength(1)
    await advance(afterMs / 2)
    expect(server.requests).toHaveLength(2)
  })

  test('without a usable key has revoked all: tokens are refused for good, and it is said why', async () => {
    const { server, keySet, advance, seen } = await withBundle(bundle([X509, authority('k1')]))
    const [key] = selectNow(keySet, es256('k1'))
    if (key === undefined) throw new Error('no key')
    server.answer(json(bundle([X509])))
    await advance(TUNING.refreshMs)
    expect([keySet.isCurrent(key), refusedNow(keySet, es256('k1')).code]).toEqual([false, 'key_unknown'])
    expect(keySet.status()).toMatchObject({ usable: true, keys: [], lastError: expect.stringContaining('revokes') })
    expect(seen.fetches.map(({ result }) => result)).toEqual(['ok', 'no_keys'])
    expect(seen.states.at(-1)).toMatchObject({ to: 'unavailable', reason: expect.stringContaining('revokes') })
    server.answer(json(bundle([authority('k2')])))
    await advance(TUNING.refreshMs)
    expect([selectNow(keySet, es256('k2')).length, keySet.status().lastError]).toEqual([1, undefined])
  })

  test('that fails is an outage, and the last bundle goes on', async () => {
    const { server, keySet, advance } = await withBundle(bundle([authority('k1')]))
    server.answer(status(500))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    expect(await outcome(keySet, es256('k2'))).toBe('keys_unavailable')
  })

  test('that nobody vouches for is not believed', async () => {
    const { folder, key, cert } = privateNetwork()
    const server = await startKeyServer({ key, cert })
    server.answer(json(bundle([authority('k1')])))
    const { keySet } = await startedKeySet({ type: 'bundleUrl', url: `${server.origin}/bundle`, ...TUNING })
    expect([keySet.status().usable, folder, server.requests]).toEqual([false, folder, []])
  })

  test('keeps its bundle for the next start, also one that revokes all', async () => {
    const { folder, key, cert, caFile } = privateNetwork()
    const cacheFile = join(folder, 'bundle.json')
    const server = await startKeyServer({ key, cert })
    const url = `${server.origin}/bundle`
    const source = { type: 'bundleUrl', url, ...TUNING, caFile, cacheFile } as const
    const fetchedAtMs = manualTime().nowMs()
    const cached = (keys: readonly unknown[]) => {
      const document = { version: 1, issuer: 'https://issuer.example/', url, fetchedAtMs, document: bundle(keys) }
      writeFileSync(cacheFile, JSON.stringify(document), { mode: 0o600 })
    }
    server.answer(status(503))
    cached([authority('k1')])
    expect(selectNow((await startedKeySet(source)).keySet, es256('k1'))).toHaveLength(1)
    cached([])
    const { keySet } = await startedKeySet(source)
    expect(keySet.status()).toMatchObject({ usable: true, keys: [] })
  })
})

describe('a file', () => {
  test('may hold a bundle without a usable key, since that says something', () => {
    const keySet = bundleKeySet(JSON.stringify(bundle([X509])), 'workloads')
    expect(refusedNow(keySet, es256('k1'))).toMatchObject({ code: 'key_unknown', provider: 'workloads' })
    expect(keySet.status()).toMatchObject({ usable: true, lastError: expect.stringContaining('use: jwt-svid') })
  })

  test('has to hold a bundle', () => {
    expect(() => bundleKeySet('{"kty":"EC"}', 'workloads')).toThrow('write `{"keys": [ ]}` around it')
  })
})
