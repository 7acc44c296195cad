/**
 * Keeps what was counted during the last minutes, as snapshots of totals: how much each has grown is what happened.
 *
 * A total that is smaller than before was started anew, by another process, and all of it counts. A quantile is read
 * off the buckets of a histogram, as Prometheus does it: evenly spread inside of a bucket.
 */

/** Durations, as histograms count them: how many took up to each bound, and as the last number how many there were. */
export interface Histogram {
  /** Upper bounds in seconds, ascending, without infinity. */
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
}

interface RouteTotals {
  readonly passed: number
  readonly refused: number
}

/** What has been counted since the start, or during some time. */
interface Totals {
  /** Refusals by code. */
  readonly refused: ReadonlyMap<string, number>
  /** What routes that only report would have refused, by code. */
  readonly reported: ReadonlyMap<string, number>
  readonly routes: ReadonlyMap<string, RouteTotals>
  /** Time that the gateway added. */
  readonly added: Histogram
  /** Time that services took. */
  readonly service: Histogram
  /** Streams and tunnels that were ended, by reason. */
  readonly streamsEnded: ReadonlyMap<string, number>
  /** Look-ups of verified tokens, by result. */
  readonly lookups: ReadonlyMap<string, number>
  /** Spans of traces, by result. */
  readonly traceSpans: ReadonlyMap<string, number>
  /** Records of the audit log, by result. */
  readonly auditRecords: ReadonlyMap<string, number>
}

export interface Snapshot extends Totals {
  /** When it was taken, in milliseconds that never go back. */
  readonly atMs: number
}

/** What happened between two snapshots. */
export interface Span {
  /** The time between the two. */
  readonly seconds: number
  readonly totals: Totals
  /** Refusals in each step of that time, oldest first. */
  readonly steps: readonly number[]
}

interface Window {
  /** Takes a snapshot that later ones are compared with. */
  keep(snapshot: Snapshot): void
  /** Says what happened between the snapshot that is as old as the window, or the oldest, and this one. */
  until(snapshot: Snapshot): Span
}

export function slidingWindow(lengthMs: number): Window {
  let kept: readonly Snapshot[] = []
  return {
    keep(snapshot) {
      const isOver = ({ atMs }: Snapshot): boolean => atMs <= snapshot.atMs - lengthMs
      // Of those that are too old, the youngest is where the window begins.
      kept = [...kept.slice(Math.max(kept.findLastIndex(isOver), 0)), snapshot]
    },
    until(snapshot) {
      const begin = kept.findLastIndex(({ atMs }) => atMs <= snapshot.atMs - lengthMs)
      const within = [...kept.slice(Math.max(begin, 0)).filter(({ atMs }) => atMs < snapshot.atMs), snapshot]
      const [first = snapshot] = within
      return {
        seconds: (snapshot.atMs - first.atMs) / 1000,
        totals: growth(first, snapshot),
        steps: within.slice(1).map((each, index) => sum(grownMap(within[index]?.refused ?? new Map(), each.refused))),
      }
    },
  }
}

/** A point of the distribution. Beyond the last bound nobody knows more than that it is at least that. */
export interface Quantile {
  readonly seconds: number
  readonly isAtLeast: boolean
}

/** @returns undefined when nothing was counted */
export function quantile(share: number, { bounds, counts }: Histogram): Quantile | undefined {
  const all = counts.at(-1) ?? 0
  if (all === 0) return undefined
  const rank = share * all
  const at = counts.findIndex(count => count >= rank && count > 0)
  const upper = bounds[at]
  if (upper === undefined) return { seconds: bounds.at(-1) ?? 0, isAtLeast: true }
  const [lower, below] = at === 0 ? [0, 0] : [bounds[at - 1] ?? 0, counts[at - 1] ?? 0]
  const inside = (counts[at] ?? 0) - below
  return { seconds: lower + ((upper - lower) * (rank - below)) / inside, isAtLeast: false }
}

export function sum(counts: ReadonlyMap<string, number>): number {
  let all = 0
  for (const count of counts.values()) all += count
  return all
}

function growth(before: Totals, after: Totals): Totals {
  return {
    refused: grownMap(before.refused, after.refused),
    reported: grownMap(before.reported, after.reported),
    streamsEnded: grownMap(before.streamsEnded, after.streamsEnded),
    lookups: grownMap(before.lookups, after.lookups),
    traceSpans: grownMap(before.traceSpans, after.traceSpans),
    auditRecords: grownMap(before.auditRecords, after.auditRecords),
    routes: new Map(
      after.routes.entries().map(([route, { passed, refused }]) => {
        const earlier = before.routes.get(route)
        return [route, { passed: grown(earlier?.passed, passed), refused: grown(earlier?.refused, refused) }]
      }),
    ),
    added: grownHistogram(before.added, after.added),
    service: grownHistogram(before.service, after.service),
  }
}

function grownMap(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(after.entries().map(([name, count]) => [name, grown(before.get(name), count)]))
}

/** Buckets are compared all or none, because they belong to the same requests. */
function grownHistogram(before: Histogram, after: Histogram): Histogram {
  const isAnew = after.counts.some((count, at) => count < (before.counts[at] ?? 0))
  if (isAnew) return after
  return { bounds: after.bounds, counts: after.counts.map((count, at) => count - (before.counts[at] ?? 0)) }
}

function grown(before = 0, after: number): number {
  return after < before ? after : after - before
}
