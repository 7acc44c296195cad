import { expect, test } from 'vitest'
import { ASYMMETRIC_ALGORITHMS, HMAC_SECRET_BYTES, JWS_ALGORITHMS } from '../../src/lib/jws-algorithms.ts'

test('every algorithm is either asymmetric or has a secret of a least length', () => {
  expect([...ASYMMETRIC_ALGORITHMS, ...HMAC_SECRET_BYTES.keys()].toSorted()).toEqual(
    [...JWS_ALGORITHMS.keys()].toSorted(),
  )
  expect(ASYMMETRIC_ALGORITHMS.filter(name => name.startsWith('HS'))).toEqual([])
})

test('the number in a name is that of its hash, in bits (RFC 7518 §3)', () => {
  for (const [name, algorithm] of JWS_ALGORITHMS)
    if ('hash' in algorithm) expect(name.slice(2)).toBe(String(algorithm.hash.bytes * 8))
})

test('a hash has the length of its output', () => {
  for (const algorithm of JWS_ALGORITHMS.values())
    if ('hash' in algorithm) expect(algorithm.hash.name).toBe(`sha${algorithm.hash.bytes * 8}`)
})
