/**
 * GHSA-2q7r-29rg-6m5h (@fastify/reply-from): the check for dot segments looked at `..` only, so `%2E%2E`, which
 * building a URL resolves just the same, left the base path that the proxy was confined to.
 *
 * We build no URL: a dot segment is refused in every encoding, and an accepted path is sent as it came.
 */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.close())

  test.for([
    '/public/%2E%2E/admin/x',
    '/public/%2e%2e/admin/x',
    '/public/.%2E/admin/x',
    '/public/%2E./admin/x',
    '/public/x/%2E%2E/%2E%2E/admin',
    '/public/%2E%2E%2Fadmin',
    '/public/%252E%252E/admin/x',
    '/public/%2E%2E',
  ])('%s is refused', async path => {
    await stack.refuses(get(path), 'path_invalid')
  })
})
