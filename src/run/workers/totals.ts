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

export interface Totals<Source> {
  /** The figures of a process, in place of those it gave before. */
  heard(source: Source, families: readonly Family[]): void
  /** The process is no more. Holds at once; resolves when nothing is left to do. */
  gone(source: Source): Promise<void>
  /** Prometheus' text of all. @param own figures of the process that asks */
  text(own: readonly Family[]): Promise<string>
}

/** Labels that a reload may take away, and with them the series. */
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
      // Shorter, and the same: unless it has changed meanwhile.
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
        // Connections are handed out by this process: a long sum must not keep them waiting to its end.
        await nextTurn()
      }
      return texts.join('\n')
    },
  }
}

function combined(families: readonly Family[]): Registry {
  return AggregatorRegistry.aggregate([families])
}

/** Gauges tell what is, and of a process that is gone nothing is. */
function isAccumulating({ type }: Family): boolean {
  // As prom-client writes it, whatever its types say.
  return (['counter', 'histogram'] as readonly unknown[]).includes(type)
}

/** A route or provider that no living process knows is one that a reload has taken away. */
function withoutForgotten(family: Family, live: readonly Family[]): Family {
  const known = live.filter(({ name }) => name === family.name).flatMap(({ values }) => values)
  const isKnown = OWNERS.map(label => {
    const names = new Set(known.map(({ labels }) => labels[label]))
    return ({ labels }: Family['values'][number]) => labels[label] === undefined || names.has(labels[label])
  })
  return { ...family, values: family.values.filter(value => isKnown.every(check => check(value))) }
}
