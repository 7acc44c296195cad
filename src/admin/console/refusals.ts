/** Shows how often each code refused requests, what it means, and what can be done about it. */
import { DENIALS, type DenialCode, denialSpec } from '../../errors.ts'
import type { ConsoleFacts } from './facts.ts'
import { chip, type Element, filter, node, nothing, section, table, typed } from './nodes.ts'
import { count, spanText } from './texts.ts'

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
    { title: 'What it means, and what to do', kind: 'wide' },
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
      ...(withReports ? [reported === 0 ? undefined : count(reported)] : []),
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

function meaning(name: string, share: number): Element {
  if (!isCode(name)) return node('div', { class: 'meaning' }, bar(share))
  const { title, remedy } = denialSpec(name)
  return node(
    'div',
    { class: 'meaning' },
    node('details', {}, node('summary', {}, title), node('p', { class: 'faint' }, ...typed(remedy))),
    bar(share),
  )
}

/** @param share of the longest bar */
function bar(share: number): Element {
  const rect = node('rect', { width: `${Math.max(share * 100, 1).toFixed(1)}%`, height: '100%', rx: '3' })
  return node('svg', { class: 'bar', 'aria-hidden': 'true' }, rect)
}

function isCode(name: string): name is DenialCode {
  return Object.hasOwn(DENIALS, name)
}
