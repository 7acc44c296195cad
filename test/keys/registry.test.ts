import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeySetRegistry } from '../../src/keys/registry.ts'
import { json, startKeyServer } from '../support/services/key-server.ts'
import { ecJwk, es256, selectNow, startedKeySet, TUNING } from './support.ts'

type KeySetDefinition = Parameters<KeySetRegistry['acquire']>[0]

describe('key sets outlive a reload', () => {
  test('the same definition is the same set, fetched once, until nobody leases it', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    const { registry, lease, time } = await startedKeySet(source)
    const definition: KeySetDefinition = { provider: 'main', issuer: 'https://issuer.example/', source: { ...source } }
    const next = registry.acquire(definition)
    expect(next.value).toBe(lease.value)
    lease.release()
    lease.release()
    await time.advance(120_000)
    expect(selectNow(next.value, es256('k1'))).toHaveLength(1)
    expect(server.requests).toHaveLength(1)
    next.release()
    await time.advance(60_000)
    expect(time.pendingMs()).toEqual([])
    expect(registry.acquire(definition).value).not.toBe(lease.value)
  })

  test.each<readonly [string, (definition: KeySetDefinition) => KeySetDefinition]>([
    ['provider', definition => ({ ...definition, provider: 'other' })],
    ['issuer', definition => ({ ...definition, issuer: 'https://issuer.example' })],
    ['tuning', ({ source, ...rest }) => ({ ...rest, source: { ...source, maxBytes: 1 } as typeof source })],
    ['trust', ({ source, ...rest }) => ({ ...rest, source: { ...source, caFile: '/x' } as typeof source })],
  ])('another %s is another set', async (_what, change) => {
    const server = await startKeyServer()
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    const { registry, lease } = await startedKeySet(source)
    const other = registry.acquire(change({ provider: 'main', issuer: 'https://issuer.example/', source }))
    expect(other.value).not.toBe(lease.value)
  })

  test('a released set serves the requests that have it for a minute, then ends', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, lease, time } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    lease.release()
    await time.advance(59_999)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await time.advance(1)
    expect(time.pendingMs()).toEqual([])
  })

  test('a reload that is taken back within that minute finds the set as it was', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    const { registry, lease, time, advance } = await startedKeySet(source)
    lease.release()
    await time.advance(30_000)
    const again = registry.acquire({ provider: 'main', issuer: 'https://issuer.example/', source })
    await time.advance(120_000)
    expect(again.value).toBe(lease.value)
    expect(selectNow(again.value, es256('k1'))).toHaveLength(1)
    await advance(TUNING.refreshMs)
    expect(server.requests).toHaveLength(2)
  })

  test('a file is read again by the next reload: the same content is the same set, another is another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-registry-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'keys.json')
    const write = (kid: string): string => {
      const text = JSON.stringify({ keys: [ecJwk(kid)] })
      writeFileSync(path, text)
      return text
    }
    const text = write('k1')
    const { registry, lease } = await startedKeySet({ type: 'jwksFile', path })
    const acquire = () =>
      registry.acquire({ provider: 'main', issuer: 'https://issuer.example/', source: { type: 'jwksFile', path } })
    writeFileSync(path, text)
    expect(acquire().value).toBe(lease.value)
    write('k2')
    const changed = acquire()
    expect(selectNow(changed.value, es256('k2'))).toHaveLength(1)
    expect(selectNow(lease.value, es256('k1'))).toHaveLength(1)
  })

  test('a set that cannot be made leaves nothing behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-registry-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'secret')
    const { registry, time } = await startedKeySet({ type: 'jwks', document: { keys: [ecJwk('k1')] } })
    const acquire = () => registry.acquire({ provider: 'x', issuer: 'x', source: { type: 'secretFile', path } })
    expect(acquire).toThrow('cannot be read: there is no such file or folder (ENOENT)')
    writeFileSync(path, 'short')
    expect(acquire).toThrow('HS256 needs a secret of at least 32')
    expect(acquire).toThrow('HS256 needs a secret of at least 32')
    expect(time.pendingMs()).toEqual([])
    writeFileSync(path, 's'.repeat(32))
    expect(selectNow(acquire().value, { alg: 'HS256', kid: undefined, issuers: [] })).toHaveLength(1)
  })
})
