/**
 * GHSA-v574-6498-x57v, CVE-2026-16158 (@fastify/reply-from before 12.6.4): the cache of upstream URLs was
 * keyed on origin and path written together, so `http://h:3100` + `01/x` was `http://h:31001`'s answer to
 * `/x`: one upstream's request went to another.
 *
 * We keep no such cache: a route holds its upstream's connection pool, and the path is handed to it as it was judged.
 */
import { expect, test } from 'vitest'
import { get, startRawStack } from '../support/raw.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

test('two upstreams whose origin and path could be taken for each other stay apart', async () => {
  const other = await startTestUpstream()
  const stack = await startRawStack((_issuer, upstream) => ({
    upstreams: { a: upstream.url, b: other.url },
    routes: [
      { id: 'private', path: '/private/**', upstream: 'a' },
      { id: 'a', path: '/a/**', access: 'public', upstream: 'a' },
      { id: 'b', path: '/:id/b/**', access: 'public', upstream: 'b' },
    ],
  }))
  try {
    const digits = new URL(other.url).port
    const paths = [
      '/a/private',
      `/${digits}/b/private`,
      '/a/1/private',
      '/1/b/private',
      `/a/${digits}`,
      '/a/private',
      '/1/b/private',
    ]
    for (const path of paths) {
      const expected = path.startsWith('/a/') ? stack.upstream : other
      const before = expected.seen.length
      const reply = await stack.exchange(get(path))
      expect([path, JSON.parse(reply?.body ?? '{}').url, expected.seen.length - before]).toEqual([path, path, 1])
    }
    await stack.control()
  } finally {
    await stack.close()
    await other.close()
  }
})
