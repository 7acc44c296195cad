/**
 * Counts in series that are known beforehand: an event costs one addition in an array, and the series are made from the
 * numbers when somebody scrapes.
 *
 * The counters and histograms of prom-client find the series of every event by joining its labels, which takes a
 * microsecond, and keep an object for each. These stand beside them in the same registry. They know no exemplars and
 * cannot be reset.
 */
import type { Registry } from 'prom-client'
import { type Labels, type RegisteredMetric, registerMetric } from '../../node/registered-metric.ts'
import { type Cell, cellOf, type Family, labelText, type Owned } from './family.ts'

interface TallyOptions {
  readonly name: string
  readonly help: string
  /** The label that says whose numbers they are: a route's, a provider's. Left out, there is one, nameless owner. */
  readonly owner?: string | undefined
  /** The label that tells several lists of one owner apart. */
  readonly part?: string | undefined
  readonly registry: Registry
}

/** The counts of one owner. */
export class Tally {
  readonly #counts: Float64Array

  constructor(counts: Float64Array) {
    this.#counts = counts
  }

  /** @param index the place of a series in the closed list */
  add(index: number, count = 1): void {
    this.#counts[index] = Math.max(this.#counts[index] ?? 0, 0) + count
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
  /** Does the same for one of the lists of an owner who has several. */
  ofPart(owner: string, part: string, listed: Iterable<number>): Tally
  /** Drops the series of an owner. */
  forget(owner: string): void
}

interface TallyCounterOptions extends TallyOptions {
  /** The labels of each series of an owner, apart from the owner. */
  readonly cells: readonly Labels[]
  /** The names of these labels: a list of cells may be empty. */
  readonly labelNames: readonly string[]
}

export function tallyCounter(options: TallyCounterOptions): TallyCounter {
  const { name, owner: label, cells, labelNames } = options
  const kind = label === undefined ? 'unowned' : 'owned'
  return register(options, {
    type: 'counter',
    labelNames,
    length: cells.length,
    empty: UNLISTED,
    cells: cells.map(labels => cellOf(name, labels, kind, 'last')),
    shown(counts) {
      const places: number[] = []
      const values: number[] = []
      for (let place = 0; place < counts.length; place++) {
        const count = counts[place] ?? UNLISTED
        if (count === UNLISTED) continue
        places.push(place)
        values.push(count)
      }
      return { places, values }
    },
    made(counts, listed: Iterable<number>) {
      for (const index of listed) counts[index] = Math.max(counts[index] ?? 0, 0)
      return new Tally(counts)
    },
  })
}

interface TallyHistogram {
  /** @returns the durations that an owner has, else new ones, which are shown from now on */
  of(owner: string): Durations
  /** Drops the series of an owner. */
  forget(owner: string): void
}

interface TallyHistogramOptions extends TallyOptions {
  readonly owner: string
  /** Upper bounds of the buckets in seconds, ascending, without infinity. */
  readonly bounds: readonly number[]
}

export function tallyHistogram(options: TallyHistogramOptions): TallyHistogram {
  const { name, bounds } = options
  const buckets = [...bounds, '+Inf'].map(le => cellOf(`${name}_bucket`, { le }, 'owned', 'first'))
  const cells = [...buckets, ...['_sum', '_count'].map(suffix => cellOf(name + suffix, {}, 'owned', 'last'))]
  const places = [...cells.keys()]
  return register(options, {
    type: 'histogram',
    labelNames: [],
    length: bounds.length + 2,
    empty: 0,
    cells,
    shown(numbers) {
      let count = 0
      const values = Array.from(buckets, (_, place) => {
        count += numbers[place] ?? 0
        return count
      })
      return { places, values: [...values, numbers.at(-1) ?? 0, count] }
    },
    made: numbers => new Durations(bounds, numbers),
  })
}

/** A metric of this make, as the registry has it. */
export class TallyMetric implements RegisteredMetric {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labelNames: readonly string[]
  readonly #cells: readonly Cell[]
  readonly #owned: () => Iterable<Owned>

  constructor(
    definition: RegisteredMetric & { readonly cells: readonly Cell[]; readonly owned: () => Iterable<Owned> },
  ) {
    this.name = definition.name
    this.help = definition.help
    this.type = definition.type
    this.labelNames = definition.labelNames
    this.#cells = definition.cells
    this.#owned = definition.owned
  }

  /** The numbers of an owner are read when that owner's turn comes, all at once. */
  family(): Family {
    const { name, help, type } = this
    return { name, help, type, aggregator: 'sum', cells: this.#cells, owned: this.#owned() }
  }
}

interface Kind<Counting, Extra extends readonly unknown[]> {
  readonly type: string
  readonly labelNames: readonly string[]
  readonly length: number
  /** What stands in the array of a new owner. */
  readonly empty: number
  readonly cells: readonly Cell[]
  shown(numbers: Float64Array): Omit<Owned, 'owner'>
  made(numbers: Float64Array, ...extra: Extra): Counting
}

function register<Counting, Extra extends readonly unknown[]>(
  { name, help, owner: label, part: partLabel, registry }: TallyOptions,
  { type, labelNames, length, empty, cells, shown, made }: Kind<Counting, Extra>,
) {
  const owners = new Map<string, { readonly owner: string; readonly text: string; readonly numbers: Float64Array }>()
  const own = [label, partLabel].filter(name => name !== undefined)
  function numbersOf(owner: string, part: string): Float64Array {
    const key = JSON.stringify([owner, part])
    const text = labelText({
      ...(label !== undefined && { [label]: owner }),
      ...(partLabel !== undefined && { [partLabel]: part }),
    })
    const known = owners.get(key) ?? { owner, text, numbers: new Float64Array(length).fill(empty) }
    owners.set(key, known)
    return known.numbers
  }
  const metric = new TallyMetric({
    name,
    help,
    type,
    labelNames: [...own, ...labelNames],
    cells,
    *owned() {
      for (const { text, numbers } of owners.values()) yield { owner: text, ...shown(numbers) }
    },
  })
  registerMetric(registry, metric)
  return {
    of: (owner: string, ...extra: Extra): Counting => made(numbersOf(owner, ''), ...extra),
    ofPart: (owner: string, part: string, ...extra: Extra): Counting => made(numbersOf(owner, part), ...extra),
    forget(owner: string): void {
      for (const [key, known] of owners) if (known.owner === owner) owners.delete(key)
    },
  }
}
