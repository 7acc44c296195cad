/** The rules for Prometheus that `k8s/monitoring` holds, and what their expressions ask for. */
import { DENIAL_CODES } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts'
import { named, render } from './kustomize.ts'

export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Recording {
  readonly record: string
  readonly expr: string
}

interface RuleGroup {
  readonly name: string
  readonly rules: ReadonlyArray<Alert | Recording>
}

/** What prom-client keeps of a metric; its types do not tell. */
interface RegisteredMetric {
  readonly name: string
  readonly type: string
  readonly labelNames: readonly string[]
}

/** `name{label="value",…}` in an expression, as it is written. */
export interface Selector {
  readonly text: string
  readonly name: string
  readonly matchers: ReadonlyArray<readonly [label: string, operator: string, value: string]>
}

export const monitoring = render('k8s/monitoring')
export const { groups } = named(monitoring, 'PrometheusRule', 'sallyport').spec as {
  readonly groups: readonly RuleGroup[]
}
const rules = groups.flatMap(group => group.rules)
export const alerts = rules.filter(rule => 'alert' in rule)
export const recordings = rules.filter(rule => 'record' in rule)

/** What Prometheus adds to every series of the PodMonitor, and what an expression makes by itself. */
export const TARGET_LABELS: readonly string[] = [
  ...['namespace', 'pod', 'container', 'workload', 'job', 'instance'],
  ...['le', 'replicaset'],
]

/** Metrics that come with features of their own; what is here already is held to its own labels. */
const COMING: readonly RegisteredMetric[] = ['sallyport_trace_spans_total'].map(name => ({
  name,
  type: 'counter',
  labelNames: ['result'],
}))
export const KNOWN_CODES: readonly string[] = ['ok', ...DENIAL_CODES]

const { registry } = createMetrics({ version: '0', node: '0', cacheResults: ['miss'], fetchResults: [] })
const registered = registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[]
export const metrics = [...registered, ...COMING.filter(({ name }) => !registered.some(metric => metric.name === name))]

/** Whether an expression asks for what is not there yet. */
export function isComing(expr: string): boolean {
  return COMING.some(({ name }) => expr.includes(name) && !registered.some(metric => metric.name === name))
}

/** @returns undefined for what nobody counts and no rule records */
export function labelsOf(name: string): readonly string[] | undefined {
  if (name === 'up') return TARGET_LABELS
  const recording = recordings.find(({ record }) => record === name)
  if (recording !== undefined) return name.startsWith('namespace_workload:') ? ['namespace', 'workload'] : []
  return metrics.find(metric =>
    metric.type === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') === metric.name : metric.name === name,
  )?.labelNames
}

export function selectors(text: string): readonly Selector[] {
  const names = /(?<![\w:])((?:\w+:)?(?:sallyport|process|nodejs)_[\w:]+|sallyport:\w+|up(?=\{))(?:\{([^}]*)\})?/g
  return [...text.matchAll(names)].map(([text, name = '', matchers = '']) => ({
    text,
    name,
    matchers: [...matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(
      ([, label = '', operator = '', value = '']) => [label, operator, value] as const,
    ),
  }))
}

/** @returns the labels that the expression groups by */
export function groupedBy(expr: string): readonly string[] {
  return [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/))
}
