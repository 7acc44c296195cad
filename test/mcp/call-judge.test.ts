/** Tests which calls of tools pass, and that a caller is told of everything that it lacks at once. */
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { callJudge } from '../../src/mcp/call-judge.ts'
import type { Principal } from '../../src/types.ts'
import { principal } from '../authorize/support.ts'
import { denied } from '../support/denied.ts'
import { factsOf } from '../support/facts.ts'

type Options = Parameters<typeof callJudge>[0]

/** @returns a judge, and what it has counted */
function judgeOf(options: Partial<Options> = {}) {
  const counted: string[] = []
  const judge = callJudge({
    tools: { 'orders.delete': { scopes: ['w'] }, 'report.*': { scopes: ['r', 's'] }, free: {} },
    others: 'refuse',
    maxBytes: 1024,
    routeScopes: { all: ['use'], any: [] },
    onCall: (tool, code) => void counted.push(`${tool} ${code}`),
    ...options,
  })
  return { judge, counted }
}

const call = (name: string) =>
  Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }))

interface Asked {
  readonly options?: Partial<Options>
  readonly caller?: Principal | undefined
  readonly lacking?: Denial
}

function calls(tool: string, { options, caller, lacking }: Asked) {
  const { judge, counted } = judgeOf(options)
  const denial = denied(() => judge.judge(call(tool), factsOf(), { principal: caller, lacking }))
  return { code: denial?.code, scope: denial?.scope, evidence: denial?.evidence, counted }
}

const withScopes = (...scopes: readonly string[]) => principal({ scopes })
const LACKS_USE = new Denial('scope_missing', { evidence: { requirement: 'scopes', missing: ['use'] } })

describe('a call', () => {
  test('passes with the scopes of its tool', () => {
    expect(calls('orders.delete', { caller: withScopes('use', 'w') })).toMatchObject({
      code: undefined,
      counted: ['orders.delete ok'],
    })
  })

  test('without one of them is told those of route and tool', () => {
    expect(calls('report.daily', { caller: withScopes('use', 'r') })).toEqual({
      code: 'scope_missing',
      scope: 'use r s',
      evidence: {
        requirement: 'mcp.tools',
        tool: 'report.daily',
        missing: ['s'],
        granted: ['use', 'r'],
      },
      counted: ['report.* scope_missing'],
    })
  })

  test('that lacks a scope of the route, too, is told of both at once', () => {
    expect(calls('orders.delete', { caller: withScopes('x'), lacking: LACKS_USE })).toMatchObject({
      code: 'scope_missing',
      scope: 'use w',
      evidence: { missing: ['use', 'w'] },
    })
  })

  test('that lacks one of the route alone is told those of the tool, too, which it would lose otherwise', () => {
    expect(calls('orders.delete', { caller: withScopes('w'), lacking: LACKS_USE })).toMatchObject({
      code: 'scope_missing',
      scope: 'use w',
      evidence: { missing: ['use'] },
      counted: ['orders.delete scope_missing'],
    })
  })

  test('of a tool without scopes is told what the route asks for', () => {
    expect(calls('free', { caller: withScopes(), lacking: LACKS_USE })).toMatchObject({
      code: 'scope_missing',
      scope: undefined,
    })
    expect(calls('free', { caller: withScopes('use') }).code).toBeUndefined()
  })

  test('of a tool that is not listed is refused, and no scope helps', () => {
    expect(calls('orders.create', { caller: withScopes('use', 'w') })).toMatchObject({
      code: 'claim_forbidden',
      scope: undefined,
      counted: ['other claim_forbidden'],
    })
  })

  test('of a tool that is not listed passes where others are allowed', () => {
    const options = { others: 'allow' } as const
    expect(calls('orders.create', { options, caller: withScopes('use') })).toMatchObject({ counted: ['other ok'] })
    expect(calls('orders.create', { options, caller: withScopes(), lacking: LACKS_USE }).code).toBe('scope_missing')
  })

  test('of nobody is asked for a token where its tool asks for scopes', () => {
    expect(calls('orders.delete', { caller: undefined })).toMatchObject({ code: 'token_missing', scope: 'use w' })
    expect(calls('free', { caller: undefined }).code).toBeUndefined()
    expect(calls('orders.create', { caller: undefined }).code).toBe('claim_forbidden')
  })

  test('keeps the one of several scopes that it has', () => {
    const options = { routeScopes: { all: [], any: ['a', 'b'] } }
    expect(calls('orders.delete', { options, caller: withScopes('b') }).scope).toBe('b w')
    expect(calls('orders.delete', { options, caller: withScopes() }).scope).toBe('a w')
  })

  test.each(['__proto__', 'constructor', 'toString', 'ORDERS.DELETE'])('of the tool %j is one of the others', tool => {
    expect(calls(tool, { caller: withScopes('use', 'w') }).code).toBe('claim_forbidden')
  })
})

