/** The alerts ask for metrics, labels and label values that there are. */
import { expect, test } from 'vitest'
import { DENIAL_CODES } from '../../src/errors.ts'
import { exposition, familiesOf } from '../../src/telemetry/exposition.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { named, render } from './kustomize.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** What prom-client keeps of a metric; its types do not tell. */
interface RegisteredMetric {
  readonly name: string
  readonly type: string
  readonly labelNames: readonly string[]
}

const created = createMetrics({ version: '0', node: '0', cacheResults: ['miss'], fetchResults: [] })
created.initSessions('browser')
const { registry } = created
const metrics = registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[]
const { groups } = named(render('k8s/monitoring'), 'PrometheusRule', 'sallyport').spec as {
  groups: ReadonlyArray<{ readonly rules: readonly Rule[] }>
}
const rules = groups.flatMap(group => group.rules)

/** What Prometheus adds to every series of a PodMonitor, and what an expression makes by itself. */
const TARGET_LABELS = ['namespace', 'pod', 'container', 'job', 'le', 'replicaset']

function metricOf(name: string): RegisteredMetric | undefined {
  return metrics.find(metric =>
    metric.type === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') === metric.name : metric.name === name,
  )
}

/** `name{label="value",…}` in a text. */
function selectors(text: string): ReadonlyArray<{ readonly name: string; readonly matchers: readonly string[][] }> {
  return [...text.matchAll(/\b(sallyport_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', matchers = '']) => ({
    name,
    matchers: [...matchers.matchAll(/(\w+)(?:=~|=)"([^"]*)"/g)].map(([, label = '', value = '']) => [label, value]),
  }))
}

test.each(rules)('$alert', ({ expr, labels, annotations }) => {
  const used = selectors(`${expr} ${Object.values(annotations)}`)
  for (const { name, matchers } of used) {
    const metric = metricOf(name)
    expect(metric, name).toBeDefined()
    for (const [label = '', value = ''] of matchers) {
      expect(metric?.labelNames).toContain(label)
      if (label === 'code') for (const code of value.split('|')) expect(DENIAL_CODES).toContain(code)
    }
  }
  const known = [...TARGET_LABELS, ...used.flatMap(({ name }) => metricOf(name)?.labelNames ?? [])]
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/))
  const told = [
    ...Object.values(annotations)
      .join()
      .matchAll(/\$labels\.(\w+)/g),
  ].map(([, label = '']) => label)
  for (const label of [...grouped, ...told]) expect(known).toContain(label)
  // A label that the sum has dropped would be empty in the text.
  const outer = /^(?:\(\s*)?(?:sum|count) by \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/)
  if (outer !== undefined) for (const label of told) expect(outer).toContain(label)
  expect(['critical', 'warning']).toContain(labels.severity)
})

test('an alert on a code alone counts a metric that has every code from the start, so that it sees the first', () => {
  const onCodes = rules.filter(({ expr }) => /\bcode=/.test(expr) && !expr.includes('/'))
  expect(onCodes.map(({ alert }) => alert)).toEqual([
    'SallyportCannotJudge',
    'SallyportServiceUnauthorized',
    'SallyportInternalErrors',
  ])
  for (const { expr } of onCodes) expect(selectors(expr).map(({ name }) => name)).toEqual(['sallyport_refusals_total'])
})

test('there are alerts, each with a name of its own', () => {
  expect(rules.length).toBeGreaterThan(5)
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
})

const text = (await Array.fromAsync(exposition(familiesOf(registry)))).join('')
/** Every series that a provider of sessions begins with. */
const begun = text.split('\n').filter(line => line.includes('provider="browser"'))

const onSessions = rules.flatMap(({ alert, expr }) =>
  selectors(expr)
    .filter(({ name }) => /^sallyport_(?:logins|sessions?)_/.test(name))
    .map(({ name, matchers }) => [alert, name, matchers] as const),
)

test.each(onSessions)('%s asks for values that %s has from the start: %j', (_alert, name, matchers) => {
  for (const [label, values = ''] of matchers)
    for (const value of values.split('|')) {
      const labels = new RegExp(`^${name}\\{[^}]*\\b${label}="${value}"`)
      expect(begun.filter(line => labels.test(line))).toHaveLength(1)
    }
})

test('an alert sees logins that fail, all of them where they are few, and those that nobody comes back from', () => {
  const seen = onSessions.flatMap(([alert, name, matchers]) =>
    name === 'sallyport_logins_total' ? matchers.map(([, values]) => `${alert} ${values}`) : [],
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
