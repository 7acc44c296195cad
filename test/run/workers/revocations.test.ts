/** What is taken back over the admin listener of several processes is taken back in each of them. */
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { bearer, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { startWorkers, WORKERS, type Workers } from './support.ts'

const SECRET = 'the-secret-of-the-operator-0123456789'

interface Revoking extends Workers {
  readonly issuer: TestIssuer
  readonly secretFile: string
  api(method: 'GET' | 'POST' | 'DELETE', entry?: Readonly<Record<string, unknown>>): Promise<[number, unknown]>
  /** Sends requests until each worker has served some. @returns the statuses that were seen */
  statuses(token: string): Promise<ReadonlySet<number>>
}

async function start(revocation: Readonly<Record<string, unknown>> = {}): Promise<Revoking> {
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const secretFile = join(tmpdir(), `sallyport-secret-${randomBytes(6).toString('hex')}`)
  writeFileSync(secretFile, SECRET, { mode: 0o600 })
  atEnd(() => rmSync(secretFile))
  const workers = await startWorkers({
    providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
    routes: [{ id: 'all', path: '/**' }],
    revocation: { api: { tokenFile: secretFile }, ...revocation },
  })
  const { gateway } = workers
  return {
    ...workers,
    issuer,
    secretFile,
    async api(method, entry) {
      const { statusCode, body } = await request(`${gateway.adminUrl}/-/revocations`, {
        method,
        headers: { ...bearer(SECRET), ...(entry === undefined ? {} : { 'content-type': 'application/json' }) },
        body: entry === undefined ? null : JSON.stringify(entry),
      })
      return [statusCode, await body.json()]
    },
    async statuses(token) {
      const dispatcher = new Agent()
      const path = `/${randomBytes(6).toString('hex')}`
      const statuses = new Set<number>()
      const served = () => new Set(gateway.lines().flatMap(line => (line.path === path ? [line.worker] : []))).size
      for (let sent = 0; sent < 3 * WORKERS || served() < WORKERS; sent++) {
        const options = { dispatcher, reset: true, headers: bearer(token) }
        const { statusCode, body } = await request(gateway.url + path, options)
        await body.dump()
        statuses.add(statusCode)
      }
      await dispatcher.destroy()
      return statuses
    },
  }
}

test('a revocation is in force in each when it is answered, and so is its end', async () => {
  const { issuer, api, statuses, workers } = await start()
  const token = await issuer.mint({ sub: 'alice' })
  expect(await statuses(token)).toEqual(new Set([200]))
  expect(await api('POST', { issuer: issuer.issuer, sub: 'alice' })).toEqual([
    200,
    { result: 'applied', scope: 'process', entry: expect.objectContaining({ sub: 'alice' }) },
  ])
  expect(await statuses(token)).toEqual(new Set([401]))
  expect(await statuses(await issuer.mint({ sub: 'bob' }))).toEqual(new Set([200]))
  expect(await api('GET')).toMatchObject([200, { state: 'fresh', entries: { sub: 1 } }])
  expect(await workers()).toHaveLength(WORKERS)
  expect(await api('DELETE', { issuer: issuer.issuer, sub: 'alice' })).toMatchObject([200, { result: 'undone' }])
  expect(await statuses(token)).toEqual(new Set([200]))
})

test('one that takes the place of another knows what was revoked before, and not what was undone', async () => {
  const { gateway, issuer, api, statuses, pids } = await start()
  const [alice, bob] = [await issuer.mint({ sub: 'alice' }), await issuer.mint({ sub: 'bob' })]
  await api('POST', { issuer: issuer.issuer, sub: 'alice' })
  await api('POST', { issuer: issuer.issuer, sub: 'bob' })
  await api('DELETE', { issuer: issuer.issuer, sub: 'bob' })
  for (const [index, pid] of (await pids()).entries()) {
    process.kill(pid, 'SIGKILL')
    await gateway.logged({ msg: 'a worker took its place' }, index + 1)
    expect(await statuses(alice)).toEqual(new Set([401]))
    expect(await statuses(bob)).toEqual(new Set([200]))
  }
})

test('a changed file of secrets counts in whichever worker answers, and without one the path is unknown', async () => {
  const { gateway, issuer, upstream, secretFile, api } = await start()
  writeFileSync(secretFile, 'another-secret-of-the-operator-0123456')
  await gateway.logged({ msg: 'configuration reloaded' }, WORKERS)
  expect(await api('POST', { issuer: issuer.issuer, sub: 'alice' })).toMatchObject([401, { error: expect.any(String) }])
  gateway.write('sallyport.yaml', {
    workers: WORKERS,
    providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
    upstreams: { app: upstream.url },
    routes: [{ id: 'all', path: '/**' }],
  })
  await gateway.logged({ msg: 'configuration reloaded' }, 2 * WORKERS)
  expect((await gateway.admin('/-/revocations')).status).toBe(404)
})
