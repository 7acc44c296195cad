/**
 * Collects `process_*` and `nodejs_*`, and says how several processes add them up: the worst event loop
 * counts, and the process that started first.
 */
import { collectDefaultMetrics, type Registry } from 'prom-client'
import { setAggregator } from '../../node/aggregator.ts'

/** A metric that is not listed is summed, as CPU and memory are. */
const AGGREGATORS: ReadonlyArray<readonly [name: RegExp, aggregator: 'min' | 'max']> = [
  [/^process_start_time_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_min_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_/, 'max'],
]

export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const metric of registry.getMetricsAsArray()) {
    const aggregator = AGGREGATORS.find(([name]) => name.test(metric.name))?.[1]
    if (aggregator !== undefined) setAggregator(metric, aggregator)
  }
}
