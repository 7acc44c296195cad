/** Prints what a gateway remembers of a refusal: one line, or all of it. Strangers wrote much of that. */
import type { RecentRefusal } from '../../admin/recent.ts'
import { DENIAL_CODES, denialSpec } from '../../errors.ts'
import type { Paint } from '../../lib/paint.ts'
import { momentOf, withDistances } from '../text/moments.ts'
import { shown } from '../text/shown.ts'
import { columns } from '../text/table.ts'

/** @returns one line without its end: when, what, of which request, and why */
export function refusalLine(told: RecentRefusal, paint: Paint): string {
  const refusal = shown(told)
  const { time, method, path, route, provider, subject, client, request_id: id } = refusal
  const request = method === '' ? '(no request)' : `${method} ${path}`
  const who = [provider, subject].filter(Boolean).join('/')
  const names = [
    ...(route === undefined ? [] : [`route=${route}`]),
    ...(who === '' ? [] : [`caller=${quoted(who)}`]),
    ...(client === undefined ? [] : [`client=${client}`]),
    `id=${id}`,
  ]
  return [
    paint('dim', time.slice('2026-01-01T'.length, -1)),
    paint(colourOf(refusal), decisionText(refusal)),
    paint('bold', request),
    ...Object.entries(refusal.evidence ?? {}).map(([name, value]) => `${name}=${wordText(name, value)}`),
    paint('dim', names.join(' ')),
  ].join(' ')
}

/** @returns lines, each with its end */
export function refusalText(told: RecentRefusal, paint: Paint, nowMs: number): string {
  const refusal = shown(told)
  const { code, time, method, host, path, route, provider, subject, client, trace_id: trace, explain } = refusal
  // A newer gateway may have codes that this program does not know.
  const spec = DENIAL_CODES.includes(code) ? denialSpec(code) : undefined
  const rows = [
    ['when', withDistances(time, nowMs)],
    ['request', method === '' ? 'none: what came could not be read as one' : `${method} ${path}`],
    ['host', host],
    ['route', route ?? ''],
    ['provider', provider ?? ''],
    ['caller', subject ?? ''],
    ['client', client ?? ''],
    ['request id', refusal.request_id],
    ['trace', trace ?? ''],
    ...Object.entries(refusal.evidence ?? {}).map(([name, value]) => [
      name,
      withDistances(valueText(name, value), nowMs),
    ]),
    ['remedy', spec?.remedy ?? ''],
  ]
  const head = `${paint(colourOf(refusal), decisionText(refusal))}  ${spec?.title ?? ''}`.trimEnd()
  const table = columns(rows.filter(([, value]) => value !== '')).map(line => `  ${line}`)
  return `${[head, ...table, ...(explain === undefined ? [] : ['', 'To see how it is decided:', `  ${explain}`])].join('\n')}\n`
}

function decisionText({ decision, code, status }: RecentRefusal): string {
  if (decision === 'report') return `${code} (reported, passed)`
  return status === undefined ? code : `${status} ${code}`
}

function colourOf({ decision, status = 0 }: RecentRefusal): 'red' | 'yellow' | 'green' {
  return decision === 'report' ? 'green' : status >= 500 ? 'red' : 'yellow'
}

/** Quotes a text with blanks in it: a stranger may have written one that looks like further members. */
function quoted(text: string): string {
  return /^[^\s"]+$/u.test(text) ? text : JSON.stringify(text)
}

function wordText(name: string, value: unknown): string {
  const text = valueText(name, value)
  // JSON has its own quotes.
  return typeof value === 'object' && !Array.isArray(value) ? text : quoted(text)
}

function valueText(name: string, value: unknown): string {
  const moment = momentOf(name, value)
  if (moment !== undefined) return moment
  if (Array.isArray(value)) return value.map(each => valueText('', each)).join(', ')
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
