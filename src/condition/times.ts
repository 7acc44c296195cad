/**
 * Reads and takes apart the times of conditions: instants, and how long something takes.
 *
 * CEL specification, "Timestamps" and "Durations". The parts of an instant are those of UTC where no zone is named,
 * never those of the zone that the process runs in. There are no leap seconds, and nothing finer than a millisecond.
 */
import { PRICES_NS, type Purse } from './work.ts'

/** How long something takes. */
export class Span {
  readonly ms: number

  constructor(ms: number) {
    this.ms = ms
  }
}

const LENGTH = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$/

/** @returns undefined for what is not written in hours, minutes and seconds */
export function spanOf(text: string): Span | undefined {
  const found = text === '' ? null : LENGTH.exec(text)
  if (found === null) return undefined
  const [hours, minutes, seconds] = [1, 2, 3].map(at => Number(found[at] ?? 0)) as [number, number, number]
  return new Span(((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d):\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)$/
const [EARLIEST_MS, LATEST_MS] = [Date.UTC(1970, 0, 1), Date.UTC(3000, 0, 1)]

/** @returns undefined for what is no instant, or none of our times */
export function instantOf(text: string): Date | undefined {
  const [, day = '', hour = ''] = INSTANT.exec(text) ?? []
  const ms = isDay(day) && Number(hour) < 24 ? Date.parse(text) : Number.NaN
  return ms >= EARLIEST_MS && ms < LATEST_MS ? new Date(ms) : undefined
}

/** Here the 30th of February is a day in March. */
function isDay(day: string): boolean {
  const ms = Date.parse(day)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}

/** The calendar of CEL ends with the year 9999, and what lasts longer than 10,000 years has no length. */
const [FIRST_INSTANT_MS, LAST_INSTANT_MS] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')]
const LONGEST_SPAN_MS = 315_576_000_000_000

/** @returns undefined beyond the ends of the calendar */
export function instantAt(ms: number): Date | undefined {
  return ms >= FIRST_INSTANT_MS && ms <= LAST_INSTANT_MS ? new Date(ms) : undefined
}

/** @returns undefined for what lasts too long */
export function spanFor(ms: number): Span | undefined {
  return Math.abs(ms) <= LONGEST_SPAN_MS ? new Span(ms) : undefined
}

/** The parts of an instant as the calendar has them: the first day and the first month are 1. */
interface Calendar {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

const DAY_MS = 86_400_000

/** What each method makes of the calendar. Years and hours are counted as they are written, months and days from 0. */
const PARTS: Readonly<Record<string, (calendar: Calendar) => number>> = {
  getFullYear: ({ year }) => year,
  getMonth: ({ month }) => month - 1,
  getDate: ({ day }) => day,
  getDayOfMonth: ({ day }) => day - 1,
  getDayOfWeek: calendar => new Date(startOfDay(calendar)).getUTCDay(),
  getDayOfYear: calendar => (startOfDay(calendar) - startOfDay({ ...calendar, month: 1, day: 1 })) / DAY_MS,
  getHours: ({ hour }) => hour,
  getMinutes: ({ minute }) => minute,
  getSeconds: ({ second }) => second,
}

const SPAN_PARTS: Readonly<Record<string, number>> = { getHours: 3_600_000, getMinutes: 60_000, getSeconds: 1_000 }

export const TIME_PARTS: readonly string[] = Object.keys(PARTS)

/** @returns reads a part of what it is given; undefined for what has no such part */
export function timePart(name: string, zone: string | undefined): (of: unknown, purse: Purse) => bigint | undefined {
  const [part, spanMs] = [PARTS[name], SPAN_PARTS[name]]
  const calendarOf = zone === undefined ? calendarOfUtc : calendarOfZone(zone)
  return (of, purse) => {
    if (of instanceof Date) return part && BigInt(part(calendarOf(of, purse)))
    if (of instanceof Span && spanMs !== undefined && zone === undefined) return BigInt(Math.trunc(of.ms / spanMs))
    return undefined
  }
}

function startOfDay({ year, month, day }: Calendar): number {
  return new Date(0).setUTCFullYear(year, month - 1, day)
}

function calendarOfUtc(instant: Date): Calendar {
  return {
    year: instant.getUTCFullYear(),
    month: instant.getUTCMonth() + 1,
    day: instant.getUTCDate(),
    hour: instant.getUTCHours(),
    minute: instant.getUTCMinutes(),
    second: instant.getUTCSeconds(),
  }
}

type CalendarOf = (instant: Date, purse: Purse) => Calendar

/** Making one takes longer than a hundred requests. */
const zones = new Map<string, CalendarOf>()

function calendarOfZone(zone: string): CalendarOf {
  const known = zones.get(zone)
  if (known !== undefined) return known
  const made = remembered(formatOf(zone))
  zones.set(zone, made)
  return made
}

/** The parts of one instant are asked for one after the other. */
function remembered(format: Intl.DateTimeFormat): CalendarOf {
  let [lastMs, last]: [number | undefined, Calendar | undefined] = [undefined, undefined]
  return (instant, purse) => {
    if (last === undefined || instant.getTime() !== lastMs) {
      purse.leftNs -= PRICES_NS.zone
      last = calendarBy(format, instant)
      lastMs = instant.getTime()
    }
    return last
  }
}

function calendarBy(format: Intl.DateTimeFormat, instant: Date): Calendar {
  const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  const part = (type: keyof Calendar): number => parts.get(type) ?? Number.NaN
  return {
    year: part('year'),
    month: part('month'),
    day: part('day'),
    hour: part('hour'),
    minute: part('minute'),
    second: part('second'),
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
}
