/** Why a store cannot be used is said in our words: nothing that a server or the library says gets into a log. */
import { expect, test } from 'vitest'
import { StoreError, storeError } from '../../src/store/failure.ts'

const SECRET = 'hunter2'

test.each<readonly [says: string, code: string | undefined, told: string]>([
  ['NOAUTH Authentication required.', 'NOAUTH', 'wants a password; set `passwordFile` (NOAUTH to XADD)'],
  [`WRONGPASS ${SECRET}`, 'WRONGPASS', 'refuses `username` and `passwordFile` (WRONGPASS to XADD)'],
  [`NOPERM ${SECRET}`, 'NOPERM', 'does not allow this user a command or a key that is needed (NOPERM to XADD)'],
  [`LOADING ${SECRET}`, 'LOADING', 'is loading its data (LOADING to XADD)'],
  [`READONLY ${SECRET}`, 'READONLY', 'is a replica, which takes no writes (READONLY to XADD)'],
  ['CLUSTERDOWN Hash slot not served', 'CLUSTERDOWN', 'is a cluster that does not work (CLUSTERDOWN to XADD)'],
  ['ERR no such key', 'NOKEY', 'has no such key'],
  [
    'ERR AUTH <password> called without any password configured for the default user.',
    'WRONGPASS',
    'has no password for its default user; leave `passwordFile` out, or set `username`',
  ],
  [
    "ERR ACL failure in script: User u has no permissions to run the 'get' command script: x, on @user_script:1.",
    'NOPERM',
    'does not allow this user a command or a key that a script of ours needs (NOPERM)',
  ],
  [
    "ERR The user executing the script can't run this command or subcommand script: x, on @user_script:1.",
    'NOPERM',
    'does not allow this user a command or a key that a script of ours needs (NOPERM)',
  ],
  ['Connection timeout', undefined, 'does not answer in time'],
  [`${SECRET} went wrong`, undefined, 'has closed the connection'],
])('%j', (says, code, told) => {
  const error = storeError(new Error(says), 'XADD')
  expect([error.code, error.message]).toEqual([code, told])
})

test('a server of a cluster says where the keys are', () => {
  expect(storeError(new Error('MOVED 3999 127.0.0.1:6381'), 'XADD').movedTo).toBe('127.0.0.1:6381')
})

test('what failed on the way has the words of the system’s code', () => {
  const refused = Object.assign(new Error(`connect to ${SECRET}`), { code: 'ECONNREFUSED' })
  expect(storeError(refused).message).toBe('cannot be reached: nothing listens there (ECONNREFUSED)')
  expect(storeError(new AggregateError([refused])).message).toContain('ECONNREFUSED')
  const own = new StoreError('does not answer in time')
  expect(storeError(own)).toBe(own)
})
