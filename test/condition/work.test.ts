/** Tests that a condition visits no list that would take too long, and says which one. */
import { describe, expect, test } from 'vitest'
import { type Condition, readCondition } from '../../src/condition/condition.ts'

function conditionOf(text: string): Condition {
  const condition = readCondition(text, [])
  if ('message' in condition) throw new Error(condition.message)
  return condition
}

/** How long a list the condition still visits. */
function longest(text: string, element: unknown = 'x', all = 1): number {
  const { judge, work } = conditionOf(text)
  const isVisited = (length: number) => {
    const list = Array(length).fill(element)
    const outcome = judge({ claims: { list }, roles: list, scopes: [] }, work.elementNs * all)
    return typeof outcome === 'boolean' || outcome.error !== 'list_too_long'
  }
  let [least, most] = [0, 1_000_000]
  while (least < most) {
    const middle = Math.ceil((least + most) / 2)
    if (isVisited(middle)) least = middle
    else most = middle - 1
  }
  return least
}

describe('a list', () => {
  test.each([
    ['"a" in claims.list', 22_000],
    ['roles.exists(role, role.startsWith("a"))', 2_300],
    ['claims.list.exists(each, each == "a")', 2_000],
    ['claims.list.exists(each, each.startsWith("a"))', 190],
    ['claims.list.exists(each, each.tenant == "a" && each.level >= 3)', 60],
  ])('is visited by %s up to a length of about %i', (text, about) => {
    expect(longest(text)).toBeGreaterThan(about)
    expect(longest(text)).toBeLessThan(about * 1.4)
  })

  test('that is longer refuses with its name, also where the rest would be true', () => {
    const list = Array(20_000).fill(0)
    const outcome = conditionOf('true || claims.a.list.exists(each, each == 1)').judge({ claims: { a: { list } } })
    expect(outcome).toEqual({ error: 'list_too_long', key: 'claims.a.list' })
  })

  test('is visited for less where several conditions of the route visit some', () => {
    const text = 'claims.list.exists(each, each == "a")'
    expect(longest(text, 'x', 4)).toBe(Math.floor(longest(text) / 4))
  })

  test('of names is one, too', () => {
    const block = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`k${at}`, 0]))
    const asks = conditionOf('claims.block.exists(name, name == "x")')
    expect(asks.judge({ claims: { block } })).toEqual({ error: 'list_too_long', key: 'claims.block' })
    expect(conditionOf('"k1" in claims.block').judge({ claims: { block } })).toBe(true)
  })
})

test.each([
  ['claims.a == claims.b', 1],
  ['claims.a == claims.b && claims.c < claims.d', 2],
  ['size(claims.a) > 3', 1],
  ['claims.a.contains("x")', 1],
  ['string(claims.a) == "x"', 1],
  ['claims.a == params.x', 0],
  ['claims.a == "x" && has(claims.b) && claims.c in ["a", "b"] && claims.d > 3.0', 0],
])('%s reads a whole claim %i times', (text, scans) => {
  const condition = readCondition(text, ['x'])
  expect('message' in condition ? condition.message : condition.work.scans).toBe(scans)
})

describe('hostile values make no condition fail in another way than refusing', () => {
  const deep = JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`) as unknown
  const values: readonly unknown[] = [
    ...[null, true, 0, -0, 1e308, Number.POSITIVE_INFINITY, 2 ** 53, '', '\ud800', '\u0000', 'a'.repeat(6_000)],
    ...[[], {}, deep, JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"constructor":1,"toString":2}')],
  ]
  const texts = [
    ...['claims.a == claims.b', 'claims.a < claims.b', 'claims.a == "x"', 'claims.a.x == 1', 'size(claims.a) > 1'],
    ...['string(claims.a) == "1"', 'claims.a.contains("x")', '"x" in claims.a', 'claims.a.exists(x, x == 1)'],
    ...['has(claims.a.constructor)', 'claims.a["__proto__"] == 1', '!(claims.a == true)', 'claims.a + "x" == "xx"'],
    'claims.a ? true : false',
  ]
  test.each(texts)('%s', text => {
    const { judge } = conditionOf(text)
    const { stackTraceLimit } = Error
    for (const a of values)
      for (const b of values) {
        const outcome = judge({ claims: { a, b } })
        expect(typeof outcome === 'boolean' || typeof outcome.error === 'string').toBe(true)
      }
    expect(Error.stackTraceLimit).toBe(stackTraceLimit)
  })
})
