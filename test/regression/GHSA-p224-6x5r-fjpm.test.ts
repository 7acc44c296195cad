/**
 * GHSA-p224-6x5r-fjpm, CVE-2026-33494 (Ory Oathkeeper before 26.2.0): rules were matched on the path as it came, `..`
 * included, and the service got the resolved one: `/public/../admin` was judged as public and answered as admin.
 *
 * A dot segment is refused, whatever the rule and in every encoding, and no path is resolved.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({
      routes: [
        { id: 'private', path: '/private/**' },
        { id: 'admin', path: '/admin/**', require: { scopes: ['admin'] } },
        { id: 'rest', path: '/**', access: 'public' },
      ],
    }))
  })
  afterAll(() => stack.close())

  test.for([
    '/public/../admin/secrets',
    '/public/x/../../admin/secrets',
    '/./admin/secrets',
    '/public/..//admin/secrets',
    '/public/%2e%2e/admin/secrets',
    '/public/..%2fadmin/secrets',
    '/..',
    '/public/..',
  ])('%s is refused although everything else is open', async path => {
    await stack.refuses(get(path), 'path_invalid')
  })

  test('dots that are no dot segment pass as they are', async () => {
    const reply = await stack.exchange(get('/public/...x/..y/z..'))
    expect(JSON.parse(reply?.body ?? '{}').url).toBe('/public/...x/..y/z..')
  })
})
