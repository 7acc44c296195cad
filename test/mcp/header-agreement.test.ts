/** Tests that what headers say of a call is what its body says, byte for byte. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Denial } from '../../src/errors.ts'
import { checkHeaders } from '../../src/mcp/header-agreement.ts'
import type { Message } from '../../src/mcp/message.ts'
import { denied } from '../support/denied.ts'

const CALL: Message = { id: 7, method: 'tools/call', params: { name: 'orders.delete' } }

function refusalOf(rawHeaders: readonly string[], message: Message = CALL): Denial | undefined {
  return denied(() => checkHeaders(rawHeaders, message))
}

/** Encodes a name as clients do that cannot send it as it is. */
function encoded(name: string): string {
  return `=?base64?${Buffer.from(name).toString('base64')}?=`
}

describe('headers that agree', () => {
  test.each<[string, readonly string[], Message]>([
    ['none', [], CALL],
    ['the method', ['Mcp-Method', 'tools/call'], CALL],
    ['method and name', ['mcp-method', 'tools/call', 'mcp-name', 'orders.delete'], CALL],
    ['an encoded name', ['Mcp-Name', encoded('orders.delete')], CALL],
    ['the same twice', ['Mcp-Name', 'orders.delete', 'MCP-NAME', 'orders.delete'], CALL],
    ['others', ['Mcp-Session-Id', 'a', 'Mcp-Param-Region', 'b'], CALL],
    [
      'the URI of a resource',
      ['Mcp-Name', 'file:///a'],
      { id: 1, method: 'resources/read', params: { uri: 'file:///a' } },
    ],
    ['the id of a task', ['Mcp-Name', 't1'], { id: 1, method: 'tasks/get', params: { taskId: 't1' } }],
    ['a name with a method that has none', ['Mcp-Name', 'a'], { id: 1, method: 'tools/list', params: {} }],
    ['an empty name', ['Mcp-Name', '=?base64??='], { ...CALL, params: { name: '' } }],
  ])('%s', (_, rawHeaders, message) => {
    expect(refusalOf(rawHeaders, message)).toBeUndefined()
  })
})

describe('headers that disagree', () => {
  test.each<[string, readonly string[], Message]>([
    ['another method', ['Mcp-Method', 'tools/list'], CALL],
    ['the method in capitals', ['Mcp-Method', 'Tools/Call'], CALL],
    ['an encoded method', ['Mcp-Method', encoded('tools/call')], CALL],
    ['a method with an answer', ['Mcp-Method', 'tools/call'], { id: 1, method: undefined, params: {} }],
    ['another name', ['Mcp-Name', 'orders.read'], CALL],
    ['the name in capitals', ['Mcp-Name', 'ORDERS.DELETE'], CALL],
    ['an empty name', ['Mcp-Name', ''], CALL],
    ['two names, one of which agrees', ['Mcp-Name', 'orders.delete', 'Mcp-Name', 'orders.read'], CALL],
    ['two names in one line', ['Mcp-Name', 'orders.delete, orders.read'], CALL],
    ['a name in the spelling of CGI', ['Mcp_Name', 'orders.read'], CALL],
    ['a method in the spelling of CGI', ['MCP_METHOD', 'tools/list'], CALL],
    ['another name, encoded', ['Mcp-Name', encoded('orders.read')], CALL],
    ['base64 for URLs', ['Mcp-Name', '=?base64?Pz8_?='], { ...CALL, params: { name: '???' } }],
    ['base64 without padding', ['Mcp-Name', '=?base64?YQ?='], { ...CALL, params: { name: 'a' } }],
    ['base64 in capitals', ['Mcp-Name', '=?BASE64?YQ==?='], { ...CALL, params: { name: 'a' } }],
    ['an encoding that is no UTF-8', ['Mcp-Name', '=?base64?/w==?='], { ...CALL, params: { name: '\ufffd' } }],
    ['a byte order mark before the name', ['Mcp-Name', encoded('\ufefforders.delete')], CALL],
    [
      'the name as it is, which looks encoded',
      ['Mcp-Name', '=?base64?YQ==?='],
      { ...CALL, params: { name: '=?base64?YQ==?=' } },
    ],
    ['a name that the body lacks', ['Mcp-Name', 'a'], { id: 1, method: 'prompts/get', params: {} }],
    ['a name that is no text', ['Mcp-Name', '1'], { id: 1, method: 'prompts/get', params: { name: 1 } }],
  ])('%s', (_, rawHeaders, message) => {
    const denial = refusalOf(rawHeaders, message)
    expect(denial?.code).toBe('request_malformed')
    expect(denial?.rpc).toEqual({ id: message.id, code: -32020 })
  })

  test('are shown to operators without what no log may hold', () => {
    const denial = refusalOf(['Mcp-Name', 'a\u00e4\u0001'])
    expect(denial?.evidence).toEqual({
      what: 'Mcp-Name is not what the body says',
      seen: 'a??',
      wanted: 'orders.delete',
    })
  })
})

test('any name that is encoded as clients do agrees, and with no other name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (name, other) => {
      const call = { ...CALL, params: { name } }
      expect(refusalOf(['Mcp-Name', encoded(name)], call)).toBeUndefined()
      expect(refusalOf(['Mcp-Name', encoded(other)], call) === undefined).toBe(name === other)
    }),
  )
})
