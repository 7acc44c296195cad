/** The alerts ask for metrics, labels and label values that there are. */
import { expect, test } from 'vitest'
import { DENIAL_CODES, denialSpec } from '../../src/errors.ts'
import { exposition, familiesOf } from '../../src/telemetry/metrics/exposition.ts'
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts'
import { alerts, groupedBy, KNOWN_CODES, labelsOf, recordings, selectors, TARGET_LABELS } from './rules.ts'

const created = createMetrics({ version: '0', node: '0', cacheResults: ['miss'], fetchResults: [] })
created.initSessions('browser')
const { registry } = created

const expressions = [
  ...alerts.map(({ alert, expr, annotations }) => [alert, expr, `${expr} ${Object.values(annotations)}`] as const),
  ...recordings.map(({ record, expr }) => [record, expr, expr] as const),
]

test.each(expressions)('%s', (_name, expr, text) => {
  const used = selectors(text)
  expect(used.length > 0 || expr.startsWith('vector(')).toBe(true)
  for (const { name, matchers } of used) {
    const labels = labelsOf(name)
    expect(labels, name).toBeDefined()
    for (const [label, , value] of matchers) {
      expect([...TARGET_LABELS, ...(labels ?? [])]).toContain(label)
      if (label === 'code') for (const code of value.split('|')) expect(KNOWN_CODES).toContain(code)
    }
  }
  const known = [...TARGET_LABELS, ...used.flatMap(({ name }) => labelsOf(name) ?? [])]
  for (const label of groupedBy(expr)) expect(known).toContain(label)
})

test.each(alerts)('$alert tells labels that it has', ({ expr, labels, annotations }) => {
  const told = [
    ...Object.values(annotations)
      .join()
      .matchAll(/\$labels\.(\w+)/g),
  ].map(([, label = '']) => label)
  const known = [...TARGET_LABELS, ...selectors(expr).flatMap(({ name }) => labelsOf(name) ?? [])]
  for (const label of told) expect(known).toContain(label)
  // A label that the sum has dropped would be empty in the text.
  const outer = /^(?:\(\s*)?(?:sum|count|min|max) by \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/)
  if (outer !== undefined) for (const label of told) expect(outer).toContain(label)
  expect(['critical', 'warning']).toContain(labels.severity)
})

test('what counts as our own failure is every 5xx, but for those of the service and of a planned end', () => {
  const ours = recordings.find(({ record }) => record === 'namespace_workload:sallyport_failures:rate5m')
  const [[, , codes = ''] = []] = selectors(ours?.expr ?? '')[0]?.matchers ?? []
  const notOurs = ['draining', 'upstream_unauthorized', 'upstream_unreachable', 'upstream_timeout']
  const faults = DENIAL_CODES.filter(code => denialSpec(code).status >= 500)
  expect(faults).toEqual(expect.arrayContaining(notOurs))
  expect(codes.split('|').toSorted()).toEqual(faults.filter(code => !notOurs.includes(code)).toSorted())
})

test('an alert on a code alone counts a metric that has every code from the start, so that it sees the first', () => {
  const onCodes = alerts.filter(({ expr }) => /\bcode=/.test(expr) && !expr.includes('/'))
  expect(onCodes.map(({ alert }) => alert)).toEqual([
    'SallyportCannotJudge',
    'SallyportServiceUnauthorized',
    'SallyportProxyUntrusted',
    'SallyportInternalErrors',
  ])
  for (const { expr } of onCodes) expect(selectors(expr).map(({ name }) => name)).toEqual(['sallyport_refusals_total'])
})

test('there are alerts, each with a name of its own', () => {
  expect(alerts.length).toBeGreaterThan(5)
  expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length)
})

const text = (await Array.fromAsync(exposition(familiesOf(registry)))).join('')
/** Every series that a provider of sessions begins with. */
const begun = text.split('\n').filter(line => line.includes('provider="browser"'))

const onSessions = alerts.flatMap(({ alert, expr }) =>
  selectors(expr)
    .filter(({ name }) => /^sallyport_(?:logins|sessions?)_/.test(name))
    .map(({ name, matchers }) => [alert, name, matchers] as const),
)

test.each(onSessions)('%s asks for values that %s has from the start: %j', (_alert, name, matchers) => {
  for (const [label, , values] of matchers)
    for (const value of values.split('|')) {
      const labels = new RegExp(`^${name}\\{[^}]*\\b${label}="${value}"`)
      expect(begun.filter(line => labels.test(line))).toHaveLength(1)
    }
})

test('an alert sees logins that fail, all of them where they are few, and those that nobody comes back from', () => {
  const seen = onSessions.flatMap(([alert, name, matchers]) =>
    name === 'sallyport_logins_total' ? matchers.map(([, , values]) => `${alert} ${values}`) : [],
  )
  expect([...new Set(seen)]).toEqual([
    'SallyportLoginsUnavailable unavailable',
    'SallyportLoginsFailing failed',
    'SallyportLoginsFailing ok|failed',
    'SallyportLoginsFailing failed|unavailable',
    'SallyportLoginsFailing begun',
    'SallyportLoginsFailing ok',
    'SallyportLoginsStranded begun',
    'SallyportLoginsStranded ok|failed|unavailable',
  ])
})
