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

/** @param token of somebody who was revoked before the loss */
async function expectLoss(fleet: Fleet, token: string): Promise<void> {
  // A loss is looked for every ten seconds, and with each connection.
  fleet.later(10_000)
  await expect.poll(() => fleet.metric(HISTORY_LOST), SOON).toEqual([1])
  expect(await fleet.ask(token)).toEqual(['token_revoked'])
}

/** Waits for an entry that is written now, and for the state that it brings. */
async function expectHeard(store: StoreServer, fleet: Fleet, sub: string): Promise<string> {
  const token = await fleet.issuer.mint({ sub })
  await tell(store, fleet.issuer, { s: sub })
  await expect.poll(() => fleet.ask(token), SOON).toEqual(['token_revoked'])
  // The entry may be heard before the first answer that says how up to date all is.
  await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
  return token
}

/** It is counted once, and told in one line. */
async function expectToldOnce(fleet: Fleet): Promise<void> {
  fleet.later(10_000)
  const looked = fleet.gateways[0]?.metrics
  const looks = async () =>
    (await looked?.())?.get('sallyport_store_command_duration_seconds_count{command="XINFO"}') ?? 0
  const before = await looks()
  await expect.poll(looks, SOON).toBeGreaterThan(before)
  expect(await fleet.metric(HISTORY_LOST)).toEqual([1])
  expect(fleet.gateways[0]?.logs.filter(({ msg }) => /lost revocations/.test(String(msg)))).toHaveLength(1)
}

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('a %s that', kind => {
  test.for(LOSSES)('$name has lost history', async ({ lose }) => {
    const store = await startStoreServer({ kind })
    atEnd(store.stop)
    const fleet = await startFleet({ store: { url: store.url } })
    const alice = await expectHeard(store, fleet, 'alice')
    const bob = await expectHeard(store, fleet, 'bob')
    await lose(store)
    await expectLoss(fleet, alice)
    await expectHeard(store, fleet, 'carol')
    await expectToldOnce(fleet)
    expect(await Promise.all([alice, bob].map(token => fleet.ask(token)))).toEqual([
      ['token_revoked'],
      ['token_revoked'],
    ])
  })

  test('fails over to a replica that had not heard of everything has lost history', async () => {
    const set = await startSentinels({ kind })
    atEnd(set.stop)
    const fleet = await startFleet({ store: { url: set.url, topology: 'sentinel', nodes: set.nodes } })
    await expectHeard(set.master, fleet, 'alice')
    await set.master.command('WAIT', 1, 0)
    await cutReplicas(set.master)
    const bob = await expectHeard(set.master, fleet, 'bob')
    await set.master.kill()
    await set.promoted(set.replica)
    await expectLoss(fleet, bob)
    await expectHeard(set.replica, fleet, 'carol')
    await expectToldOnce(fleet)
    expect(await fleet.ask(bob)).toEqual(['token_revoked'])
  })
})
