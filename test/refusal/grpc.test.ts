/** How long a gRPC client is told to wait before it tries a refused call again. */
import { expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { grpcPushBack } from '../../src/refusal/grpc.ts'

test.each([
  ['a millisecond more than it takes, since timers may be early by one', { retryAfterMs: 40.2 }, '42'],
  ['at least that, when it takes no time', { retryAfterMs: 0 }, '1'],
  ['no longer than a signed number of 32 bits can say', { retryAfterMs: 1e13 }, '2147483647'],
  ['seconds, where that is all that is known', { retryAfterSeconds: 7 }, '7000'],
])('%s', (_, options, told) => {
  expect(grpcPushBack(new Denial('rate_limited', options))).toEqual({ 'grpc-retry-pushback-ms': told })
})

test('nothing, where coming again does not help', () => {
  expect(grpcPushBack(new Denial('scope_missing'))).toEqual({})
})
