/**
 * Reads off the metric families what the console shows, so that several processes are one there as they are in a
 * scrape. A slice of the work is done at a time, since a thousand routes have tens of thousands of series.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SERIES_PER_SLICE } from '../../telemetry/metrics/exposition.ts'
import type { Family } from '../../telemetry/metrics/family.ts'
import type { Histogram, Snapshot } from './window.ts'

/** The totals, and what can be said of the present only. */
export interface Readings extends Snapshot {
  /** Gauges by name; one with labels is left out. */
  readonly now: ReadonlyMap<string, number>
  /** Requests that were beyond each rate limit, since the start. */
  readonly limited: ReadonlyMap<string, number>
}

/** Takes one series: its labels apart from those of its owner, its value, and the labels of its owner. */
type Read = (labels: Labels, value: number, owner: Labels) => void
type Labels = Readonly<Record<string, string>>

/** The gauges that are shown. */
const GAUGES: ReadonlySet<string> = new Set([
  'sallyport_requests_in_flight',
  'sallyport_token_cache_entries',
  'sallyport_store_up',
  'process_resident_memory_bytes',
  'nodejs_eventloop_lag_p99_seconds',
])

export async function readingsOf(families: AsyncIterable<Family>, atMs: number): Promise<Readings> {
  const refused = new Map<string, number>()
  const reported = new Map<string, number>()
  const streamsEnded = new Map<string, number>()
  const lookups = new Map<string, number>()
  const traceSpans = new Map<string, number>()
  const auditRecords = new Map<string, number>()
  const routes = new Map<string, { passed: number; refused: number }>()
  const now = new Map<string, number>()
  const limited = new Map<string, number>()
  const added = histogramReader()
  const service = histogramReader()
  const readers: Readonly<Record<string, Read>> = {
    sallyport_refusals_total: ({ code = '' }, value) => add(refused, code, value),
    sallyport_report_denials_total: ({ code = '' }, value) => add(reported, code, value),
    sallyport_streams_closed_total: ({ reason = '' }, value) => add(streamsEnded, reason, value),
    sallyport_token_cache_total: ({ result = '' }, value) => add(lookups, result, value),
    sallyport_trace_spans_total: ({ result = '' }, value) => add(traceSpans, result, value),
    sallyport_audit_records_total: ({ result = '' }, value) => add(auditRecords, result, value),
    sallyport_rate_limit_decisions_total({ result }, value, { limit = '' }) {
      if (result === 'limited' || result === 'reported') add(limited, limit, value)
    },
    sallyport_requests_total({ code }, value, { route = '' }) {
      const totals = routes.get(route) ?? { passed: 0, refused: 0 }
      totals[code === 'ok' ? 'passed' : 'refused'] += value
      routes.set(route, totals)
    },
    sallyport_overhead_duration_seconds: added.read,
    sallyport_upstream_duration_seconds: service.read,
  }

  let series = 0
  for await (const family of families) {
    const { name, cells } = family
    const read = GAUGES.has(name) ? (_: Labels, value: number) => now.set(name, value) : readers[name]
    if (read === undefined) continue
    const ofCells = cells.map(({ head, tail }) => labelsIn(head + tail))
    for (const { owner, places, values } of family.owned) {
      const ofOwner = labelsIn(owner)
      for (const [at, place] of places.entries()) {
        const cell = ofCells[place]
        if (cell !== undefined) read(cell, Number(values[at]), ofOwner)
      }
      series += places.length
      if (series < SERIES_PER_SLICE) continue
      series = 0
      await nextTurn()
    }
  }
  return {
    atMs,
    refused,
    reported,
    routes,
    streamsEnded,
    lookups,
    traceSpans,
    auditRecords,
    now,
    limited,
    added: added.histogram(),
    service: service.histogram(),
  }
}

function add(totals: Map<string, number>, name: string, value: number): void {
  totals.set(name, (totals.get(name) ?? 0) + value)
}

/** Adds up the buckets of all owners, since what is shown is the time of any request. */
function histogramReader(): { readonly read: Read; histogram(): Histogram } {
  const counts = new Map<number, number>()
  return {
    read({ le }, value) {
      if (le === undefined) return
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
      counts.set(bound, (counts.get(bound) ?? 0) + value)
    },
    histogram() {
      const inOrder = [...counts].sort(([one], [other]) => one - other)
      return {
        bounds: inOrder.map(([bound]) => bound).filter(Number.isFinite),
        counts: inOrder.map(([, count]) => count),
      }
    },
  }
}

/** Reads `name="value"` as `labelText` in telemetry/metrics/family.ts writes it. */
function labelsIn(text: string): Labels {
  const found = text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)
  return Object.fromEntries(found.map(([, name = '', value = '']) => [name, unescaped(value)]))
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
}
