/** A public route may pass `Authorization` on, untouched: what stands there is for the service to judge. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { fieldsOf } from '../support/wire.ts'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({
      routes: [
        { id: 'token', path: '/oauth/token', access: 'public', passAuthorization: true },
        { id: 'public', path: '/public/**', access: 'public' },
        { id: 'private', path: '/private/**' },
      ],
    }))
  })
  afterAll(() => stack.close())

  const authorizationAt = async (path: string, ...values: readonly string[]): Promise<readonly string[]> => {
    const lines = values.map(value => `Authorization: ${value}`)
    const reached = await stack.forwarded(() =>
      stack.exchange(get(path, [...lines, 'X_Authorization: a', 'Proxy-Authorization: b'])),
    )
    expect(reached).toContain(`GET ${path}`)
    return fieldsOf(reached).flatMap(([name, value]) => (/^(?:proxy.)?authorization$/.test(name) ? [value] : []))
  }

  test.for(['Basic YTpi', 'Bearer not.a.token', 'Digest username="a", realm="b"', 'nonsense'])(
    '%s reaches the service as it came',
    async value => {
      expect(await authorizationAt('/oauth/token', value)).toEqual([value])
      expect(await authorizationAt('/public/x', value)).toEqual([])
    },
  )

  test('other routes pass nothing on', async () => {
    expect(await authorizationAt('/private/x', `Bearer ${stack.token}`)).toEqual([])
  })
})
