/**
 * A metric as it is shown and as processes send it to each other: numbers, beside label text that is ready to write.
 *
 * The series of a metric that has thousands of owners (routes, providers) differ in their owner alone. So the text is
 * made once for each place in the list that all owners share, and an owner brings its numbers.
 *
 * The text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Aggregator } from 'prom-client'
import type { Labels } from '../../node/registered-metric.ts'

/** One place in the list: what is written before the labels of an owner, and what behind them. */
export interface Cell {
  readonly head: string
  readonly tail: string
}

/** The numbers of one owner. Those that are no number of JSON travel as text. */
export interface Owned {
  /** The label that tells the owner from others, as text; empty for a metric without owners. */
  readonly owner: string
  readonly places: readonly number[]
  readonly values: ReadonlyArray<number | string>
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  /** Says what several processes show together. */
  readonly aggregator: Aggregator
  readonly cells: readonly Cell[]
  readonly owned: Iterable<Owned>
}

/** @returns `name="value"` for each label, with commas between them */
export function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`)
    .join()
}

/** @param name of the series, with the suffix that tells the parts of a histogram apart */
export function cellOf(name: string, labels: Labels, owner: 'owned' | 'unowned', order: 'first' | 'last'): Cell {
  const text = labelText(labels)
  if (owner === 'unowned') return { head: text === '' ? name : `${name}{${text}}`, tail: '' }
  if (text === '') return { head: `${name}{`, tail: '}' }
  return order === 'first' ? { head: `${name}{${text},`, tail: '}' } : { head: `${name}{`, tail: `,${text}}` }
}

/** @returns the two lines that stand above the series of a metric */
export function familyHead({ name, help, type }: Family): string {
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`
}

export function lineOf({ head, tail }: Cell, owner: string, value: number): string {
  return `${head}${owner}${tail} ${valueText(value)}\n`
}

/** Spells a value as Prometheus does. */
function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value < 0 ? '-Inf' : '+Inf'
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
