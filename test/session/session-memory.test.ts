import { expect, test } from 'vitest'
import { LiveSession } from '../../src/session/live-session.ts'
import { newSessionId } from '../../src/session/session-keys.ts'
import { sessionMemory } from '../../src/session/session-memory.ts'

const ENTRIES = 50

function session(subject: string, weight = 0): LiveSession {
  const use = { lastUsedAtMs: 0, seen: 1, seenAtMs: 0, seenBefore: 1, endsAtMs: Number.POSITIVE_INFINITY }
  const tokens = {
    accessToken: 'x'.repeat(weight),
    expiresAtMs: 0,
    receivedAtMs: 0,
    refreshToken: undefined,
    idToken: '',
    idClaims: {},
    scope: undefined,
  }
  const record = {
    generation: 1,
    subject,
    sid: undefined,
    loginAtSeconds: 0,
    createdAtMs: 0,
    asked: undefined,
    tokens,
  }
  const login = {
    provider: 'browser',
    claims: {},
    scopes: new Set<string>(),
    roles: new Set<string>(),
    audiences: [],
    expiresAtSeconds: 0,
    validUntilMs: 0,
    confirmation: undefined,
    standing: { fingerprints: [], reader: undefined, clearAt: 0 },
    kept: { newest: undefined },
    tenure: undefined,
  }
  return new LiveSession(newSessionId(), { record, use }, login, 0)
}

/** Ends what is evicted as the keeper does, which deletes it again while it goes. */
function memoryOf(entries: number) {
  const evicted: LiveSession[] = []
  const memory = sessionMemory({ entries, onSize() {} })
  memory.onEvicted(each => {
    evicted.push(each)
    memory.delete(each.id)
  })
  return { memory, evicted }
}

test('each id finds its own session or none, however many there are', () => {
  const { memory, evicted } = memoryOf(ENTRIES)
  const all = Array.from({ length: 10 * ENTRIES }, (_, index) => session(`user-${index}`))
  for (const each of all) {
    memory.add(each)
    for (const { id } of all) expect([undefined, id]).toContain(memory.get(id)?.id)
  }
  expect(memory.size).toBe(ENTRIES)
  expect(evicted).toHaveLength(all.length - ENTRIES)
})

test('whoever logs in again and again loses sessions of his own, and nobody else does', () => {
  const { memory, evicted } = memoryOf(1_000)
  const other = session('alice')
  memory.add(other)
  for (let times = 0; times < 2_000; times++) memory.add(session('mallory'))
  expect(memory.get(other.id)).toBe(other)
  expect(memory.size).toBe(101)
  expect(new Set(evicted.map(({ record }) => record.subject))).toEqual(new Set(['mallory']))
})

test('heavy tokens make for fewer sessions', () => {
  const { memory } = memoryOf(ENTRIES)
  for (let index = 0; index < 2 * ENTRIES; index++) memory.add(session(`user-${index}`, 32 * 1024))
  expect(memory.size).toBeGreaterThan(5)
  expect(memory.size).toBeLessThan(ENTRIES / 2)
})
