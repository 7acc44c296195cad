/** Whatever a claim holds, it reaches the service as one line that no other claim value shares. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { fieldsOf } from '../support/wire.ts'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({
      identity: {
        headers: {
          'X-Auth-Subject': 'sub',
          'X-Auth-Tenant': 'tenant',
          'X-Auth-Groups': { claim: 'groups', join: ',' },
          'X-Auth-Data': 'data',
        },
      },
    }))
  })
  afterAll(() => stack.close())

  describe('claim values', () => {
    /** Values of a claim, and what may stand for them in `X-Auth-Tenant`: one line of printable ASCII. */
    const VALUES: readonly string[] = [
      ...[
        'a\r\nX-Auth-Subject: root',
        'a\nb',
        'a\rb',
        'a\0b',
        'a\u0085b',
        'a\u2028b',
        '\x7f',
        '\t',
        ' alice ',
        ' ',
        '',
      ],
      ...[
        'a\r\n\r\nGET /admin HTTP/1.1',
        'ÿ',
        'ā',
        '日本',
        '😀',
        "UTF-8''root",
        "utf-8''x",
        'a\u010ab\u010dX-Auth-Subject: root',
      ],
      ...['x'.repeat(900), 'a,b', '%0d%0aX-Auth-Subject: root', '=?utf-8?q?root?='],
    ]

    test.for(VALUES)('%j never splits, adds or trims a line', async tenant => {
      const token = await stack.issuer.mint({ tenant, groups: [tenant, 'b,c'], data: { tenant, list: [tenant] } })
      const reached = await stack.forwarded(() => stack.exchange(get('/private/x', [`Authorization: Bearer ${token}`])))
      const names = fieldsOf(reached).map(([name]) => name)
      expect(reached.split('\r\n\r\n')).toHaveLength(2)
      expect(names.filter(name => name.startsWith('x-auth')).sort()).toEqual([
        'x-auth-data',
        'x-auth-groups',
        'x-auth-subject',
        'x-auth-tenant',
      ])
      expect(new Map(fieldsOf(reached)).get('x-auth-subject')).toBe('alice')
      expect(reached).toMatch(/^[\r\n\x20-\x7e]*$/)
      expect(reached.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
    })

    test('two different tenants never look alike', async () => {
      const seen = new Map<string, string>()
      for (const tenant of VALUES) {
        const token = await stack.issuer.mint({ tenant })
        const reached = await stack.forwarded(() =>
          stack.exchange(get('/private/x', [`Authorization: Bearer ${token}`])),
        )
        const value = new Map(fieldsOf(reached)).get('x-auth-tenant') ?? 'none'
        expect([seen.get(value) ?? tenant, value]).toEqual([tenant, value])
        seen.set(value, tenant)
      }
    })

    test('too much identity is refused, not truncated', async () => {
      const token = await stack.issuer.mint({ tenant: 'ÿ'.repeat(1500) })
      await stack.refuses(get('/private/x', [`Authorization: Bearer ${token}`]), 'identity_too_large')
    })
  })
})
