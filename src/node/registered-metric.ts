/**
 * Puts a metric of another make into a registry of prom-client.
 *
 * A registry asks of a metric its name and two functions, and works with any object that has them. Its types say that
 * it takes nothing but prom-client's own four classes. Seen in prom-client 15.1.3.
 *
 * Breaks first: `test/telemetry/tally.test.ts`, which compares such metrics with prom-client's own.
 * Remove when: the types of `registerMetric` name what it needs.
 */
import type { Metric, Registry } from 'prom-client'

/** Label values by name. */
export type Labels = Readonly<Record<string, string | number>>

export interface Sample {
  readonly metricName?: string
  readonly labels: Labels
  /** Further labels, of an object that many samples share: prom-client writes them once and remembers the text. */
  readonly sharedLabels?: Labels | undefined
  readonly value: number
}

export interface MetricDefinition {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'histogram'
  readonly aggregator: 'sum'
}

/** What a registry asks of a metric. */
export interface RegisteredMetric extends MetricDefinition {
  readonly labelNames: readonly string[]
  /** Is asked for what several processes add up: data alone, every label in its place. */
  get(): Promise<MetricDefinition & { readonly values: readonly Sample[] }>
  /** Is asked for the text, and gives a sample at a time: thousands of routes have hundreds of thousands. */
  getForPromString(): Promise<RegisteredMetric & { readonly values: Iterable<Sample> }>
}

export function registerMetric(registry: Registry, metric: RegisteredMetric): void {
  registry.registerMetric(metric as unknown as Metric)
}
