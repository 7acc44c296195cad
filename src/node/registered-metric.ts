/**
 * Puts a metric of another make into a registry of prom-client, and gets the values of those that are of its own make.
 *
 * A registry asks of a metric its name, and works with any object that has one. Its types say that it takes nothing but
 * prom-client's own four classes, and do not tell what `get()` gives. Seen in prom-client 15.1.3.
 *
 * Breaks first: `test/telemetry/metrics/tally.test.ts`, which compares such metrics with prom-client's own.
 * Remove when: the types of `registerMetric` name what it needs, and those of a metric its `get()`.
 */
import type { Aggregator, Metric, Registry } from 'prom-client'

/** Label values by name. */
export type Labels = Readonly<Record<string, string | number>>

/** What a registry and those who document it ask of a metric. */
export interface RegisteredMetric {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labelNames: readonly string[]
}

/** What a metric of prom-client's own make tells of itself. */
export interface MetricValues {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly aggregator: Aggregator
  readonly values: ReadonlyArray<{
    /** The name of the series where it is another than that of the metric: the parts of a histogram have such. */
    readonly metricName?: string
    readonly labels: Labels
    readonly value: number
  }>
}

export function registerMetric(registry: Registry, metric: RegisteredMetric): void {
  registry.registerMetric(metric as unknown as Metric)
}

/** @returns every metric of a registry; only those of prom-client's own make have the function */
export function registeredMetrics(registry: Registry): ReadonlyArray<{ get?(): Promise<MetricValues> }> {
  return registry.getMetricsAsArray() as unknown as ReadonlyArray<{ get?(): Promise<MetricValues> }>
}
