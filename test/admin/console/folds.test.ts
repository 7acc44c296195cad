import { expect, test } from 'vitest'
import { folded } from '../../../src/admin/console/folds.ts'
import type { RecentRefusal } from '../../../src/admin/recent.ts'

const FIRST: RecentRefusal = {
  time: '2026-11-27T10:00:00.000Z',
  request_id: 'first',
  decision: 'deny',
  code: 'path_invalid',
  method: 'GET',
  host: 'api.example.com',
  path: '/orders/..%2f',
  evidence: { reason: 'dot_segment' },
}

function idsOf(recent: readonly RecentRefusal[]): ReadonlyArray<readonly string[]> {
  return folded(recent).map(({ refusals }) => refusals.map(({ request_id: id }) => id))
}

test('refusals of one kind that follow one another are one, whatever their paths and callers are', () => {
  const second = { ...FIRST, request_id: 'second', path: '/a/..%2f', subject: 'kim' }
  expect(idsOf([FIRST, second])).toEqual([['second', 'first']])
})

test.each([
  ['code', { code: 'route_unknown' }],
  ['decision', { decision: 'report' }],
  ['method', { method: 'PUT' }],
  ['route', { route: 'orders' }],
  ['reason', { evidence: { reason: 'encoded_slash' } }],
] as const)('a refusal with another %s is told apart, and so are those before and after it', (_, other) => {
  const second = { ...FIRST, request_id: 'second', ...other }
  const third = { ...FIRST, request_id: 'third' }
  expect(idsOf([FIRST, second, third])).toEqual([['third'], ['second'], ['first']])
})
