/** Entries are heard out of a cluster and through sentinels, and a failover that loses nothing is no loss. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { startStoreCluster } from '../../support/services/store-cluster.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startSentinels } from '../../support/services/store-sentinel.ts'
import { SOON, STREAM, startFleet, tell, WITHOUT_STORES } from './support.ts'

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('%s', kind => {
  test('as a cluster, whose servers may be named in any order, and which loses one', async () => {
    const cluster = await startStoreCluster({ kind })
    atEnd(cluster.stop)
    const owner = await cluster.ownerOf(STREAM)
    const others = cluster.servers.filter(server => server !== owner)
    const fleet = await startFleet({
      store: { url: others[0]?.url, topology: 'cluster', nodes: [others[1]?.address, owner.address] },
      gateways: 2,
    })
    await expect.poll(fleet.states, SOON).toEqual(['fresh', 'fresh'])
    await tell(cluster, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked', 'token_revoked'])
    await others[0]?.kill()
    await others[0]?.restart()
    await tell(owner, fleet.issuer, { s: 'bob' }).catch(() => {})
    const bob = await fleet.issuer.mint({ sub: 'bob' })
    await expect.poll(() => fleet.ask(bob), SOON).toEqual(['token_revoked', 'token_revoked'])
  })

  test('with three sentinels, a fourth that is away, and a failover to a replica that had heard of everything', async () => {
    const set = await startSentinels({ kind, sentinels: 3 })
    atEnd(set.stop)
    // Nobody listens at the first address. Two sentinels of three alone may vote for themselves several times.
    const nodes = ['127.0.0.1:1', ...set.nodes]
    const fleet = await startFleet({ store: { url: set.url, topology: 'sentinel', nodes } })
    await tell(set.master, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked'])
    await set.master.command('WAIT', 1, 0)
    await set.master.kill()
    await set.promoted(set.replica)
    await tell(set.replica, fleet.issuer, { s: 'bob' })
    const bob = await fleet.issuer.mint({ sub: 'bob' })
    await expect.poll(() => fleet.ask(bob), SOON).toEqual(['token_revoked'])
    await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
    expect(await fleet.metric('sallyport_revocation_history_lost_total')).toEqual([0])
  })
})

describe.skipIf(WITHOUT_STORES)('with a password', () => {
  let folder: string
  let passwordFile: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-password-'))
    passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, 'secret\n', { mode: 0o600 })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.for([
    ['which the sentinels do not ask for', undefined],
    ['which the sentinels ask for, too', 'secret'],
  ] as const)('%s', async ([_name, sentinelPassword]) => {
    const set = await startSentinels({ password: 'secret', ...(sentinelPassword && { sentinelPassword }) })
    atEnd(set.stop)
    const fleet = await startFleet({ store: { url: set.url, topology: 'sentinel', nodes: set.nodes, passwordFile } })
    await expect.poll(fleet.states, SOON).toEqual(['fresh'])
  })

  test('of a user of a cluster, who needs no further right there', async () => {
    const rights = 'resetchannels -@all ~{sallyport}:* +ping +xread +xrange +xinfo'
    const cluster = await startStoreCluster({ users: [`reader on >secret ${rights}`] })
    atEnd(cluster.stop)
    const owner = await cluster.ownerOf(STREAM)
    const [other] = cluster.servers.filter(server => server !== owner)
    const fleet = await startFleet({
      store: { url: other?.url, topology: 'cluster', username: 'reader', passwordFile },
    })
    await tell(cluster, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked'])
    await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
  })
})
