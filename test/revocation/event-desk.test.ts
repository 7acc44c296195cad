/** The endpoints for logout tokens and security events when something is wrong: with keys, the store, or time. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { usedIds } from '../../src/revocation/used-ids.ts'
import { eventDesk, type Revoked } from '../support/signed-events.ts'

test('a member that is there twice, an algorithm that is none, and a public key as secret are refused', async () => {
  const desk = eventDesk()
  const token = desk.logoutToken()
  const [, payload = ''] = token.split('.')
  const doubled = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('{', '{"sid":"x",'))
  const parts = (header: object): string => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`
  const hmac = parts({ alg: 'HS256', kid: 'k1', typ: 'logout+jwt' })
  for (const forged of [
    token.replace(payload, doubled.toString('base64url')),
    `${parts({ alg: 'none' })}.`,
    `${hmac}.${createHmac('sha256', 'public').update(hmac).digest('base64url')}`,
    desk.sign({ alg: 'ES256', kid: 'k1', typ: 'logout+jwt', crit: ['exp'] }, {}),
    desk.sign({ alg: 'ES256', kid: 'k1', jwk: {} }, {}),
  ])
    expect((await desk.logOut(forged)).status).toBe(400)
  expect(desk.revoked).toEqual([])
})

test('while keys cannot be had, both endpoints say when to come again', async () => {
  const desk = eventDesk({
    keySet: {
      async select() {
        throw new Denial('keys_unavailable', { retryAfterSeconds: 7 })
      },
    },
  })
  for (const answer of [await desk.logOut(desk.logoutToken()), await desk.push(desk.securityEvent())])
    expect(answer).toMatchObject({ status: 503, headers: expect.arrayContaining(['Retry-After', '7']) })
})

const outcomes: ReadonlyArray<readonly [string, () => Promise<Revoked>, number, number]> = [
  ['is full', async () => ({ result: 'full', scope: 'process', id: undefined, isQueued: false }), 503, 503],
  ['fails', () => Promise.reject(new Error('the queue is full')), 503, 503],
  ['is told later', async () => ({ result: 'applied', scope: 'process', id: undefined, isQueued: true }), 200, 503],
]
test.each(outcomes)('a memory that %s is told in the status, and the token may come again', async (_, revoke, l, s) => {
  let isBroken = true
  const applied: Revoked = { result: 'applied', scope: 'fleet', id: '1-0', isQueued: false }
  const desk = eventDesk({ revoke: async () => (isBroken ? await revoke() : applied) })
  const [logout, event] = [desk.logoutToken(), desk.securityEvent()]
  expect([(await desk.logOut(logout)).status, (await desk.push(event)).status]).toEqual([l, s])
  isBroken = false
  expect([(await desk.logOut(logout)).status, (await desk.push(event)).status]).toEqual([l === 200 ? 400 : 200, 202])
})

test('of many security events at once, those past eight are to come again', async () => {
  const keys = Promise.withResolvers<never>()
  const desk = eventDesk({ keySet: { select: () => keys.promise } })
  const waiting = Array.from({ length: 8 }, () => desk.push(desk.securityEvent()))
  expect((await desk.push(desk.securityEvent())).status).toBe(503)
  keys.reject(new Denial('key_unknown'))
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(8).fill(400))
  expect((await desk.push(desk.securityEvent())).status).toBe(400)
})

test('a logout token cannot be used twice for as long as it is valid', async () => {
  const desk = eventDesk()
  const token = desk.logoutToken({ exp: 1_767_225_600 + 86_400 })
  expect((await desk.logOut(token)).status).toBe(200)
  for (let minute = 0; minute < 30; minute++) {
    expect((await desk.logOut(token)).status).toBe(400)
    desk.wait(60)
  }
  expect(desk.revoked).toHaveLength(1)
})

test('ids are forgotten after their time, and the oldest when there are too many', () => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const ids = usedIds({ clock, mostIds: 2, keptMs: 100 })
  for (const id of ['a', 'b', 'c']) ids.add(id)
  expect(['a', 'b', 'c'].map(ids.has)).toEqual([false, true, true])
  nowMs = 100
  expect(ids.has('c')).toBe(false)
})
