/**
 * Adds up the metrics of several processes, so that a scrape sees one gateway and no counter ever goes down.
 *
 * What a process counted outlives it: its counters and histograms, as last heard, stay in every later sum. What it
 * counted after that is lost with it. Each metric says itself how it is combined (`aggregator` in `telemetry/`).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AggregatorRegistry, type Registry } from 'prom-client'

/** One metric with all its series. */
export type Family = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]

interface Totals<Source> {
  /** Takes the metrics of a process, in place of those that it gave before. */
  heard(source: Source, families: readonly Family[]): void
  /** Notes that a process has ended. It has an effect at once, and resolves when nothing is left to do. */
  gone(source: Source): Promise<void>
  /** Gives the sums in Prometheus' text format. @param own metrics of the process that asks */
  text(own: readonly Family[]): Promise<string>
}

/** Labels whose values, and with them the series, a reload may take away. */
const OWNERS = ['route', 'provider'] as const

export function totals<Source>(): Totals<Source> {
  const latest = new Map<Source, readonly Family[]>()
  let past: readonly Family[] = []

  return {
    heard(source, families) {
      latest.set(source, families)
    },
    async gone(source) {
      const whole = [...past, ...(latest.get(source) ?? []).filter(isAccumulating)]
      latest.delete(source)
      past = whole
      // The sum is shorter and says the same, unless more has been added meanwhile.
      const short = await combined(whole).getMetricsAsJSON()
      if (past === whole) past = short
    },
    async text(own) {
      const live = [...latest.values()].flat()
      if (live.length > 0) past = past.map(family => withoutForgotten(family, live))
      const byName = Map.groupBy([...live, ...own, ...past], ({ name }) => name)
      const texts: string[] = []
      for (const families of byName.values()) {
        texts.push(await combined(families).metrics())
        // This process hands out connections, and a long sum must not keep them waiting.
        await nextTurn()
      }
      return texts.join('\n')
    },
  }
}

function combined(families: readonly Family[]): Registry {
  return AggregatorRegistry.aggregate([families])
}

/** True for what stays counted after its process has ended; a gauge of a process that is gone says nothing. */
function isAccumulating({ type }: Family): boolean {
  // prom-client writes the type in lower case, whatever its types say.
  return (['counter', 'histogram'] as readonly unknown[]).includes(type)
}

/** Drops series of routes and providers that no living process knows: a reload has taken those away. */
function withoutForgotten(family: Family, live: readonly Family[]): Family {
  const known = live.filter(({ name }) => name === family.name).flatMap(({ values }) => values)
  const isKnown = OWNERS.map(label => {
    const names = new Set(known.map(({ labels }) => labels[label]))
    return ({ labels }: Family['values'][number]) => labels[label] === undefined || names.has(labels[label])
  })
  return { ...family, values: family.values.filter(value => isKnown.every(check => check(value))) }
}
