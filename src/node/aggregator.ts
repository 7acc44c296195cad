/**
 * Says how several processes add up a metric that prom-client makes by itself.
 *
 * prom-client shows the average of the event loops' delays, in which one process that is stuck goes unseen, and leaves
 * out the time of the start. `collectDefaultMetrics` has no option for that, and the types know nothing of the member
 * that decides: https://github.com/prometheus/client_js/issues/418 asked for something better than the sum, and got the
 * average. Seen in prom-client 15.1.3.
 *
 * Breaks first: `test/run/workers/totals.test.ts`.
 * Remove when: `collectDefaultMetrics` takes an aggregator for each metric.
 */
import type { Aggregator, MetricObject } from 'prom-client'

/** @param metric as the registry has it, not a copy */
export function setAggregator(metric: MetricObject, aggregator: Aggregator): void {
  Object.assign(metric, { aggregator })
}
