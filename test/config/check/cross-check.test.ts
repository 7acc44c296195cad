/** Tests rules between providers. */
import { expect, test } from 'vitest'
import { problemsOf } from '../support.ts'

test('two providers cannot share a cache file: each start would find the keys of the other', () => {
  const problems = problemsOf(`listen: 127.0.0.1:8080
providers:
  a: { type: jwt, issuer: https://a.example.com/, audiences: [x], keys: { cacheFile: /var/cache/keys.json } }
  b: { type: jwt, issuer: https://b.example.com/, audiences: [x], keys: { cacheFile: /var/cache/keys.json } }
upstreams: { app: "http://127.0.0.1:3000" }
routes: [{ id: all, path: /** }]
`)
  expect(problems).toEqual([
    '4:86 providers.b.keys.cacheFile: is the cache of provider `a` already; give each its own file',
  ])
})
