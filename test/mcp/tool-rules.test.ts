/** Tests which rule a tool has: that of its name, or else of the longest beginning of it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toolRules } from '../../src/mcp/tool-rules.ts'

const RULES = { 'orders.delete': { scopes: ['w'] }, 'orders.*': { scopes: ['r'] }, 'orders.admin.*': {}, 'report*': {} }

test.each([
  ['orders.delete', 'orders.delete'],
  ['orders.deleted', 'orders.*'],
  ['orders.', 'orders.*'],
  ['orders.admin.a', 'orders.admin.*'],
  ['orders.admin', 'orders.*'],
  ['report', 'report*'],
  ['reports', 'report*'],
  ['orders', undefined],
  ['Orders.delete', undefined],
  [' orders.delete', undefined],
  ['orders.delete ', 'orders.*'],
  ['', undefined],
  ['__proto__', undefined],
  ['constructor', undefined],
])('the tool "%s" has the rule %s', (tool, rule) => {
  expect(toolRules(RULES).ruleOf(tool)?.name).toBe(rule)
})

test('`*` is the rule of every tool without another one', () => {
  const { ruleOf } = toolRules({ ...RULES, '*': {} })
  expect(['', 'x', 'orders', 'orders.delete'].map(tool => ruleOf(tool)?.name)).toEqual(['*', '*', '*', 'orders.delete'])
})

test('a name with `*` at its end is no exact name', () => {
  expect(toolRules({ 'a*': {} }).ruleOf('a*')?.name).toBe('a*')
  expect(toolRules({ 'a*': {} }).ruleOf('ab')?.name).toBe('a*')
})

test('scopes that are not written are none', () => {
  expect(toolRules({ a: {} }).ruleOf('a')?.scopes).toEqual([])
})

test('the rule is the one that a look at all of them finds', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 4 })
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, fc.boolean()), { selector: String }), name, (written, tool) => {
      const names = written.map(([text, isBeginning]) => (isBeginning ? `${text}*` : text)).filter(text => text !== '')
      const rule = toolRules(Object.fromEntries(names.map(text => [text, {}]))).ruleOf(tool)?.name
      const fitting = names.filter(text => (text.endsWith('*') ? tool.startsWith(text.slice(0, -1)) : text === tool))
      const exact = fitting.find(text => !text.endsWith('*'))
      const longest = fitting.reduce<string | undefined>(
        (best, text) => (best === undefined || text.length > best.length ? text : best),
        undefined,
      )
      expect(rule).toBe(exact ?? longest)
    }),
  )
})

test.each([
  ['ORDERS.DELETE', 'orders.delete'],
  ['orders.Delete', 'orders.delete'],
  ['Orders.list', 'orders.*'],
  ['orders.ｄelete', 'orders.delete'],
  ['orders.delete', undefined],
  ['orders.list', undefined],
  ['ORDER', undefined],
])('a service with a laxer reading finds for "%s" the rule %s', (tool, rule) => {
  expect(toolRules(RULES).otherReading(tool)?.name).toBe(rule)
})

test.each([
  ['straße', 'straẞe'],
  ['straße', 'STRASSE'],
  ['οδος', 'ΟΔΟΣ'],
  ['kilo', '\u212Ailo'],
  ['sum', '\u017Fum'],
  ['orders', 'or\u00ADders'],
])('"%s" is read as "%s" by some', (listed, called) => {
  expect(toolRules({ [listed]: { scopes: ['w'] } }).otherReading(called)?.name).toBe(listed)
  expect(toolRules({ [`${listed}*`]: { scopes: ['w'] } }).otherReading(`${called}x`)?.name).toBe(`${listed}*`)
})

test('two tools whose names differ in letter case alone are each what they are', () => {
  const { otherReading } = toolRules({ a: { scopes: ['x'] }, A: {} })
  expect(['a', 'A'].map(otherReading)).toEqual([undefined, undefined])
})
