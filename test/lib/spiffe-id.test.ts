/** Tests what is a SPIFFE ID and what only looks like one (SPIFFE-ID §2). */
import { describe, expect, test } from 'vitest'
import { isTrustDomain, trustDomainIn, workloadIdProblem } from '../../src/lib/spiffe-id.ts'

const longPath = (bytes: number) => `spiffe://a/${'p'.repeat(bytes - 'spiffe://a/'.length)}`

describe('the SPIFFE ID of a workload', () => {
  test.each([
    'spiffe://example.org/ns/shop/sa/checkout',
    'spiffe://staging.example.com/payments/mysql',
    'spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453',
    'spiffe://trust_domain-1/A_b.c-9',
    'spiffe://example.org/...',
    'spiffe://10.2.3.4/path',
    longPath(2048),
  ])('is %.80s', id => {
    expect(workloadIdProblem(id)).toBeUndefined()
  })

  test.each([
    '',
    'example.org/a',
    'SPIFFE://example.org/a',
    'https://example.org/a',
    'spiffe:/example.org/a',
    'spiffe:///a',
    'spiffe://example.org',
    'spiffe://example.org/',
    'spiffe://EXAMPLE.org/a',
    'spiffe://exämple.org/a',
    'spiffe://example.org:80/a',
    'spiffe://user@example.org/a',
    'spiffe://exam%70le.org/a',
    'spiffe://example.org/a/',
    'spiffe://example.org//a',
    'spiffe://example.org/a//b',
    'spiffe://example.org/.',
    'spiffe://example.org/a/../b',
    'spiffe://example.org/a/./b',
    'spiffe://example.org/a%2fb',
    'spiffe://example.org/a?b',
    'spiffe://example.org/a#b',
    'spiffe://example.org/a b',
    'spiffe://example.org/ä',
    'spiffe://example.org/a\n',
    `spiffe://${'a'.repeat(256)}/a`,
    longPath(2049),
  ])('is not %.80j', id => {
    expect(workloadIdProblem(id)).toEqual(expect.any(String))
  })
})

test('a trust domain ends at the first slash, and nothing stands for another spelling of it', () => {
  expect(trustDomainIn('spiffe://example.org.evil/a')).toBe('example.org.evil')
  expect(trustDomainIn('spiffe://example.org/a')).toBe('example.org')
  expect(trustDomainIn('spiffe://example.org')).toBeUndefined()
  expect(['example.org', 'a_b-c.1'].filter(isTrustDomain)).toHaveLength(2)
  expect(['', 'Example.org', 'example.org/', 'a:1', 'a@b', 'ä', 'a\n', 'a'.repeat(256)].filter(isTrustDomain)).toEqual(
    [],
  )
})
