/** Tests that routes which ask for nearly the same do not share what judges their callers, as equal ones do. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'

const CLAIMS = { v: true, s: 'true', n: 1, t: '1', list: ['a', 'b'], scope: 'a b' }

/** Pairs what a route asks with whether a caller with {@link CLAIMS} meets it. */
const ROUTES: ReadonlyArray<readonly [require: object, passes: boolean]> = [
  [{ claims: { v: true } }, true],
  [{ claims: { v: 'true' } }, false],
  [{ claims: { s: 'true' } }, true],
  [{ claims: { s: true } }, false],
  [{ claims: { n: 1 } }, true],
  [{ claims: { n: '1' } }, false],
  [{ claims: { n: [1] } }, true],
  [{ claims: { list: ['a', 'c'] } }, true],
  [{ claims: { list: { all: ['a', 'c'] } } }, false],
  [{ claims: { list: { all: ['a', 'b'] } } }, true],
  [{ claims: { c: { exists: true } } }, false],
  [{ claims: { list: { exists: true } } }, true],
  [{ scopes: ['a', 'b'] }, true],
  [{ scopes: ['a', 'c'] }, false],
  [{ anyScope: ['a', 'c'] }, true],
  [{ scopes: ['a'], claims: { t: 1 } }, false],
  [{ scopes: ['a'], claims: { t: '1' } }, true],
]

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack({
    routes: [
      ...ROUTES.flatMap(([require], at) => [
        { id: `r${at}`, path: `/r/${at}`, require },
        { id: `again${at}`, path: `/again/${at}`, require },
      ]),
      { id: 'all', path: '/all' },
      { id: 'elsewhere', path: '/elsewhere', audiences: ['https://elsewhere.example'] },
    ],
  })
})
afterAll(() => stack.close())

test('each of them decides by what it asks for itself', async () => {
  const headers = bearer(await stack.issuer.mint(CLAIMS))
  const statuses = (prefix: string) =>
    Promise.all(ROUTES.map(async (_route, at) => (await stack.request(`${prefix}/${at}`, { headers })).status))
  const expected = ROUTES.map(([, passes]) => (passes ? 200 : 403))
  expect(await statuses('/r')).toEqual(expected)
  expect(await statuses('/again')).toEqual(expected)
  expect((await stack.request('/all', { headers })).status).toBe(200)
  expect((await stack.request('/elsewhere', { headers })).status).toBe(401)
})
