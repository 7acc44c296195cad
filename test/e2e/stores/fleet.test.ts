/** Who is revoked in the store is refused by every gateway, and what they have open is closed. */
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { rawClient } from '../../support/clients/raw-client.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startStoreServer } from '../../support/services/store-server.ts'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
import { SOON, startFleet, tell, WITHOUT_STORES } from './support.ts'

const allThree = (answer: string) => [answer, answer, answer]

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('three gateways and %s', kind => {
  test('refuse whom an entry revokes, close what is open, and let pass again whom another takes back', async () => {
    const store = await startStoreServer({ kind })
    atEnd(store.stop)
    const fleet = await startFleet({ store: { url: store.url }, gateways: 3 })
    const [alice, bob] = await Promise.all([
      fleet.issuer.mint({ sub: 'alice', sid: 'session-1' }),
      fleet.issuer.mint({ sub: 'bob' }),
    ])
    await expect.poll(fleet.states, SOON).toEqual(allThree('fresh'))
    expect(await fleet.ask(alice)).toEqual(allThree('passes'))
    const sockets = await Promise.all(
      fleet.gateways.flatMap(({ url }) => [alice, bob].map(token => openWebSocket(`${url}/app/socket`, { token }))),
    )
    const ends = sockets.map(socket => {
      atEnd(() => socket.terminate())
      return closing(socket)
    })
    const events = await Promise.all(
      fleet.gateways.map(async ({ url }) => {
        const client = rawClient(Number(new URL(url).port))
        client.write(`GET /app/events HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${alice}\r\n\r\n`)
        await client.until(/data: hello/)
        return client
      }),
    )

    await tell(store, fleet.issuer, { s: 'alice', r: 'laptop stolen' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(allThree('token_revoked'))
    expect(await fleet.ask(bob)).toEqual(allThree('passes'))
    for (const end of ends.filter((_end, index) => index % 2 === 0))
      expect(await end).toEqual({ code: 1008, reason: 'the access token was revoked' })
    for (const { closed } of events) expect((await closed).text).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(sockets.filter(({ readyState }) => readyState === 1)).toHaveLength(3)

    await tell(store, fleet.issuer, { s: 'alice', x: '1' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(allThree('passes'))
    // The oldest and the newest kind of entry that names her are one to her.
    await tell(store, fleet.issuer, { d: 'session-1' })
    await expect.poll(() => fleet.ask(alice), SOON).toEqual(allThree('token_revoked'))
  })

  test('know at their start what was told before, skip what they cannot read, and count it', async () => {
    const store = await startStoreServer({ kind })
    atEnd(store.stop)
    const later = await startFleet({ store: { url: store.url } })
    const token = (sub: string) => later.issuer.mint({ sub })
    // More than two pages.
    await Promise.all(Array.from({ length: 2_500 }, (_each, index) => tell(store, later.issuer, { s: `old-${index}` })))
    for (const bad of [{ v: '2', s: 'bob' }, { j: 'a', s: 'bob' }, { s: '' }, {}, { s: 'bob', b: 'now' }] as const)
      await tell(store, later.issuer, bad as Record<string, string>)
    await store.command('XADD', '{sallyport}:revocations', '*', 'nonsense', '')
    await tell(store, later.issuer, { s: 'carol', b: '1000', u: '4000000000' })
    await tell(store, later.issuer, { s: 'dave' })
    await expect.poll(async () => later.ask(await token('dave')), SOON).toEqual(['token_revoked'])
    const asked = ['old-0', 'old-999', 'old-1000', 'old-2499', 'bob', 'carol']
    expect(await Promise.all(asked.map(async sub => (await later.ask(await token(sub)))[0]))).toEqual([
      ...['token_revoked', 'token_revoked', 'token_revoked', 'token_revoked'],
      ...['passes', 'passes'],
    ])
    expect(await later.metric('sallyport_revocation_events_total{source="store",result="invalid"}')).toEqual([6])

    const fresh = await startFleet({ store: { url: store.url }, gateways: 3 })
    await expect.poll(fresh.states, SOON).toEqual(allThree('fresh'))
    expect(await fresh.metric('sallyport_revocation_entries{kind="sub"}')).toEqual([2_502, 2_502, 2_502])
  })
})
