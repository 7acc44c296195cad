/** Compares how the judge of calls reads a body with how servers do, over bodies that are made to be misread. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { callJudge } from '../../src/mcp/call-judge.ts'
import { denied } from '../support/denied.ts'
import { factsOf } from '../support/facts.ts'

const ALLOWED = 'orders.list'

const judge = callJudge({
  tools: { [ALLOWED]: {} },
  others: 'refuse',
  maxBytes: 65_536,
  routeScopes: { all: [], any: [] },
  onCall: () => {},
})

function passes(body: Uint8Array, rawHeaders: readonly string[] = []): boolean {
  const facts = factsOf({ method: 'POST', rawHeaders })
  return denied(() => judge.judge(body, facts, { principal: undefined, lacking: undefined })) === undefined
}

type Members = ReadonlyArray<readonly [name: string, value: unknown]>

/** How servers find a member: each by other rules, of which some take the first and some the last that fits. */
const READERS: Readonly<Record<string, (members: Members, name: string) => unknown>> = {
  'of JavaScript': (members, name) => members.findLast(([each]) => each === name)?.[1],
  'that takes the first': (members, name) => members.find(([each]) => each === name)?.[1],
  'of Go': (members, name) => members.findLast(([each]) => isNamesake(each, name))?.[1],
  'that takes the first in any letter case': (members, name) => members.find(([each]) => isNamesake(each, name))?.[1],
}

function isNamesake(one: string, other: string): boolean {
  return one.toUpperCase() === other.toUpperCase()
}

/** @returns the tool that a server with this reader would call; undefined when it would call none */
function calledBy(find: (typeof READERS)[string], body: Uint8Array): unknown {
  // It forgives what servers forgive: a byte order mark, bytes that are no UTF-8.
  const message = membersOf(new TextDecoder().decode(body))
  if (find(message, 'method') !== 'tools/call') return undefined
  const params = find(message, 'params')
  return Array.isArray(params) ? find(params, 'name') : undefined
}

/**
 * Reads an object with all its members, of which the engine's parser keeps only the last of a name.
 *
 * @returns the members in the order of the text; the value of one that is an object are that one's members, in turn
 * @throws {SyntaxError} when the text is no JSON
 */
function membersOf(text: string): Members {
  JSON.parse(text)
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []
  let at = 0
  function value(): unknown {
    const token = tokens[at++] ?? ''
    if (token !== '{' && token !== '[') return JSON.parse(token)
    const members: Array<readonly [string, unknown]> = []
    for (; !'}]'.includes(tokens[at] ?? ''); at += tokens[at] === ',' ? 1 : 0) {
      if (token === '[') value()
      else {
        const name: string = JSON.parse(tokens[at] ?? '')
        // The colon goes with its name.
        at += 2
        members.push([name, value()])
      }
    }
    at += 1
    return members
  }
  const outermost = value()
  return Array.isArray(outermost) ? outermost : []
}

test('the readers see members that are there twice, and differ about them', () => {
  const body = Buffer.from(
    '{"method":"x","method":"tools/call","x":[1,{"a":[]},"}"],"params":{"name":"a"},"params":{"name":"b","Name":"c"}}',
  )
  expect(Object.values(READERS).map(find => calledBy(find, body))).toEqual(['b', undefined, 'c', undefined])
  const named = Buffer.from('{"method":"tools/call","params":{"NAME":"a","name":"b","n\\u0061me":"c","Name":"d"}}')
  expect(Object.values(READERS).map(find => calledBy(find, named))).toEqual(['c', 'b', 'd', 'a'])
})

const PIECES = [
  ...['"method":"tools/call"', '"Method":"tools/call"', '"\\u006dethod":"tools/call"', '"method":"ping"', '"method":1'],
  ...['"params":{"name":"orders.list"}', '"params":{"name":"orders.delete"}', '"parAms":{"name":"orders.delete"}'],
  ...['"param\u017f":{"name":"orders.delete"}', '"params":{"Name":"orders.delete"}', '"params":[]', '"params":null'],
  ...['"params":{"name":"orders.list","NAME":"orders.delete"}', '"params":{"n\\u0061me":"orders.delete"}'],
  ...[
    '"params":{"name":"orders.delete","n\\u0061me":"orders.list"}',
    '"params":{"name":"orders.delete","name":"orders.list"}',
  ],
  ...['"id":1', '"result":{}', '"__proto__":{"method":"tools/call"}', '"jsonrpc":"2.0"', '"x":"\\"}"', '"x":{"a":[1]}'],
]
const NOISE = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
  '\n',
  '\0',
  '\u00ff',
  '\u212a',
  '\ufeff',
  '//',
  '/**/',
  'name',
]

const messages = fc
  .tuple(
    fc.constantFrom('"method":"tools/call"', '"method":"tools\\/call"', '"x":0'),
    fc.constantFrom('"params":{"name":"orders.list"}', '"params":{"name":"orders.delete"}', '"id":"a"'),
    fc.shuffledSubarray(PIECES, { maxLength: 3 }),
  )
  .chain(([method, params, others]) => {
    const members = [...new Set([method, params, ...others])]
    return fc.shuffledSubarray(members, { minLength: members.length })
  })
  .map(members => Buffer.from(`{${members.join(',')}}`))

/** Replaces some bytes of a message. */
const broken = fc
  .tuple(messages, fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom(...NOISE)), { maxLength: 2 }), fc.boolean())
  .map(([message, edits, isLatin1]) =>
    edits.reduce((bytes, [at, length, noise]) => {
      const start = at % (bytes.length + 1)
      const inserted = Buffer.from(noise, isLatin1 ? 'latin1' : 'utf8')
      return Buffer.concat([bytes.subarray(0, start), inserted, bytes.subarray(start + length)])
    }, message),
  )

test('no server calls another tool than the one that was judged', () => {
  let passed = 0
  let calls = 0
  fc.assert(
    fc.property(broken, body => {
      if (!passes(body)) return
      passed += 1
      const [called, ...others] = Object.values(READERS).map(find => calledBy(find, body))
      if (called !== undefined) calls += 1
      expect([undefined, ALLOWED]).toContain(called)
      for (const other of others) expect(other).toBe(called)
    }),
    { numRuns: 20_000 },
  )
  // The property says nothing about bodies that are refused, so enough of them have to pass.
  expect(passed).toBeGreaterThan(500)
  expect(calls).toBeGreaterThan(100)
})

test('a name in a header passes exactly if a client could have sent it for the name in the body', () => {
  const names = fc.string({ unit: fc.constantFrom('a', 'é', '=', '?', ' ', '\t', 'b', '4', '/', '+', '東', '😀') })
  fc.assert(
    fc.property(names, names, (inBody, inHeader) => {
      const body = Buffer.from(JSON.stringify({ method: 'prompts/get', params: { name: inBody } }))
      const encoded = `=?base64?${Buffer.from(inHeader).toString('base64')}?=`
      expect(passes(body, ['Mcp-Name', encoded])).toBe(inHeader === inBody)
      expect(passes(body, ['Mcp-Name', inHeader])).toBe(inHeader === inBody)
    }),
    { numRuns: 5_000 },
  )
})
