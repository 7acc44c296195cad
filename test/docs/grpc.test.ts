/** Holds what config/README.md says of gRPC to the code. */
import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { DENIAL_CODES, DENIALS } from '../../src/errors.ts'
import { grpcStatus } from '../../src/refusal/grpc.ts'
import { plain, tableOf } from './markdown.ts'

const rows = tableOf('gRPC status').rows.map(([name = '', number, statuses = '']) => ({
  name: plain(name) ?? '',
  number: Number(number),
  statuses: statuses.split(', ').map(Number),
}))

test.each(rows)('$name is the number that the library of gRPC has for it', ({ name, number }) => {
  expect(status[name as keyof typeof status]).toBe(number)
})

test.each(DENIAL_CODES)('%s gets the status that the table has for its HTTP status', code => {
  const documented = rows.filter(({ statuses }) => statuses.includes(DENIALS[code].status))
  expect(documented.map(({ number }) => String(number))).toEqual([grpcStatus(code)['grpc-status']])
})

test('the table has no HTTP status that no refusal has', () => {
  const known = new Set<number>(DENIAL_CODES.map(code => DENIALS[code].status))
  expect(rows.flatMap(({ statuses }) => statuses).filter(each => !known.has(each))).toEqual([])
})

test.each(DENIAL_CODES)('the message of %s needs no encoding: printable ASCII without percent signs', code => {
  expect(grpcStatus(code)['grpc-message']).toMatch(/^[ -$&-~]+$/)
})
