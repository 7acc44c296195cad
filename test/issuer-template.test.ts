import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { issuerTemplate, isTenant, tenantJudge } from '../src/issuer-template.ts'
import type { Claims } from '../src/types.ts'

function judge(template: string, tenants: Parameters<typeof tenantJudge>[1]) {
  const read = issuerTemplate(template)
  if (read === undefined) throw new Error('no template')
  return tenantJudge(read, tenants)
}

describe('an issuer with {name} in it', () => {
  test.each(['https://auth.example/', 'https://auth.example/{', 'https://auth.example/}{'])('is not %s', text => {
    expect(issuerTemplate(text)).toBeUndefined()
  })

  test('stands for the tenants that are listed', () => {
    const problem = judge('https://login.example/{tid}/v2.0', { tid: ['a', 'b'] })
    expect(problem({ iss: 'https://login.example/a/v2.0', tid: 'a' })).toBeUndefined()
    expect(problem({ iss: 'https://login.example/c/v2.0', tid: 'c' })).toBe('its claim tid is not among the tenants')
    expect(problem({ iss: 'https://login.example/a/v2.0', tid: 'b' })).toBe('iss and tid name different tenants')
    expect(problem({ iss: 'https://login.example/a/v2.0' })).toBe('its claim tid names no tenant')
  })

  test.each([['a/b'], ['a%2fb'], ['../a'], [''], ['a b'], ['x'.repeat(65)], [7], [null], [['a']], [{ a: 'a' }]])(
    'stands for no tenant that is called %j, even if any will do',
    tid => {
      const problem = judge('https://login.example/{tid}', { tid: 'any' })
      expect(problem({ iss: `https://login.example/${String(tid)}`, tid } as Claims)).toBe(
        'its claim tid names no tenant',
      )
    },
  )

  test('takes a name of Object for no claim and for no tenant', () => {
    expect(judge('https://x/{constructor}', { constructor: 'any' as never })({ iss: 'https://x/a' })).toContain(
      'names no tenant',
    )
    expect(judge('https://x/{tid}', {})({ iss: 'https://x/constructor', tid: 'constructor' })).toContain('not among')
  })

  test('with several names, and with one twice, is compared as a whole', () => {
    const problem = judge('https://{region}.example/{tid}/{region}', { region: ['eu'], tid: 'any' })
    expect(problem({ iss: 'https://eu.example/a/eu', region: 'eu', tid: 'a' })).toBeUndefined()
    expect(problem({ iss: 'https://eu.example/a/us', region: 'eu', tid: 'a' })).toContain('different tenants')
    expect(problem({ iss: 'https://eu.example/a/eu', region: 'us', tid: 'a' })).toContain('not among')
  })

  test('whatever a token says, only the one issuer that its claims spell is taken', () => {
    const problem = judge('https://login.example/{a}-{b}/', { a: 'any', b: 'any' })
    const text = fc.string({ unit: fc.constantFrom('a', '-', '.', '/', '{', '}', '$', '&'), maxLength: 6 })
    fc.assert(
      fc.property(text, text, text, (a, b, iss) => {
        const isTaken = problem({ iss: `https://login.example/${iss}/`, a, b }) === undefined
        expect(isTaken).toBe(isTenant(a) && isTenant(b) && iss === `${a}-${b}`)
      }),
    )
  })
})
