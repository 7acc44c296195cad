/**
 * Counts in series that are known beforehand: an event costs one addition in an array, and the series are made from the
 * numbers when somebody scrapes.
 *
 * The counters and histograms of prom-client find the series of every event by joining its labels, which takes a
 * microsecond, and keep an object for each. These stand beside them in the same registry, which writes the text for
 * all. They know no exemplars and cannot be reset.
 */
import type { Registry } from 'prom-client'
import {
  type Labels,
  type MetricDefinition,
  type RegisteredMetric,
  registerMetric,
  type Sample,
} from '../node/registered-metric.ts'

interface TallyOptions {
  readonly name: string
  readonly help: string
  /** The first label says whose numbers they are: a route's, a provider's. */
  readonly labelNames: readonly [owner: string, ...others: string[]]
  readonly registry: Registry
}

/** The counts of one owner. */
export class Tally {
  readonly #counts: Float64Array

  constructor(counts: Float64Array) {
    this.#counts = counts
  }

  /** @param index the place of a series in the closed list */
  add(index: number): void {
    this.#counts[index] = Math.max(this.#counts[index] ?? 0, 0) + 1
  }
}

/** The durations of one owner. */
class Durations {
  readonly #bounds: readonly number[]
  /** A count for each bound, then one for what is above all of them, then the sum. */
  readonly #numbers: Float64Array

  constructor(bounds: readonly number[], numbers: Float64Array) {
    this.#bounds = bounds
    this.#numbers = numbers
  }

  observe(seconds: number): void {
    const bounds = this.#bounds
    const numbers = this.#numbers
    let at = 0
    while (seconds > (bounds[at] ?? Number.POSITIVE_INFINITY)) at++
    numbers[at] = (numbers[at] ?? 0) + 1
    numbers[numbers.length - 1] = (numbers[numbers.length - 1] ?? 0) + seconds
  }
}

/** A number that is no series yet. */
const UNLISTED = -1

interface TallyCounter {
  /**
   * @returns the counts that an owner has, else new ones
   * @param listed the series that are shown from now on; any other is shown from its first event
   */
  of(owner: string, listed: Iterable<number>): Tally
  /** Drops the series of an owner. */
  forget(owner: string): void
}

/** @param cells the labels of each series of an owner, apart from the owner */
export function tallyCounter(options: TallyOptions & { readonly cells: readonly Labels[] }): TallyCounter {
  const { labelNames, cells } = options
  const [label] = labelNames
  const owners = new Map<string, Float64Array>()
  register(options, {
    type: 'counter',
    *samples() {
      for (const [owner, counts] of owners) {
        for (const [index, value] of counts.entries()) {
          if (value !== UNLISTED) yield { labels: { [label]: owner }, sharedLabels: cells[index], value }
        }
      }
    },
  })
  return {
    of(owner, listed) {
      const counts = owners.get(owner) ?? new Float64Array(cells.length).fill(UNLISTED)
      owners.set(owner, counts)
      for (const index of listed) counts[index] = Math.max(counts[index] ?? 0, 0)
      return new Tally(counts)
    },
    forget: owner => owners.delete(owner),
  }
}

interface TallyHistogram {
  /** @returns the durations that an owner has, else new ones, which are shown from now on */
  of(owner: string): Durations
  /** Drops the series of an owner. */
  forget(owner: string): void
}

/** @param bounds upper bounds of the buckets in seconds, ascending, without infinity */
export function tallyHistogram(options: TallyOptions & { readonly bounds: readonly number[] }): TallyHistogram {
  const { name, labelNames, bounds } = options
  const [label] = labelNames
  const owners = new Map<string, Float64Array>()
  register(options, {
    type: 'histogram',
    *samples() {
      for (const [owner, numbers] of owners) {
        let count = 0
        const sharedLabels = { [label]: owner }
        for (const [index, le] of [...bounds, '+Inf'].entries()) {
          count += numbers[index] ?? 0
          yield { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: count }
        }
        yield { metricName: `${name}_sum`, labels: { [label]: owner }, value: numbers.at(-1) ?? 0 }
        yield { metricName: `${name}_count`, labels: { [label]: owner }, value: count }
      }
    },
  })
  return {
    of(owner) {
      const numbers = owners.get(owner) ?? new Float64Array(bounds.length + 2)
      owners.set(owner, numbers)
      return new Durations(bounds, numbers)
    },
    forget: owner => owners.delete(owner),
  }
}

interface Kind {
  readonly type: MetricDefinition['type']
  samples(): Iterable<Sample>
}

function register({ name, help, labelNames, registry }: TallyOptions, { type, samples }: Kind): void {
  const definition: MetricDefinition = { name, help, type, aggregator: 'sum' }
  const metric: RegisteredMetric = {
    ...definition,
    labelNames,
    get: async () => ({ ...definition, values: Array.from(samples(), withAllLabels) }),
    getForPromString: async () => ({ ...metric, values: samples() }),
  }
  registerMetric(registry, metric)
}

function withAllLabels({ sharedLabels, labels, ...sample }: Sample): Sample {
  return { ...sample, labels: { ...labels, ...sharedLabels } }
}
