/** A store that has lost entries is noticed and told of once, and no gateway forgets what it knew. */
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startSentinels } from '../../support/services/store-sentinel.ts'
import { cutReplicas, type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { type Fleet, SOON, STREAM, startFleet, tell, WITHOUT_STORES } from './support.ts'

const HISTORY_LOST = 'sallyport_revocation_history_lost_total'

const LOSSES: ReadonlyArray<{ readonly name: string; lose(store: StoreServer): Promise<unknown> }> = [
  { name: 'is empty after a restart', lose: store => store.restart() },
  { name: 'is flushed', lose: store => store.command('FLUSHALL') },
  { name: 'has its stream deleted', lose: store => store.command('DEL', STREAM) },
  { name: 'has its stream emptied', lose: store => store.command('XTRIM', STREAM, 'MAXLEN', 0) },
  {
    name: 'has another stream, as long as the first',
    async lose(store) {
      const entries = (await store.command('XRANGE', STREAM, '-', '+')) as ReadonlyArray<[string, string[]]>
      // In one go, so that nobody sees that it is gone.
      await store.command('MULTI')
      await store.command('DEL', STREAM)
      for (const _each of entries) await store.command('XADD', STREAM, '*', 'v', '1', 'i', 'other', 's', 'x')
      await store.command('EXEC')
    },
  },
]

async function expectLoss(fleet: Fleet, entries: number): Promise<void> {
  // A loss is looked for every ten seconds, and with each connection.
  fleet.later(10_000)
  await expect.poll(() => fleet.metric(HISTORY_LOST), SOON).toEqual([1])
  const told = fleet.gateways[0]?.logs.filter(({ msg }) => /lost/.test(String(msg)))
  expect(told).toHaveLength(1)
  expect(await fleet.ask(await fleet.issuer.mint({ sub: 'alice' }))).toEqual(['token_revoked'])
  const [known = 0] = await fleet.metric('sallyport_revocation_entries{kind="sub"}')
  expect(known).toBeGreaterThanOrEqual(entries)
}

async function knowing(store: StoreServer, fleet: Fleet): Promise<void> {
  for (const sub of ['alice', 'bob']) await tell(store, fleet.issuer, { s: sub })
  const token = await fleet.issuer.mint({ sub: 'bob' })
  await expect.poll(() => fleet.ask(token), SOON).toEqual(['token_revoked'])
}

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('a %s that', kind => {
  test(`${LOSSES.map(({ name }) => name).join(', or ')}, has lost history`, { timeout: 60_000 }, async () => {
    await Promise.all(
      LOSSES.map(async ({ lose }) => {
        const store = await startStoreServer({ kind })
        atEnd(store.stop)
        const fleet = await startFleet({ store: { url: store.url } })
        await knowing(store, fleet)
        await lose(store)
        await expectLoss(fleet, 2)
        await tell(store, fleet.issuer, { s: 'carol' })
        const carol = await fleet.issuer.mint({ sub: 'carol' })
        await expect.poll(() => fleet.ask(carol), SOON).toEqual(['token_revoked'])
        expect(await fleet.states()).toEqual(['fresh'])
        expect(await fleet.metric(HISTORY_LOST)).toEqual([1])
      }),
    )
  })

  test('fails over to a replica that had not heard of everything has lost history', { timeout: 60_000 }, async () => {
    const set = await startSentinels({ kind })
    atEnd(set.stop)
    const fleet = await startFleet({ store: { url: set.url, topology: 'sentinel', nodes: set.nodes } })
    await tell(set.master, fleet.issuer, { s: 'alice' })
    await set.master.command('WAIT', 1, 0)
    await cutReplicas(set.master)
    await tell(set.master, fleet.issuer, { s: 'bob' })
    const bob = await fleet.issuer.mint({ sub: 'bob' })
    await expect.poll(() => fleet.ask(bob), SOON).toEqual(['token_revoked'])

    await set.master.kill()
    await set.promoted(set.replica)
    await expectLoss(fleet, 2)
    expect(await fleet.ask(bob)).toEqual(['token_revoked'])
    await tell(set.replica, fleet.issuer, { s: 'carol' })
    const carol = await fleet.issuer.mint({ sub: 'carol' })
    await expect.poll(() => fleet.ask(carol), SOON).toEqual(['token_revoked'])
    expect(await fleet.states()).toEqual(['fresh'])
  })
})
