/**
 * Answers what was refused lately: the records that `/-/recent` and `/-/live` give, and how those of several processes
 * become one list.
 *
 * Each process numbers what it remembers. A cursor says up to which number of which process its reader has read, so
 * that it holds when one of them ends: all that its successor remembers is new to everybody.
 */
import type { DenialCode } from '../errors.ts'

/** A refusal, or what a report-only route would have refused. A member that is not known is left out. */
export interface RecentRefusal {
  /** ISO 8601. */
  readonly time: string
  readonly request_id: string
  readonly trace_id?: string | undefined
  readonly decision: 'deny' | 'report'
  readonly code: DenialCode
  /** What the client was sent; left out when it had gone by then. */
  readonly status?: number | undefined
  /** These three are empty for what was no request of HTTP. */
  readonly method: string
  readonly host: string
  /** Without query, and without what looks like a token. */
  readonly path: string
  /** Id of the route or of the endpoint. */
  readonly route?: string | undefined
  readonly provider?: string | undefined
  /** As `admin.console.subjects` says. */
  readonly subject?: string | undefined
  readonly client?: string | undefined
  /** What was wanted and seen. */
  readonly evidence?: Readonly<Record<string, unknown>> | undefined
  /** The command line to paste; left out where none asks for the same. It never holds a token or a claim. */
  readonly explain?: string | undefined
}

export interface RecentAnswer {
  /** The oldest first. */
  readonly records: readonly RecentRefusal[]
  /** What is to be asked for next, as `after`. */
  readonly next: string
}

export interface RecentQuestion {
  /** A cursor; without one the newest are told. One that nobody understands counts as none. */
  readonly after?: string | undefined
  /** Only what is remembered of the request with this id. */
  readonly request?: string | undefined
}

/** What one process answers. */
export interface RecentPart {
  /** Names the process. */
  readonly source: string
  /** The number up to which it has told all; 0 before its first record. */
  readonly last: number
  /** In the order of their numbers. */
  readonly records: ReadonlyArray<{ readonly number: number; readonly refusal: RecentRefusal }>
}

/** A record, and the cursor for what comes after it. */
interface RecentEntry {
  readonly refusal: RecentRefusal
  readonly cursor: string
}

/** So many records one answer has at most, whatever is remembered. */
export const MOST_RECORDS = 200

/** More than there can be workers, so that of those who have ended some are still known. */
const MOST_SOURCES = 128

/** Joins what processes have answered by time, and keeps the order in which each has told. */
export function merged(
  parts: readonly RecentPart[],
  { after, request }: RecentQuestion,
): { readonly entries: readonly RecentEntry[]; readonly next: string } {
  const read = new Map(readUpTo(after))
  const isForward = after !== undefined && read.size > 0
  const all = parts.flatMap(({ source, records }) => {
    // The clock of the machine may be set back, and what a process has told stays in its order.
    let time = ''
    return records.map(each => {
      if (each.refusal.time > time) time = each.refusal.time
      return { ...each, source, time }
    })
  })
  all.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  const isCut = request === undefined && all.length > MOST_RECORDS
  const told = !isCut ? all : isForward ? all.slice(0, MOST_RECORDS) : all.slice(-MOST_RECORDS)
  const entries = told.map(({ refusal, source, number }) => {
    read.set(source, number)
    return { refusal, cursor: cursorText(read) }
  })
  // A forward answer that was cut is gone on with behind its last record.
  if (!(isCut && isForward)) for (const { source, last } of parts) read.set(source, last)
  return { entries, next: cursorText(read) }
}

/** Says up to which number a cursor has read each process; none of an unreadable one. */
export function readUpTo(cursor: string | undefined): ReadonlyMap<string, number> {
  const read = new Map<string, number>()
  for (const each of cursor?.split('_', MOST_SOURCES) ?? []) {
    const [, source, number] = /^([0-9a-f]{8})\.(\d{1,15})$/.exec(each) ?? []
    if (source === undefined || number === undefined) return new Map()
    read.set(source, Number(number))
  }
  return read
}

function cursorText(read: ReadonlyMap<string, number>): string {
  return [...read]
    .slice(-MOST_SOURCES)
    .map(([source, number]) => `${source}.${number}`)
    .join('_')
}