describe('another message', () => {
  const list = Buffer.from('{"method":"tools/list"}')

  test('passes, and is not counted', () => {
    const { judge, counted } = judgeOf()
    judge.judge(list, factsOf(), { principal: undefined, lacking: undefined })
    expect(counted).toEqual([])
  })

  test('asks for what the route asks for', () => {
    const { judge } = judgeOf()
    const denial = denied(() => judge.judge(list, factsOf(), { principal: withScopes(), lacking: LACKS_USE }))
    expect(denial).toBe(LACKS_USE)
  })

  test('that nobody can read is malformed, whoever sends it', () => {
    const { judge } = judgeOf()
    const broken = Buffer.from('{')
    const denial = denied(() => judge.judge(broken, factsOf(), { principal: withScopes(), lacking: LACKS_USE }))
    expect(denial?.code).toBe('request_malformed')
  })

  test('whose headers say another thing is malformed', () => {
    const { judge } = judgeOf()
    const facts = factsOf({ rawHeaders: ['Mcp-Method', 'tools/list'] })
    const denial = denied(() => judge.judge(call('free'), facts, { principal: withScopes('use'), lacking: undefined }))
    expect(denial?.rpc).toEqual({ id: 1, code: -32020 })
  })
})

describe('a body', () => {
  const judges = (method: string, rawHeaders: readonly string[], bodyBytes: number | undefined = 10) =>
    judgeOf().judge.judgesBodyOf(factsOf({ method, rawHeaders }), bodyBytes)
  const what = (method: string, rawHeaders: readonly string[], bodyBytes?: number) => {
    const denial = denied(() => judges(method, rawHeaders, bodyBytes))
    expect(denial?.code).toBe('request_malformed')
    return denial?.evidence?.what
  }

  test.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
  ])('of type %s is judged', type => {
    expect(judges('POST', ['Content-Type', type])).toBe(true)
  })

  test.each([
    'text/plain',
    'application/json-rpc',
    'application/json, text/plain',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; a=b',
    'multipart/form-data; boundary=a',
    '',
  ])('of type "%s" is refused', type => {
    expect(what('POST', ['Content-Type', type])).toBe('Content-Type')
  })

  test('without a type, with several or with a coding is refused', () => {
    const JSON_TYPE = ['Content-Type', 'application/json']
    expect(what('POST', [])).toBe('Content-Type')
    expect(what('POST', [...JSON_TYPE, 'content-type', 'application/json'])).toBe('more than one Content-Type')
    expect(what('POST', [...JSON_TYPE, 'Content_Type', 'text/plain'])).toBe('more than one Content-Type')
    expect(what('POST', [...JSON_TYPE, 'Content-Encoding', 'gzip'])).toBe('Content-Encoding')
  })

  test('with another method is refused, and none is fine', () => {
    expect(what('PUT', ['Content-Type', 'application/json'], 1)).toBe('a body with PUT')
    expect(denied(() => judgeOf().judge.judgesBodyOf(factsOf(), undefined))?.code).toBe('request_malformed')
    expect(judges('GET', [], 0)).toBe(false)
    expect(judges('DELETE', [], 0)).toBe(false)
  })

  test('behind an upgrade could not be judged', () => {
    expect(what('GET', ['Upgrade', 'websocket', 'Connection', 'Upgrade'], 0)).toMatch(/^an upgrade/)
    expect(judges('GET', ['Upgrade', 'h2c'], 0)).toBe(false)
  })
})

describe('a name that a laxer service reads as that of a tool with scopes', () => {
  const tools = { 'orders.delete': { scopes: ['w'] }, 'orders.*': {} }

  test.each(['allow', 'refuse'] as const)('is refused where others are: %s', others => {
    const judged = (tool: string) => calls(tool, { options: { tools, others }, caller: withScopes('use', 'w') }).code
    expect(judged('orders.Delete')).toBe('claim_forbidden')
    expect(judged('orders.delete')).toBeUndefined()
    expect(judged('orders.deleted')).toBeUndefined()
  })

  test('passes where that tool asks for nothing more', () => {
    const options = { tools: { 'orders.list': {}, 'orders.*': {} } }
    expect(calls('orders.List', { options, caller: withScopes('use') }).code).toBeUndefined()
  })
})

describe('what is no message', () => {
  test.each(['', '[]', '{"method":"tools/call","params":{}}'])('is counted as a call of another tool: %s', body => {
    const { judge, counted } = judgeOf()
    const caller = { principal: withScopes('use'), lacking: undefined }
    expect(denied(() => judge.judge(Buffer.from(body), factsOf(), caller))?.code).toBe('request_malformed')
    expect(counted).toEqual(['other request_malformed'])
  })
})
