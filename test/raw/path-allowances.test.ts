/** Tests what a configuration allows paths to be: the right route judges them, and the service sees the same bytes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'

const ROUTES = [
  { id: 'private', path: '/private/**' },
  { id: 'login', path: '/login', access: 'public', pathAllow: ['semicolon'] },
  { id: 'home', path: '/~:', access: 'public', pathAllow: ['encodedUnreserved'] },
  { id: 'orders', path: '/API/orders/:id', access: 'public', pathAllow: ['emptySegment'] },
  { id: 'model', path: '/models/:name' },
  { id: 'predict', path: '/models/:name:predict', access: 'public' },
]

describe.each(PROTOCOLS)('a path that its route allows over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({ routes: ROUTES, paths: { ignoreCase: true } }))
  })
  afterAll(() => stack.close())

  test.each(['/login;jsessionid=1', '/LOGIN', '/%7E:', '/api//orders/A', '/Api/ORDERS/a'])(
    '%s goes on as it came',
    async path => {
      const reply = await stack.exchange(get(path))
      expect(reply?.status).toBe(200)
      expect(JSON.parse(reply?.body ?? '')).toMatchObject({ url: path })
    },
  )

  test.each(['/login//', '/%6Cogin', '/private/a;b', '/~:;x', '/~:/%2e%2e/login', '//login', '/login%3b/x'])(
    '%s goes nowhere',
    async path => {
      await stack.refuses(get(path), 'path_invalid')
    },
  )

  test('a verb after a parameter is judged by its own route, and by its last colon', async () => {
    expect((await stack.exchange(get('/models/a:b:predict')))?.status).toBe(200)
    await stack.refuses(get('/models/a'), 'token_missing')
    await stack.refuses(get('/models/:predict'), 'token_missing')
    await stack.refuses(get('/models/a:predict:x'), 'token_missing')
    await stack.refuses(get('/models/a%3Apredict'), 'path_invalid')
  })

  test('case does not lead past a gate', async () => {
    await stack.refuses(get('/PRIVATE/a'), 'token_missing')
  })
})
