/** A gateway that is started again refuses what was revoked before, without anybody telling it. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { expect, test } from 'vitest'
import { loadConfigFile } from '../../src/config/read/load.ts'
import { readCacheFile, writeCacheFile } from '../../src/revocation/cache-file.ts'
import { revocationSettings } from '../../src/run/revocation-settings.ts'
import { atEnd } from '../support/at-end.ts'
import { bearer, testProvider } from '../support/gateway/gateway.ts'
import { configText, type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { until } from './workers/support.ts'

const SECRET = 'the-secret-of-the-operator-0123456789'

async function start() {
  const [issuer, upstream] = [await startTestIssuer(), await startTestUpstream()]
  atEnd(issuer.close)
  atEnd(upstream.close)
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-kept-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
  const cacheFile = join(folder, 'revocations')
  const config = (more: Readonly<Record<string, unknown>> = {}) => ({
    providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
    upstreams: { app: upstream.url },
    routes: [{ id: 'all', path: '/**' }],
    revocation: { api: { tokenFile: join(folder, 'secret') }, cacheFile },
    ...more,
  })
  const run = async (more: Readonly<Record<string, unknown>> = {}): Promise<GatewayOnFile> => {
    const gateway = await startGatewayOnFile(config(more))
    atEnd(gateway.stop)
    return gateway
  }
  const revoke = async (gateway: GatewayOnFile, sub: string, method: 'POST' | 'DELETE' = 'POST') => {
    const { statusCode, body } = await request(`${gateway.adminUrl}/-/revocations`, {
      method,
      headers: { ...bearer(SECRET), 'content-type': 'application/json' },
      body: JSON.stringify({ issuer: issuer.issuer, sub }),
    })
    await body.dump()
    expect(statusCode).toBe(200)
  }
  const tokens = new Map<string, string>()
  const call = async (gateway: GatewayOnFile, sub: string): Promise<number> => {
    const token = tokens.get(sub) ?? (await issuer.mint({ sub }))
    tokens.set(sub, token)
    const { statusCode, body } = await request(`${gateway.url}/${randomBytes(4).toString('hex')}`, {
      headers: bearer(token),
    })
    await body.dump()
    return statusCode
  }
  /** Ends the process at once, as a lack of memory would. */
  const kill = async ({ process: { child, exited } }: GatewayOnFile) => {
    child.kill('SIGKILL')
    await exited
  }
  const end = async ({ process: { child, exited } }: GatewayOnFile) => {
    child.kill('SIGTERM')
    expect(await exited).toBe(0)
  }
  return { folder, cacheFile, config, run, revoke, call, kill, end }
}

test('it refuses what was known, after an orderly end and after a crash, and lets pass what was undone', async () => {
  const { cacheFile, run, revoke, call, kill, end } = await start()
  const first = await run()
  expect(await call(first, 'alice')).toBe(200)
  await until(() => existsSync(cacheFile), Boolean)
  const empty = readFileSync(cacheFile).length
  await revoke(first, 'alice')
  await until(
    () => readFileSync(cacheFile).length,
    size => size > empty,
  )
  await kill(first)

  const second = await run()
  expect(await second.logged({ msg: 'revocations were read from their cache' })).toMatchObject({ entries: 1 })
  expect(await call(second, 'alice')).toBe(401)
  expect(await call(second, 'bob')).toBe(200)
  await revoke(second, 'bob')
  await revoke(second, 'alice', 'DELETE')
  await end(second)

  const third = await run()
  expect([await call(third, 'alice'), await call(third, 'bob')]).toEqual([200, 401])
})

