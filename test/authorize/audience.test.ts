/** Tests that an audience of one resource counts on the routes of that resource alone. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requireAudience, requireOwnAudience } from '../../src/authorize/audience.ts'
import { principal, refusal } from './support.ts'

const OWN = new Map([
  ['main', ['https://api.example.com']],
  ['other', ['a', 'b']],
])

describe('the audiences that count here', () => {
  const authorize = requireOwnAudience(OWN)

  test.each<[string, string, readonly string[]]>([
    ['one of them', 'main', ['https://api.example.com']],
    ['one of them among others', 'main', ['https://mcp.example.com/mcp', 'https://api.example.com']],
    ['one of another provider', 'other', ['b']],
    ['any, where the provider’s tokens are taken for nothing else', 'third', ['anything']],
    ['none, which somebody else has looked at', 'main', []],
  ])('let in a token for %s', (_, provider, audiences) => {
    expect(refusal(authorize, principal({ provider, audiences }))).toBeUndefined()
  })

  test.each<[string, string, readonly string[]]>([
    ['a resource of another route', 'main', ['https://mcp.example.com/mcp']],
    ['an audience of another provider', 'main', ['a']],
    ['the same with a slash', 'main', ['https://api.example.com/']],
    ['the same in capitals', 'main', ['https://API.example.com']],
    ['no text', 'main', ['']],
  ])('refuse a token for %s', (_, provider, audiences) => {
    expect(refusal(authorize, principal({ provider, audiences }))).toEqual({
      code: 'audience_mismatch',
      evidence: { requirement: 'audiences', accepted: OWN.get(provider) },
    })
  })
})

test('a route that is a resource takes nobody who names no audience', () => {
  expect(refusal(requireAudience(['https://mcp.example.com/mcp']), principal({ audiences: [] }))?.code).toBe(
    'audience_mismatch',
  )
})

test('a token passes where, and only where, it names an audience of its provider, or none at all', () => {
  const audience = fc.constantFrom('a', 'b', 'c', 'd')
  const some = fc.uniqueArray(audience)
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('p', 'q'), some),
      fc.constantFrom('p', 'q', 'r'),
      some,
      (own, provider, audiences) => {
        const passes = refusal(requireOwnAudience(new Map(Object.entries(own))), principal({ provider, audiences }))
        const counting = own[provider]
        const isMeant = counting === undefined || counting.filter(each => audiences.includes(each)).length > 0
        expect(passes === undefined).toBe(isMeant || audiences.length === 0)
      },
    ),
  )
})
