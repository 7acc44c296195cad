/** What is revoked, and whether that is up to date: sources, states and generations. */
import { beforeEach, describe, expect, test } from 'vitest'
import { type RevocationEntry, withTimes } from '../../src/revocation/entry.ts'
import { fingerprint } from '../../src/revocation/fingerprint.ts'
import { type RevocationSettings, type Revocations, revocations } from '../../src/revocation/revocations.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'

const ISSUER = 'https://auth.example.com/'
const ALICE = { issuer: ISSUER, kind: 'sub', value: 'alice' } as const

let time: ManualTime
let known: Revocations
let events: string[]
let states: string[]
let changes: number
const now = (): number => Math.floor(time.nowMs() / 1000)
const entry = (rest: Partial<RevocationEntry> = {}): RevocationEntry => ({
  ...withTimes({ ...ALICE, before: undefined, until: undefined, reason: undefined }, now(), 3600),
  ...rest,
})
const settings = (rest: Partial<RevocationSettings> = {}): RevocationSettings => ({
  entries: 1000,
  maxStaleMs: undefined,
  fileEntries: [],
  ...rest,
})

beforeEach(() => {
  time = manualTime()
  events = []
  states = []
  changes = 0
  known = revocations({
    clock: time,
    scheduler: time,
    onEvent: (source, result) => events.push(`${source} ${result}`),
    onState: state => states.push(state),
  })
  known.onChange(() => changes++)
})

describe('an entry', () => {
  beforeEach(() => known.configure(settings()))

  test('hits what was issued up to its time, in that very second, too, and what does not say when', () => {
    known.apply(entry({ before: 1000 }), 'api')
    expect(known.inForce(ALICE, 999)).toEqual({ kind: 'sub', before: 1000, source: 'told' })
    expect(known.inForce(ALICE, 1000)).toBeDefined()
    expect(known.inForce(ALICE, 1001)).toBeUndefined()
    expect(known.find([fingerprint(ALICE)], undefined)).toBeDefined()
  })

  test('of a token id hits whenever the token was issued', () => {
    const token = { issuer: ISSUER, kind: 'jti', value: 't1' } as const
    known.apply(entry({ ...token, before: undefined }), 'api')
    expect(known.inForce(token, now() + 100_000)).toBeDefined()
  })

  test.each([
    ['another issuer', { ...ALICE, issuer: 'https://other.example.com/' }],
    ['another kind', { ...ALICE, kind: 'client' }],
    ['another value', { ...ALICE, value: 'alic' }],
  ] as const)('does not hit %s', (_, subject) => {
    known.apply(entry(), 'api')
    expect(known.inForce(subject)).toBeUndefined()
  })

  test('with issuer and value cut elsewhere is another', () => {
    known.apply(entry({ issuer: 'https://a', value: 'bc' }), 'api')
    expect(known.inForce({ ...ALICE, issuer: 'https://ab', value: 'c' })).toBeUndefined()
  })

  test('goes when it expires, and when it is undone whatever its time', async () => {
    known.apply(entry(), 'api')
    expect(known.undo(ALICE, 'api')).toBe('undone')
    expect(known.undo(ALICE, 'api')).toBe('duplicate')
    expect(known.inForce(ALICE)).toBeUndefined()
    known.apply(entry(), 'api')
    await time.advance(3601_000)
    expect(known.inForce(ALICE, 0)).toBeUndefined()
    expect(events).toEqual(['api applied', 'api undone', 'api duplicate', 'api applied'])
  })

  test('stays when what undoes it was said before', () => {
    known.apply(entry({ before: 1000 }), 'cache')
    expect(known.undo(ALICE, 'store', 999)).toBe('duplicate')
    expect(known.inForce(ALICE, 1000)).toBeDefined()
    expect(known.undo(ALICE, 'store', 1001)).toBe('undone')
  })

  test('finds a place at once where others are over', async () => {
    for (let index = 0; index < 1000; index++) known.apply(entry({ value: `user-${index}`, until: now() }), 'api')
    await time.advance(1000)
    expect(known.apply(entry(), 'api')).toBe('applied')
  })

  test('that is new gives another generation, and one that says nothing new does not', () => {
    const before = known.generation
    known.apply(entry(), 'api')
    const after = known.generation
    expect(after).not.toBe(before)
    known.apply(entry(), 'store')
    known.apply(entry({ until: 1 }), 'store')
    expect(known.generation).toBe(after)
    known.undo(ALICE, 'api')
    expect(known.generation).not.toBe(after)
    expect(events).toEqual(['api applied', 'store duplicate', 'store expired', 'api undone'])
  })

  test('is expired in the end, and its place is free', async () => {
    known.configure(settings({ entries: 1000 }))
    for (let index = 0; index < 1000; index++) known.apply(entry({ value: `user-${index}` }), 'api')
    expect(known.apply(entry({ value: 'one more' }), 'api')).toBe('full')
    await time.advance(3601_000 + 256_000)
    expect(known.status().entries.sub).toBe(0)
    expect(known.apply(entry({ value: 'one more' }), 'api')).toBe('applied')
  })
})

