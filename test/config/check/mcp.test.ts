/** Tests what a file may say of `mcp`: nothing that would pass for a rule and protects nobody. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

/** @param rest of the route `all` @param sections of the file, one in a line */
function written(rest: string, ...sections: readonly string[]): string {
  return `${SMALL.replace('/** }', `/**, ${rest} }`)}\n${sections.join('\n')}\n`
}

function problems(rest: string, ...sections: readonly string[]): readonly string[] {
  return problemsOf(written(rest, ...sections)).map(line => line.replace(/^\d+:\d+ /, ''))
}

const MIB = 1024 ** 2

describe('what is not written', () => {
  test('is `refuse` and one MiB', () => {
    expect(load(written('mcp: { tools: { a: {} } }')).routes[0]?.mcp).toEqual({
      tools: { a: {} },
      others: 'refuse',
      maxBody: MIB,
    })
  })

  test('of tools means that no body is read', () => {
    expect(load(written('mcp: {}')).routes[0]?.mcp?.tools).toBeUndefined()
  })

  test('can be no tool at all: then each is one of the others', () => {
    expect(load(written('mcp: { tools: {} }')).routes[0]?.mcp?.tools).toEqual({})
  })
})

test.each([
  [
    'mcp: { others: refuse }',
    'routes[0].mcp.others: has no effect without `tools`, since no body is read: every tool may be called; add `tools`, or leave it out',
  ],
  [
    'mcp: { maxBody: 1MiB }',
    'routes[0].mcp.maxBody: has no effect without `tools`, since no body is read: every tool may be called; add `tools`, or leave it out',
  ],
  [
    "mcp: { tools: { a: {}, '*': { scopes: [b] } }, others: refuse }",
    'routes[0].mcp.others: has no effect beside the tool `*`, which is all others; leave it out',
  ],
  [
    'methods: [GET, DELETE], mcp: { tools: { a: {} } }',
    'routes[0].mcp.tools: has no effect: calls come by POST, which is not in `methods`; add it there, or leave `tools` out',
  ],
  [
    'access: public, mcp: { tools: { a: {} } }',
    'routes[0].mcp: has no effect with `access: public`, which does not look at tokens; leave out one of them',
  ],
  [
    'access: public, mcp: {}',
    'routes[0].mcp: has no effect with `access: public`, which does not look at tokens; leave out one of them',
  ],
  [
    'mcp: { tools: { a: { scopes: [] } } }',
    'routes[0].mcp.tools.a.scopes: must not be empty; list at least one, or leave the key out',
  ],
  ['mcp: { tools: { a: } }', 'routes[0].mcp.tools.a: has no value; write `{}` if it needs no more than the route does'],
  [
    'mcp: { tools: { "orders.*": { scopes: [w] }, "Orders.*": {} } }',
    'routes[0].mcp.tools["Orders.*"]: is read like the tool `orders.*` by services that ignore case; keep one of them',
  ],
  ['mcp: { tools: { "a*b": {} } }', 'routes[0].mcp.tools["a*b"]: may have a `*` only at its end, as in `report.*`'],
  [
    'mcp: { tools: { orders.delete: { scopes: [w] }, Orders.Delete: {} } }',
    'routes[0].mcp.tools["Orders.Delete"]: is read like the tool `orders.delete` by services that ignore case; keep one of them',
  ],
  [
    'mcp: { tools: { "report.*": {}, "REPORT.*": { scopes: [r] } } }',
    'routes[0].mcp.tools["REPORT.*"]: is read like the tool `report.*` by services that ignore case; keep one of them',
  ],
  [
    'mcp: { tools: { "a ": {} } }',
    'routes[0].mcp.tools["a "]: has a blank at an end, with which no call passes; leave the blank out',
  ],
  ['mcp: { tools: { "": {} } }', 'routes[0].mcp.tools[""]: is no name of a tool'],
  ['mcp: { tools: { a: {} }, maxBody: 17MiB }', 'routes[0].mcp.maxBody: must be at most `16MiB`'],
])('%s is refused', (rest, problem) => {
  expect(problems(rest)).toEqual([problem])
})

describe('the largest body', () => {
  test('cannot be larger than the file lets any be', () => {
    expect(problems('mcp: { tools: { a: {} }, maxBody: 8MiB }', 'limits: { bodyBytes: 4MiB }')).toEqual([
      'routes[0].mcp.maxBody: is more than `limits.bodyBytes`, which counts for every body; lower it, or raise that',
    ])
  })

  test('is no problem where it was not written', () => {
    expect(load(written('mcp: { tools: { a: {} } }', 'limits: { bodyBytes: 64KiB }')).routes[0]?.mcp?.maxBody).toBe(MIB)
  })
})

test('a route of GET and POST can judge calls', () => {
  expect(load(written('methods: [GET, POST, DELETE], mcp: { tools: { a: {} } }')).routes).toHaveLength(1)
})
