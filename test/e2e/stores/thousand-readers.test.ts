/** A thousand readers hang on one store, and each of them knows an entry after it was written. */

import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { systemScheduler } from '../../../src/lib/scheduler.ts'
import { revocations } from '../../../src/revocation/revocations.ts'
import { streamReader } from '../../../src/revocation/stream-reader.ts'
import { store as storeOf } from '../../../src/store/store.ts'
import { atEnd } from '../../support/at-end.ts'
import { definitionOf } from '../../support/services/store-definition.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startStoreServer } from '../../support/services/store-server.ts'
import { SOON, tell, WITHOUT_STORES } from './support.ts'

const READERS = 1_000
const ISSUER = 'https://auth.example.com/'
const ALICE = { issuer: ISSUER, kind: 'sub', value: 'alice' } as const

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('with %s', kind => {
  test('every one of a thousand readers hears', { timeout: 60_000 }, async () => {
    const server = await startStoreServer({ kind })
    atEnd(server.stop)
    const store = storeOf(
      // They all share the processor with the server, so nobody hurries.
      definitionOf(server, { timeoutMs: 20_000 }),
      { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} },
    )
    const lost: string[] = []
    const readers = Array.from({ length: READERS }, () => {
      const known = revocations({ clock: systemClock, scheduler: systemScheduler, onEvent() {}, onState() {} })
      known.configure({ entries: 1_000, maxStaleMs: 120_000, fileEntries: [] })
      atEnd(known.close)
      const reader = streamReader({
        store,
        stream: 'revocations',
        keepSeconds: 3600,
        revocations: known,
        clock: systemClock,
        scheduler: systemScheduler,
        random: Math.random,
        observer: { connected() {}, lost: reason => lost.push(reason), historyLost() {}, arrived() {} },
      })
      atEnd(reader.close)
      return known
    })
    const fresh = (): number => readers.filter(({ state }) => state === 'fresh').length
    await expect.poll(fresh, { ...SOON, timeout: 40_000 }).toBe(READERS)
    await tell(server, { issuer: ISSUER }, { s: 'alice' })
    const refusing = (): number => readers.filter(each => each.inForce(ALICE) !== undefined).length
    await expect.poll(refusing, SOON).toBe(READERS)
    expect(lost).toEqual([])
  })
})
