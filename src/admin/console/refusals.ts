/** Shows what is refused: how often by code, and the last refusals with what was wanted and what was seen. */
import { DENIALS, type DenialCode, denialSpec } from '../../errors.ts'
import type { RecentRefusal } from '../recent.ts'
import type { ConsoleFacts } from './facts.ts'
import {
  cellsOf,
  chip,
  code,
  copyButton,
  type Element,
  filter,
  head,
  moment,
  type Node,
  node,
  nothing,
  pairs,
  section,
  table,
} from './nodes.ts'
import { count, spanText } from './texts.ts'

/** A page of more is slow to read, and to load through a tunnel. */
const MOST_SHOWN = 50

export function refusalsByCode({ span: { totals, seconds }, readings }: ConsoleFacts): Element {
  const codes = new Set([...totals.refused.keys(), ...totals.reported.keys()])
  const rows = [...codes]
    .map(name => ({
      name,
      refused: totals.refused.get(name) ?? 0,
      reported: totals.reported.get(name) ?? 0,
      everRefused: readings.refused.get(name) ?? 0,
    }))
    .filter(({ refused, reported }) => refused + reported > 0)
    .toSorted((one, other) => other.refused + other.reported - one.refused - one.reported)
  const most = Math.max(...rows.map(({ refused, reported }) => refused + reported), 1)
  const withReports = rows.some(({ reported }) => reported > 0)
  const columns = [
    { title: 'Code' },
    { title: 'What it means', kind: 'wide' },
    { title: 'Refused', kind: 'number' },
    ...(withReports ? [{ title: 'Only reported', kind: 'number' } as const] : []),
    { title: 'Since the start', kind: 'number' },
  ] as const
  const shown = rows.map(({ name, refused, reported, everRefused }) => ({
    key: name,
    cells: [
      filter('code', name, chip(name, isCode(name) ? denialSpec(name).status : undefined)),
      meaning(name, (refused + reported) / most),
      count(refused),
      ...(withReports ? [reported === 0 ? '–' : count(reported)] : []),
      count(everRefused),
    ],
  }))
  return section(
    'refused',
    'Refusals by code',
    spanText(seconds),
    shown.length === 0 ? nothing(`Nothing was refused in ${spanText(seconds)}.`) : table('codes', columns, shown),
  )
}

const COLUMNS = [
  { title: 'When' },
  { title: 'Refusal' },
  { title: 'Request', kind: 'wide' },
  { title: 'Wanted and seen' },
  { title: 'Caller' },
] as const

/** Each refusal is a group of two rows: what happened, and how to look into it. */
export function lastRefusals({ recent }: ConsoleFacts): Element {
  const shown = recent.slice(-MOST_SHOWN).toReversed()
  const note = recent.length > shown.length ? `the newest ${shown.length}` : 'newest first'
  if (shown.length === 0)
    return section('recent', 'Last refusals', '', nothing('No refusal is remembered since the start.'))
  return section(
    'recent',
    'Last refusals',
    note,
    node(
      'p',
      { class: 'live filtering' },
      node('span', { id: 'filter', role: 'status', 'data-own': '' }),
      node('button', { type: 'button', id: 'unfilter' }, 'Show all'),
    ),
    node('table', { class: 'recent', role: 'table' }, head(COLUMNS), ...shown.map(group)),
    node(
      'p',
      { class: 'live more' },
      node('button', { type: 'button', id: 'more', 'data-own': '' }, 'Show older ones'),
    ),
  )
}

function group(refusal: RecentRefusal): Element {
  const { time, code: name, decision, route, request_id: id, explain, trace_id: trace } = refusal
  const { title } = DENIALS[name]
  const cells = [
    moment(time),
    [
      filter('code', name, chip(name, denialSpec(name).status)),
      node('p', { class: 'faint' }, decision === 'report' ? `${title}; only reported` : title),
    ],
    [
      node('p', { class: 'target' }, node('b', {}, refusal.method), ' ', code(refusal.path)),
      node(
        'p',
        { class: 'faint' },
        ...(refusal.host === '' ? [] : [`${refusal.host} · `]),
        ...(route === undefined ? ['no route'] : ['route ', filter('route', route, route)]),
      ),
    ],
    refusal.evidence === undefined ? undefined : evidence(refusal.evidence),
    caller(refusal),
  ]
  return node(
    'tbody',
    { role: 'rowgroup', 'data-key': `${id} ${time} ${name}`, 'data-code': name, 'data-route': route, class: decision },
    node('tr', { role: 'row' }, ...cellsOf(COLUMNS, cells)),
    node(
      'tr',
      { role: 'row', class: 'how' },
      node(
        'td',
        { role: 'cell', colspan: String(COLUMNS.length) },
        node(
          'div',
          {},
          explain === undefined
            ? undefined
            : node('div', { class: 'line' }, node('pre', { tabindex: '0' }, explain), copyButton('the command')),
          idNode('request', id),
          trace === undefined ? undefined : idNode('trace', trace),
        ),
      ),
    ),
  )
}

function idNode(what: string, id: string): Element {
  return node('span', { class: 'id faint' }, `${what} `, code(id), copyButton(`the id of the ${what}`))
}

function caller({ subject, provider, client }: RecentRefusal): readonly Node[] | undefined {
  const lines = [
    subject === undefined ? undefined : node('p', {}, code(subject)),
    provider === undefined ? undefined : node('p', { class: 'faint' }, `by ${provider}`),
    client === undefined ? undefined : node('p', { class: 'faint' }, `from ${client}`),
  ].filter(line => line !== undefined)
  return lines.length === 0 ? undefined : lines
}

/** Claims that are moments, which no person reads as numbers. */
const MOMENTS: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat', 'auth_time'])

function evidence(found: Readonly<Record<string, unknown>>): Element {
  const shown = Object.entries(found).map(([name, value]): readonly [string, Node | readonly Node[]] => [
    name.replaceAll('_', ' '),
    MOMENTS.has(name) && typeof value === 'number' && Math.abs(value) < 1e11
      ? moment(new Date(value * 1000).toISOString())
      : valueNodes(value),
  ])
  return pairs('evidence', shown)
}

function valueNodes(value: unknown): readonly Node[] {
  if (Array.isArray(value)) return value.length === 0 ? ['none'] : value.flatMap(each => [code(textOf(each)), ' '])
  return [code(textOf(value))]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
}

function meaning(name: string, share: number): Element {
  if (!isCode(name)) return node('div', { class: 'meaning' }, '', bar(share))
  const { title, remedy } = denialSpec(name)
  // What stands between backticks is what one types.
  const words = remedy.split('`').map((text, index) => (index % 2 === 1 ? code(text) : text))
  return node('div', { class: 'meaning' }, title, bar(share), node('p', { class: 'faint' }, ...words))
}

/** @param share of the longest bar */
function bar(share: number): Element {
  const rect = node('rect', { width: `${Math.max(share * 100, 1).toFixed(1)}%`, height: '100%', rx: '3' })
  return node('svg', { class: 'bar', 'aria-hidden': 'true' }, rect)
}

function isCode(name: string): name is DenialCode {
  return Object.hasOwn(DENIALS, name)
}
