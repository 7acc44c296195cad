import { describe, expect, test } from 'vitest'
import { RecordedTrace, requestTraces } from '../../../src/telemetry/traces/request-traces.ts'
import { factsOf } from '../../support/facts.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'
const valid = `00-${trace}-${parent}-01`
const OURS = /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/

function tracesOf({ sample = 1, trusts = true } = {}) {
  const traces = requestTraces({
    sample,
    trustsParent: () => trusts,
    clientOf: ({ peer }) => peer.address,
    sink: { add() {} },
  })
  return (...rawHeaders: string[]) => traces(factsOf({ rawHeaders }))
}

describe('a parent that is believed', () => {
  const traces = tracesOf({ sample: 0 })

  test('is continued: our span stands between it and the service, and every line of tracestate passes', () => {
    const headers = ['TraceParent', valid, 'tracestate', 'a=1', 'Accept', '*/*', 'tracestate', '', 'TraceState', 'b=2']
    const made = traces(...headers)
    expect(made).toMatchObject({ traceId: trace, parentSpanId: parent, link: undefined, tracestate: 'a=1,b=2' })
    expect(made.traceparent).toMatch(new RegExp(`^00-${trace}-(?!${parent})[0-9a-f]{16}-01$`))
  })

  test('decides: where it is not recorded, nothing is, and it stays the parent of the service', () => {
    const made = tracesOf({ sample: 1 })('traceparent', `00-${trace}-${parent}-00`, 'tracestate', 'a=1')
    expect(made).toEqual({ traceId: trace, traceparent: `00-${trace}-${parent}-00`, tracestate: 'a=1' })
  })

  test.each([
    ['03', '03'],
    ['02', '02'],
    ['ff', '03'],
    ['fc', '00'],
  ])('has flags %s, of which %s are known and pass', (flags, passed) => {
    expect(traces('traceparent', `00-${trace}-${parent}-${flags}`).traceparent.slice(-2)).toBe(passed)
  })

  test.each([`cc-${trace}-${parent}-01`, `cc-${trace}-${parent}-01-what-the-future-holds`])(
    '%s, of a later version, is continued in ours',
    value => {
      expect(traces('traceparent', value)).toMatchObject({ traceId: trace, parentSpanId: parent })
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
  ])('%j is none: a new trace begins, without its tracestate and without a link', value => {
    for (const sample of [0, 1]) {
      const made = tracesOf({ sample })('tracestate', 'a=1', 'traceparent', value)
      expect(made.traceparent).toMatch(OURS)
      expect(made.traceparent).not.toContain(trace)
      expect(made).toMatchObject({ tracestate: undefined })
      expect(made instanceof RecordedTrace && made.link).toBe(sample === 0 ? false : undefined)
    }
  })

  test('two lines are as good as none', () => {
    expect(traces('traceparent', valid, 'Traceparent', valid).traceId).not.toBe(trace)
  })
})

describe('a parent that is not believed', () => {
  test('is linked to by the trace that begins here, and decides nothing', () => {
    const made = tracesOf({ trusts: false })('traceparent', `00-${trace}-${parent}-00`, 'tracestate', 'a=1')
    expect(made).toMatchObject({ link: { traceId: trace, spanId: parent, flags: 0 }, tracestate: undefined })
    expect(made.traceId).not.toBe(trace)
    expect(made.traceparent).toMatch(/-01$/)
    const unsampled = tracesOf({ trusts: false, sample: 0 })('traceparent', valid)
    expect(unsampled.traceparent).toMatch(/-00$/)
    expect(unsampled).not.toBeInstanceOf(RecordedTrace)
  })
})

test('a trace that begins is a new one each time, and the service is told of it', () => {
  const traces = tracesOf({ sample: 0 })
  const [one, other] = [traces(), traces()]
  expect(one.traceId).not.toBe(other.traceId)
  expect(one.traceparent).toMatch(new RegExp(`^00-${one.traceId}-(?!0{16})[0-9a-f]{16}-00$`))
})

test('the share of traces that are recorded is the one that is asked for', () => {
  const traces = tracesOf({ sample: 0.1 })
  const recorded = Array.from({ length: 20_000 }, () => traces()).filter(each => each instanceof RecordedTrace)
  // Six standard deviations of a binomial distribution are 255.
  expect(Math.abs(recorded.length - 2_000)).toBeLessThan(255)
})

test('of a user agent a part is kept, which does not hold on to the rest', () => {
  const made = tracesOf()('User-Agent', 'x'.repeat(10_000))
  expect(made).toMatchObject({ userAgent: 'x'.repeat(256), client: '127.0.0.1' })
})
