import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatheredBytes } from '../../src/lib/gathered-bytes.ts'

const chunks = fc.array(
  fc.uint8Array({ maxLength: 9000 }).map(bytes => Buffer.from(bytes)),
  { maxLength: 20 },
)

test('what comes out is what went in, whatever the pieces', () => {
  fc.assert(
    fc.property(chunks, pieces => {
      const bytes = new GatheredBytes()
      for (const piece of pieces) bytes.append(piece)
      expect(bytes.take().equals(Buffer.concat(pieces))).toBe(true)
    }),
  )
})

test('a hundred thousand pieces of a byte take twice their bytes at most', () => {
  const bytes = new GatheredBytes()
  for (let at = 0; at < 100_000; at++) bytes.append(Buffer.from([at & 0xff]))
  expect(bytes.capacity).toBeLessThanOrEqual(200_000)
  expect(bytes.take().length).toBe(100_000)
})

test('a piece that is changed afterwards changes nothing', () => {
  const bytes = new GatheredBytes()
  const piece = Buffer.from('before')
  bytes.append(piece)
  piece.write('after!')
  expect(bytes.take().toString()).toBe('before')
})
