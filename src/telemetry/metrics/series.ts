/**
 * Makes series of metrics, each with the name of the gateway in front.
 *
 * Series of closed lists are tallies, which start at 0 and are bound once to what they count for.
 */
import { type Aggregator, Gauge, type Registry } from 'prom-client'
import type { Labels } from '../../node/registered-metric.ts'
import { type Tally, tallyCounter, tallyHistogram } from './tally.ts'

export const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
export const LAG_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type Owner = 'route' | 'provider' | 'source' | 'command' | 'limit' | 'caller' | 'upstream'
type OwnLabels = readonly [owner: Owner, ...others: string[]]

export type Series = ReturnType<typeof seriesIn>

export function seriesIn(registry: Registry) {
  const tally = (name: string, help: string, [owner, ...labelNames]: OwnLabels, cells: readonly Labels[]) =>
    tallyCounter({ name: `sallyport_${name}`, help, owner, labelNames, cells, registry })
  /** @returns counts whose owners have several lists each, told apart by the label `part` */
  const partedTally = (
    name: string,
    help: string,
    {
      owner,
      part,
      labelNames,
    }: { readonly owner: Owner; readonly part: string; readonly labelNames: readonly string[] },
    cells: readonly Labels[],
  ) => tallyCounter({ name: `sallyport_${name}`, help, owner, part, labelNames, cells, registry })
  const histogram = (name: string, help: string, bounds: readonly number[], owner: Owner) =>
    tallyHistogram({ name: `sallyport_${name}`, help, owner, bounds, registry })
  /** @param aggregator says what several processes show together */
  const gauge = <L extends string>(name: string, help: string, aggregator: Aggregator, labelNames: readonly L[] = []) =>
    new Gauge({ name: `sallyport_${name}`, help, aggregator, labelNames: [...labelNames], registers: [registry] })
  /** @returns the counts of a closed list that starts at 0 and belongs to the whole gateway */
  const overall = (name: string, help: string, cells: readonly Labels[]): Tally =>
    tallyCounter({
      name: `sallyport_${name}`,
      help,
      labelNames: Object.keys(cells[0] ?? {}),
      cells,
      registry,
    }).of('', cells.keys())
  return { tally, partedTally, histogram, gauge, overall }
}
