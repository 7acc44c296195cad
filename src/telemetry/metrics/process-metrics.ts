/**
 * Collects `process_*` and `nodejs_*`, and says how several processes add them up: the worst event loop
 * counts, and the process that started first.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { setAggregator } from '../../node/aggregator.ts'

/** A metric that is not listed is summed, as CPU and memory are. */
const AGGREGATORS: ReadonlyArray<readonly [name: RegExp, aggregator: 'min' | 'max']> = [
  [/^process_start_time_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_min_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_/, 'max'],
]

/**
 * They are about the process, so that all registries in it share them: what prom-client watches a process with, it
 * never lets go, and an application may be made and closed many times, as in its tests.
 */
let shared: Registry | undefined

export function collectProcessMetrics(registry: Registry): void {
  shared ??= processMetrics()
  for (const { name } of shared.getMetricsAsArray()) {
    const metric = shared.getSingleMetric(name)
    if (metric !== undefined) registry.registerMetric(metric)
  }
}

function processMetrics(): Registry {
  const made = new Registry()
  collectDefaultMetrics({ register: made })
  for (const metric of made.getMetricsAsArray()) {
    const aggregator = AGGREGATORS.find(([name]) => name.test(metric.name))?.[1]
    if (aggregator !== undefined) setAggregator(metric, aggregator)
  }
  return made
}
