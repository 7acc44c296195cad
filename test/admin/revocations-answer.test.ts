/** What `/-/revocations` answers when changes go to a store that others read. */
import { expect, test } from 'vitest'
import type { RevocationsAnswer } from '../../src/admin/revocations.ts'
import { revocationsAnswer } from '../../src/admin/revocations-answer.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { revocations } from '../../src/revocation/revocations.ts'
import { type ChangeWriter, revoker } from '../../src/revocation/revoker.ts'

const SECRET = 'the-secret-of-the-operator-0123456789'
const ENTRY = { issuer: 'https://auth.example.com/', sub: 'alice' }

function answerer(write: ChangeWriter['write']) {
  const known = revocations({ clock: systemClock, scheduler: systemScheduler, onEvent() {}, onState() {} })
  known.configure({ entries: 1000, maxStaleMs: undefined, fileEntries: [] })
  const changes: unknown[] = []
  const answer = revocationsAnswer({
    rules: () => ({
      secrets: [Buffer.from(SECRET)],
      keepSeconds: 60,
      spellingsOf: () => [],
      issuerProblem: () => undefined,
    }),
    revoker: revoker({ revocations: known, tellSiblings() {}, writer: () => ({ write }) }),
    revocations: known,
    nowSeconds: () => Math.floor(systemClock.nowMs() / 1000),
    onChange: (_verb, entry, done) => changes.push([entry.value, done.scope]),
  })
  const ask = (method: string): Promise<RevocationsAnswer> =>
    answer({
      method,
      query: undefined,
      authorization: `Bearer ${SECRET}`,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(ENTRY)).toString('base64'),
    })
  return { ask, known, changes }
}

const SUBJECT = { issuer: ENTRY.issuer, kind: 'sub', value: 'alice' } as const

test('whoever reads the store hears of it, and the id says where it stands', async () => {
  const { ask, changes } = answerer(async () => '1-0')
  expect(await ask('POST')).toMatchObject({ status: 200, body: { result: 'applied', scope: 'fleet', id: '1-0' } })
  expect(await ask('DELETE')).toMatchObject({ status: 200, body: { result: 'undone', scope: 'fleet', id: '1-0' } })
  expect(changes).toEqual([
    ['alice', 'fleet'],
    ['alice', 'fleet'],
  ])
})

test('while the store is down it is in force here, and 202 says that it waits', async () => {
  const { ask, known } = answerer(async () => undefined)
  expect(await ask('POST')).toMatchObject({ status: 202, body: { result: 'applied', scope: 'process', id: undefined } })
  expect(known.inForce(SUBJECT, 1)).toBeDefined()
  expect(await ask('DELETE')).toMatchObject({ status: 202, body: { result: 'undone', scope: 'process' } })
})

test('when no more may wait, it is in force here, and 503 asks to send it again', async () => {
  const { ask, known, changes } = answerer(() => Promise.reject(new Error('full')))
  const { status, headers, body } = await ask('POST')
  expect([status, headers]).toEqual([503, { 'retry-after': '5' }])
  expect(JSON.stringify(body)).toContain('send it again')
  expect(known.inForce(SUBJECT, 1)).toBeDefined()
  expect(changes).toEqual([])
})
