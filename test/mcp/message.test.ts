/** Tests that a message is read as every server reads it: where two readers may see another tool, it is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { type Message, readMessage } from '../../src/mcp/message.ts'

const read = (text: string | Uint8Array): Message => readMessage(Buffer.from(text))

/** @returns what the log says of a refusal; undefined for a message that is accepted */
function refusalOf(text: string | Uint8Array): unknown {
  try {
    read(text)
    return undefined
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    expect(error.code).toBe('request_malformed')
    expect(error.rpc).toBeUndefined()
    return error.evidence?.what
  }
}

describe('a message that is accepted', () => {
  test('has its id, its method and its params', () => {
    expect(read('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","arguments":{}}}')).toEqual({
      id: 7,
      method: 'tools/call',
      params: { name: 'a', arguments: {} },
    })
  })

  test.each([
    ['a request without params', '{"jsonrpc":"2.0","id":"a","method":"ping"}', { id: 'a', method: 'ping', params: {} }],
    [
      'a notification',
      '{"method":"notifications/initialized"}',
      { id: undefined, method: 'notifications/initialized' },
    ],
    ['an id that is null', '{"id":null,"method":"ping"}', { id: undefined }],
    ['an id that is no scalar', '{"id":{},"method":"ping"}', { id: undefined }],
    ['an id without end', JSON.stringify({ id: 'x'.repeat(257), method: 'ping' }), { id: undefined }],
    ['the answer to a question of the server', '{"jsonrpc":"2.0","id":1,"result":{}}', { id: 1, method: undefined }],
    ['an error in answer to it', '{"id":1,"error":{"code":1,"message":"a"}}', { id: 1, method: undefined }],
    ['blanks around it', ' \n{"method":"ping"}\t', { method: 'ping' }],
    [
      'names in the arguments, in any case',
      '{"method":"tools/call","params":{"name":"a","arguments":{"Name":"b"}}}',
      {},
    ],
    ['a tool whose name is empty', '{"method":"tools/call","params":{"name":""}}', { params: { name: '' } }],
    [
      'an escaped name',
      String.raw`{"method":"tools\/call","params":{"n\u0061me":"\u0061"}}`,
      { params: { name: 'a' } },
    ],
  ])('is %s', (_, text, expected) => {
    expect(read(text)).toMatchObject(expected)
  })
})

describe('a name without end', () => {
  test.each([
    ['of a member', (name: string) => ({ method: 'ping', [name]: 1 })],
    ['of a member of params', (name: string) => ({ method: 'ping', params: { [name]: 1 } })],
    ['of a tool', (name: string) => ({ method: 'tools/call', params: { name } })],
  ])('%s is never normalised, which would take minutes', (_, message) => {
    const marks = `a${'\u0301\u0316'.repeat(250_000)}`
    refusalOf(JSON.stringify(message(marks)))
  })

  test('is no name of a tool', () => {
    const call = (name: string) => JSON.stringify({ method: 'tools/call', params: { name } })
    expect(refusalOf(call('x'.repeat(257)))).toBe('a name that is too long for a tool')
    expect(refusalOf(call('x'.repeat(256)))).toBeUndefined()
  })
})

describe('a message that is refused', () => {
  test.each([
    ['a batch', '[{"method":"tools/list"}]', 'a batch'],
    ['an empty batch', '[]', 'a batch'],
    ['text', '"tools/call"', 'no JSON-RPC message'],
    ['null', 'null', 'no JSON-RPC message'],
    ['no member that says what it is', '{"jsonrpc":"2.0","id":1}', 'no JSON-RPC message'],
    ['a method that is null', '{"method":null,"result":{}}', 'a method that is no text'],
    ['a method in a list', '{"method":["tools/call"],"params":{"name":"a"}}', 'a method that is no text'],
    ['params by position', '{"method":"tools/call","params":["a"]}', 'params that are no object'],
    ['params that are null', '{"method":"tools/call","params":null}', 'params that are no object'],
    ['a call without params', '{"method":"tools/call"}', 'a tool without a name'],
    ['a name that is a number', '{"method":"tools/call","params":{"name":1}}', 'a tool without a name'],
    ['a name in a list', '{"method":"tools/call","params":{"name":["a"]}}', 'a tool without a name'],
    ['two methods', '{"method":"ping","method":"tools/call"}', 'duplicate member name'],
    ['two names', '{"method":"tools/call","params":{"name":"a","name":"b"}}', 'duplicate member name'],
    ['two params', '{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}', 'duplicate member name'],
    [
      'a name that is escaped the second time',
      String.raw`{"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}`,
      'duplicate member name',
    ],
    ['a method in capitals besides', '{"method":"ping","Method":"tools/call"}', 'another spelling of `method`'],
    ['a method in capitals alone', '{"METHOD":"tools/call","result":{}}', 'another spelling of `method`'],
    [
      'params in capitals besides',
      '{"method":"tools/call","params":{"name":"a"},"Params":{"name":"b"}}',
      'another spelling of `params`',
    ],
    [
      'params with a long s',
      '{"method":"tools/call","params":{"name":"a"},"paramſ":{"name":"b"}}',
      'another spelling of `params`',
    ],
    [
      'a name in capitals besides',
      '{"method":"tools/call","params":{"name":"a","NAME":"b"}}',
      'another spelling of `name`',
    ],
    [
      'a task id with the Kelvin sign',
      '{"method":"tasks/get","params":{"taskId":"a","tas\u212aId":"b"}}',
      'another spelling of `taskId`',
    ],
    ['a byte order mark', '\ufeff{"method":"ping"}', 'not JSON'],
    ['nothing', '', 'not JSON'],
    ['a second message', '{"method":"ping"}{"method":"tools/call","params":{"name":"a"}}', 'not JSON'],
    ['a comment', '{"method":"ping"}//', 'not JSON'],
    [
      'nesting without end',
      `{"method":"ping","params":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`,
      'nested too deeply',
    ],
    [
      'another spelling of the method',
      '{"method":"Tools/Call","params":{"name":"a"}}',
      'another spelling of `tools/call`',
    ],
    ['a method of full width', '{"method":"tools／call","params":{"name":"a"}}', 'another spelling of `tools/call`'],
    [
      'a dash in the name of a member',
      '{"me-thod":"tools/call","pa_rams":{"na_me":"a"},"result":{}}',
      'another spelling of `method`',
    ],
    ['half a character', String.raw`{"method":"tools/call","params":{"name":"\ud800"}}`, 'lone surrogate'],
  ])('has %s', (_, text, what) => {
    expect(refusalOf(text)).toBe(what)
  })

  test.each([
    ['an overlong encoding', [0xc0, 0xaf]],
    ['UTF-16', [...Buffer.from('{"method":"ping"}', 'utf16le')]],
  ])('is in %s', (_, bytes) => {
    expect(refusalOf(Buffer.from(bytes))).toMatch(/^not (?:UTF-8|JSON)$/)
  })
})