test('workers read it, and one of them keeps it; what was undone a moment ago stays undone in one that comes later', async () => {
  const { cacheFile, run, revoke, call, end } = await start()
  const first = await run({ workers: 2 })
  await until(() => existsSync(cacheFile), Boolean)
  const empty = readFileSync(cacheFile).length
  for (const sub of ['alice', 'bob']) {
    await call(first, sub)
    await revoke(first, sub)
  }
  await until(
    () => readFileSync(cacheFile).length,
    size => size === empty + 40,
  )
  await revoke(first, 'bob', 'DELETE')
  const { workers } = JSON.parse((await first.admin('/-/status')).text) as { workers: ReadonlyArray<{ pid: number }> }
  for (const [index, { pid }] of workers.entries()) {
    process.kill(pid, 'SIGKILL')
    await first.logged({ msg: 'a worker took its place' }, index + 1)
  }
  for (let sent = 0; sent < 4; sent++)
    expect([await call(first, 'alice'), await call(first, 'bob')]).toEqual([401, 200])
  await end(first)
  expect(readFileSync(cacheFile).length).toBe(empty + 20)
})

test('a file that cannot be used is told of once, and replaced', async () => {
  const { cacheFile, run, revoke, call, end } = await start()
  writeFileSync(cacheFile, 'something else', { mode: 0o600 })
  const first = await run()
  expect(await first.logged({ msg: 'the cache of revocations is not used' })).toMatchObject({
    level: 'warn',
    file: cacheFile,
    reason: expect.stringContaining('is no cache of revocations'),
  })
  expect(await call(first, 'alice')).toBe(200)
  await revoke(first, 'alice')
  await end(first)
  expect(await call(await run(), 'alice')).toBe(401)
})

test('a reload that names another file has it written', async () => {
  const { folder, config, run, revoke, end } = await start()
  const first = await run()
  await revoke(first, 'alice')
  const other = join(folder, 'other')
  first.write(
    'sallyport.yaml',
    config({ revocation: { api: { tokenFile: join(folder, 'secret') }, cacheFile: other } }),
  )
  await first.logged({ msg: 'configuration reloaded' })
  await until(() => existsSync(other), Boolean)
  await end(first)
})

test('a folder that is not there is told of once', async () => {
  const { folder, run } = await start()
  const file = join(folder, 'gone', 'revocations')
  const first = await run({ revocation: { api: { tokenFile: join(folder, 'secret') }, cacheFile: file } })
  expect(await first.logged({ file, level: 'warn' })).toMatchObject({
    reason: 'it cannot be written: there is no such file or folder (ENOENT)',
  })
})

test('while the store is down, it is as fresh as the last proof, and what is known is refused either way', async () => {
  const { folder, cacheFile, config, run, revoke, call, end } = await start()
  const first = await run()
  expect([await call(first, 'alice'), await call(first, 'bob')]).toEqual([200, 200])
  await revoke(first, 'alice')
  await end(first)
  const kept = readCacheFile(cacheFile, { nowMs: Date.now(), keepMs: 60_000, remote: undefined })
  if (kept === undefined || 'refused' in kept) throw new Error('nothing was kept')
  const outage = {
    store: { url: 'redis://127.0.0.1:1' },
    revocation: {
      api: { tokenFile: join(folder, 'secret') },
      cacheFile,
      store: {},
      whenStale: 'refuse',
      maxStale: '1m',
    },
  }
  writeFileSync(join(folder, 'outage.yaml'), configText(config(outage)))
  const remote = revocationSettings(loadConfigFile(join(folder, 'outage.yaml'), {}))?.remote
  expect(remote).toBeDefined()
  for (const [ageMs, state, status] of [
    [5_000, 'fresh', 200],
    [90_000, 'stale', 503],
  ] as const) {
    const head = { writtenMs: Date.now(), provedMs: Date.now() - ageMs, remote }
    await writeCacheFile(cacheFile, head, [kept.words])
    const gateway = await run(outage)
    expect([await call(gateway, 'alice'), await call(gateway, 'bob')]).toEqual([401, status])
    const shown = JSON.parse((await gateway.admin('/-/status')).text) as Record<string, unknown>
    expect(shown.revocation).toMatchObject({ state, entries: { sub: 1 }, last_success: expect.any(String) })
    await gateway.stop()
  }
})
