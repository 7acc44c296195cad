/** The decision end to end: real tokens, real sockets, a real service behind. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from './support/gateway.ts'

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack()
})
afterAll(() => stack.close())

describe('a request with a good token', () => {
  test('reaches the service on the path it was sent to, with the identity and without the token', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read other', roles: ['editor'], client_id: 'shop' })
    const reply = await stack.request('/orders/7?b=2&a=%20', { headers: bearer(token) })
    expect(reply.status).toBe(200)
    const { url, headers } = reply.json() as { url: string; headers: Record<string, string> }
    expect(url).toBe('/orders/7?b=2&a=%20')
    expect(headers).toMatchObject({
      'x-auth-issuer': stack.issuer.issuer,
      'x-auth-subject': 'alice',
      'x-auth-client': 'shop',
      'x-auth-scope': 'orders:read other',
      'x-auth-roles': '["editor"]',
    })
    expect(headers).not.toHaveProperty('authorization')
  })

  test.each(['RS256', 'ES256', 'EdDSA'] as const)('signed with %s is accepted', async alg => {
    const token = await stack.issuer.mint({ scope: 'orders:read' }, { alg })
    expect((await stack.request('/orders/1', { headers: bearer(token) })).status).toBe(200)
  })
})
