/** Entries are heard out of a cluster and through sentinels, and a failover that loses nothing is no loss. */
import { describe, expect, test } from 'vitest'
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

  test('with three sentinels, one of them away, and a failover to a replica that had heard of everything', async () => {
    const set = await startSentinels({ kind, sentinels: 3 })
    atEnd(set.stop)
    await set.sentinels[0]?.kill()
    const fleet = await startFleet({ store: { url: set.url, topology: 'sentinel', nodes: set.nodes } })
    await tell(set.master, fleet.issuer, { s: 'alice' })
    const alice = await fleet.issuer.mint({ sub: 'alice' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(['token_revoked'])
    await set.master.command('WAIT', 1, 0)
    await set.master.kill()
    await set.promoted(set.replica)
    await tell(set.replica, fleet.issuer, { s: 'bob' })
    const bob = await fleet.issuer.mint({ sub: 'bob' })
    await expect.poll(() => fleet.ask(bob), SOON).toEqual(['token_revoked'])
    expect(await fleet.states()).toEqual(['fresh'])
    expect(await fleet.metric('sallyport_revocation_history_lost_total')).toEqual([0])
  })
})
