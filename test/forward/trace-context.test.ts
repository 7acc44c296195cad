import { describe, expect, test } from 'vitest'
import { traceContext } from '../../src/forward/trace-context.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'
const valid = `00-${trace}-${parent}-01`

describe('W3C Trace Context', () => {
  test("a valid traceparent passes, with all lines of the caller's tracestate", () => {
    const headers = ['TraceParent', valid, 'tracestate', 'a=1', 'Accept', '*/*', 'tracestate', 'b=2']
    expect(traceContext(headers)).toEqual({ traceparent: valid, tracestate: 'a=1,b=2' })
  })

  test.each([`cc-${trace}-${parent}-01`, `cc-${trace}-${parent}-01-what-the-future-holds`])(
    '%s, of a later version, passes',
    value => {
      expect(traceContext(['traceparent', value]).traceparent).toBe(value)
    },
  )

  test.each([
    '',
    `${valid}-extra`,
    `${valid} `,
    `ff-${trace}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    valid.toUpperCase(),
    `00-${trace}-${parent}`,
    `00-${trace.slice(1)}-${parent}-01`,
    `cc-${trace}-${parent}-01x`,
    `cc-${trace}-${parent}-01-\xe9`,
  ])('%j is replaced, and its tracestate goes', value => {
    const made = traceContext(['tracestate', 'a=1', 'traceparent', value])
    expect(made.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(made.traceparent).not.toContain(trace)
    expect(made.tracestate).toBeUndefined()
  })

  test('two traceparent lines are as good as none', () => {
    expect(traceContext(['traceparent', valid, 'traceparent', valid]).traceparent).not.toBe(valid)
  })

  test('a trace that is made is a new one each time', () => {
    expect(traceContext([]).traceparent).not.toBe(traceContext([]).traceparent)
  })
})
