/**
 * Writes metrics as the text that Prometheus reads, and packs them for another process, a slice of the work at a time.
 *
 * A thousand routes have tens of thousands of series. Made in one go, their text would hold up every request for longer
 * than a service takes to answer, so others have their turn of the event loop after each slice. A slice is a number of
 * series and not a time, because that is the same on every machine and in every test.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import { type MetricValues, registeredMetrics } from '../../node/registered-metric.ts'
import { cellOf, type Family, familyHead, lineOf, type Owned } from './family.ts'
import { TallyMetric } from './tally.ts'

/** A family of which all numbers have been read. */
export interface PackedFamily extends Family {
  readonly owned: readonly Owned[]
}

/** Takes about a millisecond. */
export const SERIES_PER_SLICE = 1_000

/** Gives the text of all families, a slice at a time. */
export async function* exposition(families: Iterable<Family> | AsyncIterable<Family>): AsyncGenerator<string> {
  let text = ''
  let series = 0
  for await (const family of families) {
    text += familyHead(family)
    for (const owned of family.owned) {
      text += linesOf(family, owned)
      series += owned.places.length
      if (series < SERIES_PER_SLICE) continue
      yield text
      text = ''
      series = 0
      await nextTurn()
    }
  }
  if (text !== '') yield text
}

/** Gives the numbers of all families, a slice at a time; a family with many owners comes in several pieces. */
export async function* packed(families: AsyncIterable<Family>): AsyncGenerator<readonly PackedFamily[]> {
  let slice: PackedFamily[] = []
  let series = 0
  for await (const family of families) {
    let owned: Owned[] = []
    for (const each of family.owned) {
      owned.push(each)
      series += each.places.length
      if (series < SERIES_PER_SLICE) continue
      yield [...slice, { ...family, owned }]
      slice = []
      owned = []
      series = 0
      await nextTurn()
    }
    slice.push({ ...family, owned })
  }
  yield slice
}

/** Gives the families of a registry. Those of this gateway's own make are read when their turn comes. */
export async function* familiesOf(registry: Registry): AsyncGenerator<Family> {
  for (const metric of registeredMetrics(registry)) {
    if (metric instanceof TallyMetric) yield metric.family()
    else if (metric.get !== undefined) yield familyOf(await metric.get())
  }
}

function familyOf({ name, help, type, aggregator, values }: MetricValues): PackedFamily {
  const numbers = values.map(({ value }) => (Number.isFinite(value) ? value : String(value)))
  return {
    name,
    help,
    type,
    aggregator,
    cells: values.map(({ metricName = name, labels }) => cellOf(metricName, labels, 'unowned', 'last')),
    owned: [{ owner: '', places: [...values.keys()], values: numbers }],
  }
}

function linesOf({ cells }: Family, { owner, places, values }: Owned): string {
  let text = ''
  for (const [at, place] of places.entries()) {
    const cell = cells[place]
    if (cell !== undefined) text += lineOf(cell, owner, Number(values[at]))
  }
  return text
}
