/**
 * While the store is away, what is known refuses, and what may be missing is decided as the configuration says; once
 * it is back, so is all that it has.
 */
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { bearer } from '../../support/gateway/gateway.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { SOON, startFleet, tell, WITHOUT_STORES } from './support.ts'

const MAX_STALE_MS = 60_000
const STALE_ALLOWED = 'sallyport_revocation_stale_decisions_total{route="browse",decision="allowed"}'
const HISTORY_LOST = 'sallyport_revocation_history_lost_total'

interface Outage {
  readonly name: string
  begin(store: StoreServer): Promise<unknown> | unknown
  end(store: StoreServer): Promise<unknown> | unknown
}

const OUTAGES: readonly Outage[] = [
  { name: 'is killed, and comes back with what it had', begin: store => store.kill(), end: store => store.restart() },
  { name: 'hangs as a process', begin: store => store.pause(), end: store => store.resume() },
  {
    name: 'takes commands and answers none until it is restarted',
    begin: store => store.command('CLIENT', 'PAUSE', 600_000, 'ALL'),
    // A server that is paused for all hears no command to go on, either.
    end: store => store.restart(),
  },
]

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('a %s that', kind => {
  test.for(OUTAGES)('$name', async ({ begin, end }) => {
    const store = await startStoreServer({ kind, persistence: 'appendonly' })
    atEnd(store.stop)
    const fleet = await startFleet({ store: { url: store.url } })
    const [gateway] = fleet.gateways
    const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(sub => fleet.issuer.mint({ sub })))
    await tell(store, fleet.issuer, { s: 'alice' })
    await expect.poll(() => fleet.ask(alice ?? ''), SOON).toEqual(['token_revoked'])

    await begin(store)
    expect(await fleet.ask(alice ?? '')).toEqual(['token_revoked'])
    expect(await fleet.ask(bob ?? '')).toEqual(['passes'])
    // Until the gateway gives its connection up, an answer that is still to come proves that all is known.
    await expect.poll(() => fleet.metric('sallyport_store_up'), SOON).toEqual([0])
    fleet.later(MAX_STALE_MS)
    await expect.poll(() => fleet.ask(bob ?? ''), SOON).toEqual(['revocation_unavailable'])
    const refused = await gateway?.request('/app/x', { headers: bearer(bob ?? '') })
    expect(refused?.status).toBe(503)
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused?.headers).not.toHaveProperty('www-authenticate')
    expect(await fleet.ask(alice ?? '')).toEqual(['token_revoked'])
    expect(await fleet.ask(alice ?? '', '/browse/x')).toEqual(['token_revoked'])
    const [before = 0] = await fleet.metric(STALE_ALLOWED)
    expect(await fleet.ask(bob ?? '', '/browse/x')).toEqual(['passes'])
    expect(await fleet.metric(STALE_ALLOWED)).toEqual([before + 1])
    const readyz = await gateway?.admin('/readyz')
    expect(readyz?.status).toBe(503)
    expect(readyz?.text).toContain('revocations: stale')

    await end(store)
    await tell(store, fleet.issuer, { s: 'carol' })
    await expect.poll(() => fleet.ask(carol ?? ''), SOON).toEqual(['token_revoked'])
    expect(await fleet.ask(alice ?? '')).toEqual(['token_revoked'])
    expect(await fleet.ask(bob ?? '')).toEqual(['passes'])
    expect((await gateway?.admin('/readyz'))?.status).toBe(200)
    expect(await fleet.metric('sallyport_store_up')).toEqual([1])
    expect(await fleet.metric(HISTORY_LOST)).toEqual([0])
    const told = gateway?.logs.filter(({ msg }) => /revocations (?:may be missing|are up to date)/.test(String(msg)))
    expect(told?.slice(-2).map(({ state }) => state)).toEqual(['stale', 'fresh'])
  })
})

describe.skipIf(WITHOUT_STORES)('a store that is down', () => {
  test('keeps no gateway from starting or reloading, and is used once it is there', async () => {
    const store = await startStoreServer()
    atEnd(store.stop)
    await store.kill()
    const fleet = await startFleet({ store: { url: store.url } })
    const [gateway] = fleet.gateways
    const token = await fleet.issuer.mint()
    // The state is `starting` for two seconds, which refuses, too.
    expect(await fleet.ask(token)).toEqual(['revocation_unavailable'])
    expect(await fleet.ask(token, '/browse/x')).toEqual(['passes'])
    expect((await gateway?.admin('/readyz'))?.text).toMatch(/revocations: (?:starting|stale)/)
    await gateway?.running.reload()
    await gateway?.logged({ msg: 'configuration reloaded' })
    expect(await fleet.ask(token)).toEqual(['revocation_unavailable'])
    await store.restart()
    await expect.poll(() => fleet.ask(token), SOON).toEqual(['passes'])
    await expect.poll(() => fleet.states(), SOON).toEqual(['fresh'])
    expect(await fleet.metric(HISTORY_LOST)).toEqual([0])
  })
})
