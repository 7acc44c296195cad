/** How a gateway gets into a store: TLS, users who may do only what they need, and passwords that change. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { checkCommand } from '../../../src/cli/check.ts'
import { type TestAuthority, testAuthority } from '../../support/certificates.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { SOON, STREAM, startFleet, tell, WITHOUT_STORES } from './support.ts'

describe.skipIf(WITHOUT_STORES)('TLS', () => {
  let authority: TestAuthority
  let stranger: TestAuthority
  let store: StoreServer
  let named: StoreServer
  beforeAll(async () => {
    authority = testAuthority()
    stranger = testAuthority()
    store = await startStoreServer({ tls: { server: authority.issue('store', ['DNS:localhost']) } })
    named = await startStoreServer({
      tls: { server: authority.issue('named', ['DNS:redis.internal']), clientCaFile: authority.certFile },
    })
  })
  afterAll(async () => {
    await store.stop()
    await named.stop()
    authority.remove()
    stranger.remove()
  })

  test('by the authority of the configuration', async () => {
    const fleet = await startFleet({ store: { url: store.url, tls: { caFile: authority.certFile } } })
    await expect.poll(fleet.states, SOON).toEqual(['fresh'])
    await tell(store, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked'])
  })

  test('under another name, with a certificate of our own', async () => {
    const { certFile, keyFile } = authority.issue('gateway', ['DNS:gateway'])
    const tls = { caFile: authority.certFile, serverName: 'redis.internal', certFile, keyFile }
    const fleet = await startFleet({ store: { url: named.url, tls } })
    await expect.poll(fleet.states, SOON).toEqual(['fresh'])
  })

  test.for([
    ['of another authority', () => ({ url: store.url, tls: { caFile: stranger.certFile } })],
    ['that the system does not trust', () => ({ url: store.url })],
    [
      'with another name',
      () => ({ url: store.url, tls: { caFile: authority.certFile, serverName: 'redis.internal' } }),
    ],
    [
      'that asks for one of ours',
      () => ({ url: named.url, tls: { caFile: authority.certFile, serverName: 'redis.internal' } }),
    ],
  ] as const)('with a server %s is no way in', async ([_name, storeBlock]) => {
    const fleet = await startFleet({ store: storeBlock() })
    await expect
      .poll(async () => (await fleet.gateways[0]?.admin('/readyz'))?.text, SOON)
      .toMatch(/revocations: (?:starting|stale): \S/)
    expect(await fleet.metric('sallyport_store_up')).toEqual([0])
    expect(await fleet.ask(await fleet.issuer.mint())).toEqual(['revocation_unavailable'])
  })
})

describe.skipIf(WITHOUT_STORES)('a user of the store', () => {
  let folder: string
  let store: StoreServer
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-access-'))
    store = await startStoreServer({
      password: 'default-secret',
      users: [
        'reader on >reader-secret ~{sallyport}:* resetchannels -@all +xread +xrange +xinfo +ping',
        'blind on >blind-secret ~{sallyport}:* resetchannels -@all +xadd +ping',
        'elsewhere on >elsewhere-secret ~other:* resetchannels -@all +xread +xrange +xinfo +ping',
      ],
    })
  })
  afterAll(async () => {
    await store.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const passwordFile = (text: string): string => {
    const file = join(folder, text)
    writeFileSync(file, `${text}\n`, { mode: 0o600 })
    return file
  }

  test.for([
    ['reader', 'reader-secret', '', 0, 'allows reading the stream of revocations'],
    ['blind', 'blind-secret', '', 1, '`+xinfo +xrange +xread ~{sallyport}:revocations`'],
    ['reader', 'reader-secret', 'api: { tokenFile: secret }', 1, '`+xadd ~{sallyport}:revocations`'],
    ['reader', 'wrong', '', 1, 'refuses `username` and `passwordFile` (WRONGPASS'],
  ] as const)('%s is told by check --online what is missing', async ([username, password, more, code, expected]) => {
    const file = join(folder, 'online.yaml')
    writeFileSync(join(folder, 'secret'), 'x'.repeat(32))
    writeFileSync(
      file,
      stringify({
        listen: '127.0.0.1:0',
        admin: { listen: '127.0.0.1:0' },
        upstreams: { app: store.url.replace('redis:', 'http:') },
        store: { url: store.url, username, passwordFile: passwordFile(password) },
        revocation: { whenStale: 'refuse', store: {}, ...parse(more) },
        routes: [{ id: 'all', path: '/**', access: 'public' }],
      }),
    )
    const found = await runCommand(checkCommand, [file, '--online'])
    expect(found.stdout + found.stderr).toContain(expected)
    expect(found.code).toBe(code)
    const entries = await store.command('EXISTS', STREAM)
    expect(entries).toBe(0)
  })

  test('who may only read is enough to hear', async () => {
    const fleet = await startFleet({
      store: { url: store.url, username: 'reader', passwordFile: passwordFile('reader-secret') },
    })
    await tell(store, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked'])
    await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
  })

  test.for([
    ['may not read', 'blind', 'blind-secret'],
    ['may read other keys alone', 'elsewhere', 'elsewhere-secret'],
    ['has another password', 'reader', 'wrong'],
    ['does not exist', 'nobody', 'wrong'],
  ] as const)('who %s is told of, and no password with it', async ([_name, username, password]) => {
    const fleet = await startFleet({ store: { url: store.url, username, passwordFile: passwordFile(password) } })
    const [gateway] = fleet.gateways
    await expect
      .poll(async () => (await gateway?.admin('/readyz'))?.text, SOON)
      .toMatch(/revocations: (?:starting|stale): .*(?:NOPERM|WRONGPASS|permission|password|refuse)/i)
    expect(gateway?.logText()).not.toContain(password === 'wrong' ? '"wrong"' : password)
    expect(await fleet.ask(await fleet.issuer.mint())).toEqual(['revocation_unavailable'])
  })

  test('whose password changes is let in with the one that the file has by then', async () => {
    const file = passwordFile('default-secret')
    const fleet = await startFleet({ store: { url: store.url, passwordFile: file } })
    await expect.poll(fleet.states, SOON).toEqual(['fresh'])
    writeFileSync(file, 'another-secret\n')
    await store.command('CONFIG', 'SET', 'requirepass', 'another-secret')
    // A server lets connections live that were made with the old password.
    await store.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await tell(store, fleet.issuer, { s: 'bob' })
    const bob = await fleet.issuer.mint({ sub: 'bob' })
    await expect.poll(() => fleet.ask(bob), SOON).toEqual(['token_revoked'])
    await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
  })
})
