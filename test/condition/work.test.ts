/** Tests that what a condition costs is paid for by the size of the values that it meets, and that it stops in time. */
import { describe, expect, test } from 'vitest'
import { type Condition, readCondition } from '../../src/condition/condition.ts'

function conditionOf(text: string): Condition {
  const condition = readCondition(text, { parameters: ['x'] })
  if ('message' in condition) throw new Error(condition.message)
  return condition
}

const listOf = (length: number): readonly string[] => Array(length).fill('x')
const listOfLists = (length: number): readonly unknown[] => Array.from({ length }, () => [])
const listOfBlocks = (length: number): readonly unknown[] => Array.from({ length }, () => ({}))
const blockOf = (members: number): object =>
  Object.fromEntries(Array.from({ length: members }, (_, at) => [`k${at}`, 0]))
const textOf = (length: number): string => 'a'.repeat(length)

/** How large a value the condition still takes. */
function largest(text: string, made: (size: number) => unknown, times = 1): number {
  const { judge, places } = conditionOf(text)
  const isTaken = (size: number) => {
    const [a, b] = [made(size), made(size)]
    const outcome = judge({ claims: { a, b }, roles: a, scopes: [], params: { x: '' } }, places * times)
    return typeof outcome === 'boolean' || outcome.error !== 'too_long'
  }
  let [least, most] = [0, 100_000]
  while (least < most) {
    const middle = Math.ceil((least + most) / 2)
    if (isTaken(middle)) least = middle
    else most = middle - 1
  }
  return least
}

describe('a value', () => {
  test.each([
    ['"a" in claims.a', listOf, 18_000],
    ['roles.exists(role, role.startsWith("a"))', listOf, 950],
    ['claims.a.exists(each, each == "a")', listOf, 3_000],
    ['claims.a.exists(each, each.tenant == "a" && each.level >= 3)', listOf, 1_100],
    ['claims.a == claims.b', listOf, 18_000],
    ['claims.a == claims.b', blockOf, 1_300],
    ['claims.a == claims.b', listOfLists, 2_700],
    ['claims.a == claims.b', listOfBlocks, 1_000],
    ['claims.a.exists(name, name == "a")', blockOf, 1_400],
    ['size(claims.a) == 1', blockOf, 2_800],
    ['size(claims.a) == 1', textOf, 84_000],
    ['claims.a < claims.b', textOf, 84_000],
    ['claims.a.contains("b")', textOf, 84_000],
    ['claims.a.contains("aaaaaab")', textOf, 12_000],
    ['claims.a in [claims.b, claims.b]', listOf, 18_000],
    ['[claims.a] == [claims.b]', listOf, 18_000],
  ] as const)('is taken by %s up to a size (%o) of about %i', (text, made, about) => {
    expect(largest(text, made)).toBeGreaterThan(about)
    expect(largest(text, made)).toBeLessThan(about * 1.3)
  })

  test('that is too large refuses, and the condition says where', () => {
    const list = listOf(90_000)
    const judged = (text: string) => conditionOf(text).judge({ claims: { a: { list }, b: [...list] } })
    const error = 'too_long'
    expect(judged('claims.a.list.exists(each, each == "a")')).toEqual({ error, key: 'claims.a.list' })
    expect(judged('claims.a.list == claims.b')).toEqual({ error, key: 'claims.a.list == claims.b' })
    // Nothing decides for what has not been looked at.
    expect(judged('!(claims.a.list.exists(each, each == "a")) || true')).toEqual({ error, key: 'claims.a.list' })
    expect(judged('true || claims.a.list.exists(each, each == "a")')).toBe(true)
  })

  test.each(['==', '!='])('costs nothing more than its size, as often as %s asks for it', operator => {
    const text = `claims.a.exists(each, each ${operator} claims.b)`
    const outcome = conditionOf(text).judge({ claims: { a: Array(2_000).fill({}), b: blockOf(2_000) } })
    expect(outcome).toMatchObject({ error: 'too_long' })
  })

  test('is not looked at any more where nothing is left', () => {
    let lookedAt = 0
    const seen = (members: number) =>
      new Proxy(blockOf(members), {
        ownKeys(block) {
          lookedAt++
          return Reflect.ownKeys(block)
        },
      })
    const asks = conditionOf('claims.a.exists(x, x == "y") || claims.b == claims.c || size(claims.b) == 1')
    expect(asks.judge({ claims: { a: blockOf(5_000), b: seen(5_000), c: seen(5_000) } })).toMatchObject({
      error: 'too_long',
    })
    expect(lookedAt).toBe(0)
  })

  test('has less to cost where several conditions of the route have some', () => {
    const [alone, among] = [1, 4].map(times => largest('"a" in claims.a', listOf, times)) as [number, number]
    expect(among).toBeGreaterThan(alone / 5)
    expect(among).toBeLessThan(alone / 3)
  })
})

test('what is written is compared with values of any size, also beside conditions that need all there is', () => {
  const { judge, places } = conditionOf('claims.a == "x" || claims.c < "x" || claims.b.c != 3')
  expect(places).toBe(0)
  expect(judge({ claims: { a: textOf(60_000), b: { c: 1 }, c: textOf(60_000) } }, 1_000)).toBe(true)
})

test('a value costs as much the first time as later, whatever its shape', () => {
  const { judge } = conditionOf('claims.a == "x"')
  const before = process.memoryUsage().heapUsed
  const outcomes = new Set<unknown>()
  for (let shape = 0; shape < 2 ** 12; shape++) {
    const nested = [...shape.toString(2).padStart(12, '0')].reduce<unknown>(
      (inside, bit) => (bit === '1' ? [inside] : { a: inside }),
      1,
    )
    outcomes.add(judge({ claims: { a: nested } }))
  }
  expect([...outcomes]).toEqual([false])
  // What remembers the type of each of them takes more than ten times as much.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000)
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
    for (const a of values)
      for (const b of values) {
        const outcome = judge({ claims: { a, b } })
        expect(typeof outcome === 'boolean' || typeof outcome.error === 'string').toBe(true)
      }
  })
})