describe('the file', () => {
  test('is replaced as a whole, and touches nothing that was told', () => {
    known.configure(settings({ fileEntries: [entry({ value: 'bob' }), entry()] }))
    known.apply(entry(), 'api')
    expect(known.inForce({ ...ALICE, value: 'bob' })).toMatchObject({ source: 'file' })
    known.configure(settings({ fileEntries: [] }))
    expect(known.inForce({ ...ALICE, value: 'bob' })).toBeUndefined()
    expect(known.inForce(ALICE)).toMatchObject({ source: 'told' })
    expect(known.status().entries.sub).toBe(1)
  })

  test('cannot be undone by others', () => {
    known.configure(settings({ fileEntries: [entry()] }))
    expect(known.undo(ALICE, 'api')).toBe('duplicate')
    expect(known.inForce(ALICE)).toBeDefined()
  })
})

describe('with a remote source', () => {
  const MAX_STALE_MS = 10_000
  beforeEach(() => known.configure(settings({ maxStaleMs: MAX_STALE_MS })))

  test('it starts, and is stale when nothing is heard for two seconds', async () => {
    expect(known.state).toBe('starting')
    await time.advance(3000)
    expect(known.state).toBe('stale')
    known.proved()
    expect(known.state).toBe('fresh')
    expect(states).toEqual(['stale', 'fresh'])
  })

  test('it is stale when the last proof is too old, says so once, and what is known refuses all the same', async () => {
    known.proved()
    known.apply(entry(), 'store')
    const generation = known.generation
    await time.advance(MAX_STALE_MS)
    expect(known.state).toBe('fresh')
    known.failed('the store does not answer')
    await time.advance(60_000)
    expect(known.state).toBe('stale')
    expect(known.generation).not.toBe(generation)
    expect(known.inForce(ALICE, 0)).toBeDefined()
    expect(known.status()).toMatchObject({ state: 'stale', lastError: 'the store does not answer' })
    known.proved()
    expect(known.status()).toMatchObject({
      state: 'fresh',
      lastError: undefined,
      lastSuccessSeconds: time.nowMs() / 1000,
    })
    expect(states).toEqual(['fresh', 'stale', 'fresh'])
  })

  test('a proof of the past counts from then, and never takes a newer one back', async () => {
    known.proved(time.nowMs() - MAX_STALE_MS + 2000)
    expect(known.state).toBe('fresh')
    await time.advance(3000)
    expect(known.state).toBe('stale')
    known.proved()
    known.proved(time.nowMs() - 60_000)
    expect(known.state).toBe('fresh')
  })

  test('a clock that is set back makes nothing stale or fresh', async () => {
    known.proved(time.nowMs() + 3600_000)
    await time.advance(MAX_STALE_MS + 2000)
    expect(known.state).toBe('stale')
  })

  test('a reload keeps the state and what is known, also when the source goes', async () => {
    known.proved()
    known.apply(entry(), 'store')
    known.configure(settings({ maxStaleMs: MAX_STALE_MS }))
    expect(known.state).toBe('fresh')
    await time.advance(60_000)
    known.configure(settings())
    expect(known.state).toBe('fresh')
    expect(known.inForce(ALICE, 0)).toBeDefined()
  })

  test('another remote source has to prove itself, and nothing that was known is forgotten', async () => {
    known.proved()
    known.apply(entry(), 'store')
    known.configure(settings({ maxStaleMs: MAX_STALE_MS, remote: 'another' }))
    expect(known.state).toBe('starting')
    expect(known.inForce(ALICE, 0)).toBeDefined()
    await time.advance(3000)
    expect(known.state).toBe('stale')
    known.proved()
    expect(known.state).toBe('fresh')
  })

  test('without the block all is forgotten', () => {
    known.apply(entry(), 'store')
    known.configure(undefined)
    expect(known.inForce(ALICE, 0)).toBeUndefined()
    expect(known.state).toBe('fresh')
    expect(time.pendingMs()).toEqual([])
  })
})

test('whoever listens is told of every change of the generation', () => {
  known.configure(settings())
  const seen = changes
  known.apply(entry(), 'api')
  known.undo(ALICE, 'api')
  expect(changes).toBe(seen + 2)
})
