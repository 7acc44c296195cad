/**
 * Adds up the metrics of several processes, so that a scrape sees one gateway and no counter ever goes down.
 *
 * What a process counted outlives it: its counters and histograms, as last heard, stay in every later sum. What it
 * counted after that is lost with it. Each metric says itself how it is combined (`aggregator` in `telemetry/`). The
 * work is done an owner at a time, because the process that does it hands out connections, too.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type PackedFamily, SERIES_PER_SLICE } from '../../telemetry/metrics/exposition.ts'
import type { Cell, Family, Owned } from '../../telemetry/metrics/family.ts'

export interface Totals<Source> {
  /** Takes the metrics of a process, in place of those that it gave before. */
  heard(source: Source, families: readonly PackedFamily[]): void
  /** Notes that a process has ended. It has an effect at once, and resolves when nothing is left to do. */
  gone(source: Source): Promise<void>
  /** Gives the sums. @param own metrics of the process that asks */
  families(own: readonly PackedFamily[]): AsyncGenerator<Family>
}

export function totals<Source>(): Totals<Source> {
  const latest = new Map<Source, readonly PackedFamily[]>()
  let past: readonly PackedFamily[] = []

  return {
    heard(source, families) {
      latest.set(source, families)
    },
    async gone(source) {
      const whole = [...past, ...(latest.get(source) ?? []).filter(isAccumulating)]
      latest.delete(source)
      past = whole
      // The sum is shorter and says the same, unless more has been added meanwhile.
      const short: PackedFamily[] = []
      for (const pieces of byName(whole)) short.push(inFull(await sumOf(pieces)))
      if (past === whole) past = short
    },
    async *families(own) {
      const live = [...latest.values()].flat()
      if (live.length > 0) past = withoutForgotten(past, live)
      for (const pieces of byName([...live, ...own, ...past])) yield await sumOf(pieces)
    },
  }
}

function byName(families: readonly PackedFamily[]): Iterable<readonly PackedFamily[]> {
  return Map.groupBy(families, ({ name }) => name).values()
}

/** True for what stays counted after its process has ended; a gauge of a process that is gone says nothing. */
function isAccumulating({ type }: PackedFamily): boolean {
  return type === 'counter' || type === 'histogram'
}

/** Drops series of routes and providers that no living process knows: a reload has taken those away. */
function withoutForgotten(past: readonly PackedFamily[], live: readonly PackedFamily[]): readonly PackedFamily[] {
  const known = new Map<string, Set<string>>()
  for (const { name, owned } of live) {
    const owners = known.get(name) ?? new Set()
    known.set(name, owners)
    for (const { owner } of owned) owners.add(owner)
  }
  return past.map(family => ({
    ...family,
    owned: family.owned.filter(({ owner }) => owner === '' || known.get(family.name)?.has(owner) === true),
  }))
}

/** Combines families of the same name into one. It has the cells of all of them, and can be read once. */
async function sumOf(pieces: readonly PackedFamily[]): Promise<Family> {
  const [first] = pieces
  if (first === undefined) throw new Error('there is nothing to add up')
  const combine = COMBINE[first.aggregator] ?? COMBINE.sum
  const cells: Cell[] = []
  const placeOf = new Map<string, number>()
  const sums = new Map<string, Map<number, number>>()
  let series = 0
  for (const piece of pieces) {
    const places = piece.cells.map(cell => {
      const key = cell.head + cell.tail
      const place = placeOf.get(key) ?? cells.push(cell) - 1
      placeOf.set(key, place)
      return place
    })
    for (const owned of piece.owned) {
      const sum = sums.get(owned.owner) ?? new Map<number, number>()
      sums.set(owned.owner, sum)
      add(owned, places, sum, combine)
      series += owned.places.length
      if (series < SERIES_PER_SLICE) continue
      series = 0
      await nextTurn()
    }
  }
  return {
    ...first,
    cells,
    owned: sums.entries().map(([owner, sum]) => {
      const inOrder = [...sum].sort(([one], [other]) => one - other)
      return { owner, places: inOrder.map(([place]) => place), values: inOrder.map(([, value]) => value) }
    }),
  }
}

function inFull(family: Family): PackedFamily {
  return { ...family, owned: [...family.owned] }
}

function add(
  { places: from, values }: Owned,
  places: readonly number[],
  sum: Map<number, number>,
  combine: (one: number, other: number) => number,
): void {
  for (const [at, place] of from.entries()) {
    const value = Number(values[at])
    const to = places[place] ?? place
    const before = sum.get(to)
    sum.set(
      to,
      before === undefined || Number.isNaN(before) ? value : Number.isNaN(value) ? before : combine(before, value),
    )
  }
}

/** How two processes show one number. A process that has not measured anything (NaN) does not count. */
const COMBINE: Readonly<Record<string, (one: number, other: number) => number>> & {
  readonly sum: (one: number, other: number) => number
} = {
  sum: (one, other) => one + other,
  first: one => one,
  min: Math.min,
  max: Math.max,
}
