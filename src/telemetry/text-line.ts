/**
 * Turns a JSON line of the log into one that people read at a glance, for a terminal.
 *
 * What strangers put into a line stays text: it neither breaks the line nor commands the terminal, and a value with
 * blanks or signs in it is quoted, so that it cannot pass for further members. Of a request's line, what a glance has
 * no use for is left out.
 */
import type { Paint } from '../lib/paint.ts'

type Members = Readonly<Record<string, unknown>>

const STYLES: Readonly<Record<string, Parameters<Paint>[0]>> = {
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
}
const LEVEL_COLUMNS = 5

/** @param json one line with its end; a line that is no JSON object is returned as it is */
export function textLine(json: string, paint: Paint): string {
  const read = members(json)
  if (read === undefined) return json
  const { level, time, msg, err, ...rest } = read
  const name = typeof level === 'string' ? level : ''
  const style = STYLES[name] ?? 'dim'
  const parts = [
    paint('dim', timeOfDay(time)),
    paint(style, harmless(name.toUpperCase()).padEnd(LEVEL_COLUMNS)),
    ...('request_id' in rest && 'code' in rest
      ? requestParts(rest, { time, style, paint })
      : [sentence(msg), ...pairs(rest, paint)]),
  ]
  return `${[...parts, ...failure(err, paint)].filter(part => part !== '').join(' ')}\n`
}

function members(json: string): Members | undefined {
  try {
    const read: unknown = JSON.parse(json)
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? (read as Members) : undefined
  } catch {
    return undefined
  }
}

/** @param time as the line has it, in UTC @returns the time of this machine's clock on the wall */
function timeOfDay(time: unknown): string {
  const date = new Date(typeof time === 'string' ? time : Number.NaN)
  if (Number.isNaN(date.getTime())) return '--:--:--.---'
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(part =>
    String(part).padStart(2, '0'),
  )
  return `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

interface Look {
  readonly time: unknown
  readonly style: Parameters<Paint>[0]
  readonly paint: Paint
}

function requestParts(line: Members, { time, style, paint }: Look): readonly string[] {
  const { request_id: id, status, code, reported, method, path, route, provider, subject, evidence, ...others } = line
  const { duration_ms: durationMs, client, ...rest } = others
  const kept = Object.entries(rest).filter(([name]) => !NOT_AT_A_GLANCE.has(name))
  // A request may fail after all, though its route has only reported what it would have refused.
  const hasPassed = reported !== undefined && code === 'ok'
  return [
    paint(style, shown(status ?? '---')),
    paint(style, shown(hasPassed ? reported : code)),
    ...(hasPassed ? ['(reported)'] : []),
    ...(method === undefined ? [] : [paint('bold', `${shown(method)} ${shown(path)}`)]),
    ...pairs({ route, provider, sub: subject, client: subject === undefined ? client : undefined }, paint),
    ...(typeof durationMs === 'number' ? [duration(durationMs)] : []),
    ...evidenceParts(evidence, time, paint),
    ...(hasPassed ? [] : pairs({ reported }, paint)),
    ...pairs(Object.fromEntries(kept), paint),
    ...pairs({ id }, paint),
  ]
}

const NOT_AT_A_GLANCE: ReadonlySet<string> = new Set([
  'trace_id',
  'client_id',
  'host',
  'protocol',
  'user_agent',
  'bytes_in',
  'bytes_out',
  'upstream_ms',
  'overhead_ms',
])

function duration(ms: number): string {
  return ms < 1000 ? `${Number(ms.toFixed(1))}ms` : `${Number((ms / 1000).toFixed(1))}s`
}

/** Says of the times in a token how far away they are, which is what one works out first. */
function evidenceParts(evidence: unknown, time: unknown, paint: Paint): readonly string[] {
  if (typeof evidence !== 'object' || evidence === null) return pairs({ evidence }, paint)
  const { exp, nbf, ...rest } = evidence as Members
  const nowSeconds = Math.floor(new Date(typeof time === 'string' ? time : Number.NaN).getTime() / 1000)
  return [
    ...(typeof exp === 'number' ? [paint('bold', `expired ${span(nowSeconds - exp)} ago`)] : pairs({ exp }, paint)),
    ...(typeof nbf === 'number' ? [paint('bold', `valid in ${span(nbf - nowSeconds)}`)] : pairs({ nbf }, paint)),
    ...pairs(rest, paint),
  ]
}

const MINUTE_SECONDS = 60
const HOUR_SECONDS = 60 * MINUTE_SECONDS
const DAY_SECONDS = 24 * HOUR_SECONDS

/** @returns two minutes in seconds, two hours in minutes, two days in hours, and what is longer in days */
function span(seconds: number): string {
  if (Math.abs(seconds) < 2 * MINUTE_SECONDS) return `${Math.round(seconds)} s`
  if (Math.abs(seconds) < 2 * HOUR_SECONDS) return `${Math.round(seconds / MINUTE_SECONDS)} min`
  if (Math.abs(seconds) < 2 * DAY_SECONDS) return `${Math.round(seconds / HOUR_SECONDS)} h`
  return `${Math.round(seconds / DAY_SECONDS)} d`
}

/** A bug is looked for by its stack, which follows on lines of its own. */
function failure(err: unknown, paint: Paint): readonly string[] {
  if (err === undefined) return []
  const { message, stack } = (typeof err === 'object' && err !== null ? err : { message: err }) as Members
  const frames = typeof stack === 'string' ? stack.split('\n').map(frame => `\n    ${harmless(frame.trim())}`) : []
  return [...pairs({ err: message }, paint), frames.join('')]
}

function pairs(record: Members, paint: Paint): readonly string[] {
  return Object.entries(record).flatMap(([name, value]) =>
    value === undefined ? [] : [`${paint('dim', `${harmless(name)}=`)}${shown(value)}`],
  )
}

function sentence(msg: unknown): string {
  return typeof msg === 'string' ? harmless(msg) : ''
}

/** Matches what cannot be taken for more than one value. */
const PLAIN = /^[^\s",]+$/u

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(',')
  // JSON has no text for what is missing.
  return harmless(typeof value === 'string' && PLAIN.test(value) ? value : String(JSON.stringify(value)))
}

/** Matches what controls a terminal or a line, turns the direction of writing around, or cannot be seen. */
const CONTROLS = /[\p{C}\p{Zl}\p{Zp}]/gu

function harmless(text: string): string {
  return text.replace(CONTROLS, character => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
