/**
 * `process_*` and `nodejs_*`, made to be added up over several processes.
 *
 * prom-client would show the average of the event loops' delays, in which one process that is stuck goes unseen, and no
 * start time at all.
 */
import { collectDefaultMetrics, type Registry } from 'prom-client'

/** What is not listed is summed, as CPU and memory are. */
const AGGREGATORS: ReadonlyArray<readonly [name: RegExp, aggregator: 'min' | 'max']> = [
  [/^process_start_time_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_min_seconds$/, 'min'],
  [/^nodejs_eventloop_lag_/, 'max'],
]

export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const metric of registry.getMetricsAsArray()) {
    const aggregator = AGGREGATORS.find(([name]) => name.test(metric.name))?.[1]
    // prom-client has no option for its own metrics, and no types for this member.
    if (aggregator !== undefined) Object.assign(metric, { aggregator })
  }
}