describe('every reader of an accepted message sees the same tool', () => {
  /** A reader that takes members as Go does: whatever their case, the last one that is there. */
  function goLike(text: string, pick: 'first' | 'last'): readonly [method: unknown, tool: unknown] {
    const message = pairs(text)
    const params = member(message, 'params')
    return [member(message, 'method'), Array.isArray(params) ? member(params as Pairs, 'name') : undefined]

    function member(all: Pairs, name: string): unknown {
      const found = all.filter(([key]) => fold(key) === fold(name))
      return (pick === 'first' ? found.at(0) : found.at(-1))?.[1]
    }
  }

  type Pairs = ReadonlyArray<readonly [string, unknown]>

  /** Go folds ASCII letters, and the two letters that fold to one of them. */
  function fold(name: string): string {
    return name
      .replaceAll('ſ', 's')
      .replaceAll('\u212a', 'k')
      .replaceAll(/[A-Z]/g, letter => letter.toLowerCase())
  }

  /** Lists the members of an object, with objects within it as lists, too, and repeated names kept. */
  function pairs(text: string): Pairs {
    let count = 0
    const names: string[] = []
    // Every name gets a number, so that none is lost when it is parsed.
    const numbered = text.replaceAll(/"((?:[^"\\]|\\.)*)"(\s*):/g, (_, name: string) => {
      names.push(JSON.parse(`"${name}"`) as string)
      return `"${count++}":`
    })
    const restored = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([number, each]) => [names[Number(number)] ?? '', restored(each)] as const)
        : value
    const root = restored(JSON.parse(numbered))
    return Array.isArray(root) ? (root as Pairs) : []
  }

  const spelling = (name: string) =>
    fc.constantFrom(
      ...[name, name, name, name.toUpperCase(), `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`],
      ...[name.replace('s', 'ſ'), `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`, `${name} `],
    )
  const value = fc.constantFrom('"a"', '"b"', '"tools/call"', '"tools/list"', '1', 'null', '["a"]')
  const members = (names: readonly string[], values: fc.Arbitrary<string>) =>
    fc
      .array(fc.tuple(fc.constantFrom(...names).chain(spelling), values), { maxLength: 2 })
      .map(all => all.map(([name, each]) => `,"${name}":${each}`).join(''))
  const params = fc
    .tuple(value, members(['name', 'arguments', 'arguments', 'uri'], value))
    .map(([name, others]) => `{"name":${name}${others}}`)
  const message = fc
    .tuple(value, params, members(['params', 'method', 'id', 'id', 'result'], fc.oneof(value, params)), fc.boolean())
    .map(
      ([method, found, others, isCall]) => `{"method":${isCall ? '"tools/call"' : method},"params":${found}${others}}`,
    )

  test('JSON.parse, and readers that take the first or the last of members in any case', () => {
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(message, written => {
        if (refusalOf(written) !== undefined) {
          refused += 1
          return
        }
        const { method, params: found } = read(written)
        const parsed = JSON.parse(written) as { method?: unknown; params?: { name?: unknown } }
        expect([method, found.name]).toEqual([parsed.method, parsed.params?.name])
        for (const pick of ['first', 'last'] as const) expect(goLike(written, pick)).toEqual([method, found.name])
        accepted += 1
      }),
      { numRuns: 3000 },
    )
    // A run in which nearly all were refused, or none, would show nothing.
    expect(Math.min(accepted, refused)).toBeGreaterThan(300)
  })
})
